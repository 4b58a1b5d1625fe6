package app

import (
	"strings"
	"testing"

	"github.com/sluice-etl/sluice/internal/mariadbtest"
	"github.com/sluice-etl/sluice/query"
)

// Events of several formats in one topic are counted by one query, and one that no format accepts is a dead letter with
// the reason of each.
func TestFirstOf_toTheTable(t *testing.T) {
	t.Parallel()
	server := mariadbtest.Start(t)
	db := server.Database(t)
	k := broker(t)
	cfg := config(t, k.ListenAddrs()[0], server.DSN(db))
	cfg.Kafka.Partitions, cfg.Batch.DeadLetterStop = 1, 1
	var err error
	opts := query.DefaultOptions()
	opts.Format, opts.FormatString = "first-of(combined, json, csv)", "level,code"
	if cfg.Plan, err = query.Compile("INSERT INTO codes SELECT COALESCE(combined.status, CAST(json.code AS SIGNED), CAST(csv.code AS SIGNED)) AS code, _format, COUNT(*) AS n "+
		"FROM events GROUP BY code, _format", opts); err != nil {
		t.Fatal(err)
	}
	const line = `192.0.2.1 - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 5 "-" "UA"`
	p := start(t, cfg)
	p.loads(t)
	if err := p.dial(t).Append(t.Context(), events(line, `{"code":200}`, "warn,200", line+"\n"+line, `{"code":"503"}`+"\n"+`{"code":503}`, "oops", line+"\n"+`{"code":200}`, "")); err != nil {
		t.Fatal(err)
	}
	await(t, "every event is counted or dead", func() bool {
		return strings.Join(rows(t, server.DSN(db), "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = 'codes'"), "") == "1" &&
			strings.Join(rows(t, server.DSN(db), "SELECT SUM(counted), SUM(dead) FROM etl_checkpoint"), "") == "5 3"
	})
	const want = "200 combined 3, 200 csv 1, 200 json 1, 503 json 2"
	if got := strings.Join(rows(t, server.DSN(db), "SELECT code, _format, n FROM codes ORDER BY code, _format"), ", "); got != want {
		t.Errorf("the table has %s, expected %s", got, want)
	}
	for _, reason := range rows(t, server.DSN(db), "SELECT reason FROM etl_dead_letter ORDER BY record_offset") {
		for _, format := range []string{"; combined: ", "; json: expected a JSON object", "; csv: "} {
			if !strings.Contains(reason, format) {
				t.Errorf("the reason does not say %q: %s", format, reason)
			}
		}
	}
}
