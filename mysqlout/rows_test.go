package mysqlout

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/internal/mariadbtest"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqltest"
	"github.com/sluice-etl/sluice/query"
)

// severalRows are queries that make several rows of a record, with what the server counts of all records at once. The
// table records holds the records' bodies and times; n holds the numbers from 0.
var severalRows = []struct{ name, text, shown, counted string }{
	{
		"HOP", `INSERT INTO t SELECT HOP(_timestamp, INTERVAL 10 MINUTE, INTERVAL 1 HOUR) AS w, COALESCE(k, '') AS k, COUNT(*) AS c, SUM(CAST(x AS SIGNED)) AS s, MAX(_timestamp) AS last
			FROM events WHERE x > 2 GROUP BY w, k`,
		"SELECT w, k, c, s, last FROM t ORDER BY w, k",
		`SELECT FROM_UNIXTIME(600 * (FLOOR(UNIX_TIMESTAMP(at) / 600) - n.i)) AS w, JSON_VALUE(doc, '$.k') AS k, COUNT(*), SUM(JSON_VALUE(doc, '$.x')), MAX(at)
			FROM records JOIN n ON n.i < 6 WHERE JSON_VALUE(doc, '$.x') > 2 GROUP BY w, k ORDER BY w, k`,
	},
}

// A table holds, after the batches of two processes, some of which are discarded and folded again, what the server
// computes from all records at once.
func TestSeveralRows_equalTheRecords(t *testing.T) {
	t.Parallel()
	server := mariadbtest.Start(t)
	for _, c := range severalRows {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, sqltest.Open(t, server), testConfig())
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			o := query.DefaultOptions()
			o.Format = "json"
			var logs [][]batch.Record
			var values []string
			for id := range uint64(2) {
				rng := rand.New(rand.NewPCG(seed, id))
				var records []batch.Record
				for i := range 200 {
					at := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC).UnixMilli() + rng.Int64N(10_800_000)
					doc := fmt.Sprintf(`{"k":"%c","x":%d,"tags":%s}`, 'a'+rng.IntN(3), rng.IntN(10), randomTags(rng))
					records = append(records, batch.Record{Offset: int64(i), Timestamp: at, Value: []byte(doc)})
					values = append(values, fmt.Sprintf("(%s, FROM_UNIXTIME(%d.%03d))", quoted(doc), at/1000, at%1000))
				}
				logs = append(logs, records)
			}
			f.Exec(t, "CREATE TABLE records (doc TEXT COLLATE utf8mb4_nopad_bin, at DATETIME(3))", "INSERT INTO records VALUES "+strings.Join(values, ","),
				"CREATE TABLE n (i INT)", "INSERT INTO n VALUES (0),(1),(2),(3),(4),(5)")
			var g errgroup.Group
			for id := range byte(2) {
				plan, err := query.Compile(c.text, o)
				if err != nil {
					t.Fatal(err)
				}
				s := New(testConfig(), sqltest.OpenPool(t, sqltest.Quick(f.Server.DSN(f.Name))), nil, nil)
				tables, err := s.Prepare(t.Context(), plan.Tables())
				if err == nil {
					err = plan.Bind(tables)
				}
				if err != nil {
					t.Fatal(err)
				}
				k := &consumer{t: t, rng: rand.New(rand.NewPCG(seed, uint64(id)+10)), plan: plan, sink: s, fold: plan.NewFold(), id: 100 * id, logs: logs}
				if err := k.claim(int32(id)); err != nil {
					t.Fatal(err)
				}
				g.Go(k.run)
			}
			if err := g.Wait(); err != nil {
				t.Fatal(err)
			}
			got, want := f.Text(t, c.shown), f.Text(t, c.counted)
			if got != want || strings.Count(got, "\n") < 3 {
				t.Errorf("got\n%s\nexpected\n%s", got, want)
			}
		})
	}
}

// randomTags returns a JSON array of texts, or null.
func randomTags(rng *rand.Rand) string {
	var tags []string
	for range rng.IntN(5) {
		tags = append(tags, []string{`"a"`, `"b"`, `"é"`, `1.50`, `null`, `"A"`}[rng.IntN(6)])
	}
	if len(tags) == 4 {
		return "null"
	}
	return "[" + strings.Join(tags, ",") + "]"
}

func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
