package app

import (
	"fmt"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/sluice-etl/sluice/internal/mariadbtest"
	"github.com/sluice-etl/sluice/kafkaio"
	"github.com/sluice-etl/sluice/query"
	"github.com/sluice-etl/sluice/receiver"
)

// Records fail in every way that the formats, the language, the columns and MySQL know, each way three times with
// different texts. No reason contains any of these texts, in MySQL or in the dead-letter topic, and there are no more
// reasons than ways to fail.
func TestDeadLetters_reasonsHoldNothingOfTheRecord(t *testing.T) {
	t.Parallel()
	const signal = "CREATE TRIGGER bad BEFORE INSERT ON marks FOR EACH ROW IF NEW.m LIKE 'signal%' THEN " +
		"SET @text = CONCAT('Incorrect value for column `', NEW.m, '` at row 1'); SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = @text; END IF"
	const table = "CREATE TABLE marks (k VARCHAR(20) COLLATE utf8mb4_nopad_bin PRIMARY KEY, n BIGINT NOT NULL, %s, CHECK (m NOT LIKE '%%check%%')) CHARSET utf8mb4"
	const textColumn = "m VARCHAR(40) CHARACTER SET latin1 COLLATE latin1_nopad_bin NULL"
	for name, c := range map[string]struct {
		format, query, columns string
		reasons                int
		bodies                 []string // %s is the marker
	}{
		"json": {"json", "SELECT COALESCE(k, '') AS k, COUNT(*) AS n, MAX(CAST(m AS CHAR)) AS m, MAX(CAST(v AS SIGNED)) AS v, MAX(CAST(t AS DATETIME)) AS t, " +
			"MAX(CAST(d AS DOUBLE)) AS d, SUM(s + 1) AS s FROM events GROUP BY k",
			textColumn + ", v TINYINT NULL, t TIMESTAMP NULL, d DOUBLE NULL, s DECIMAL(38,0) NULL", 12, []string{
				`%s`, `["%s"]`, `{"k":"%s` + strings.Repeat("x", 30) + `"}`, `{"v":"%s"}`, `{"v":7777%d}`, `{"t":"%s"}`, `{"t":"2999-01-01 00:00:%d"}`, `{"d":"%s"}`,
				`{"s":"%s"}`, `{"s":{"%s":1}}`, `{"m":"%s\u4e16"}`, `{"m":"signal%s"}`, `{"m":"check%s"}`}},
		"combined": {"combined", "SELECT COALESCE(user, '') AS k, COUNT(*) AS n, MAX(path) AS m, MAX(bytes) AS v FROM events WHERE TUMBLE(ts, INTERVAL 1 DAY) IS NOT NULL GROUP BY k",
			textColumn + ", v TINYINT NULL", 9, []string{
				`%s`, `%s h - u [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 1 "-" "-"`, `h - u [%s] "GET / HTTP/1.1" 200 1 "-" "-"`,
				`h - u [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" %s 1 "-" "-"`, `h - u [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 %s "-" "-"`,
				`h - u [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 7777%d "-" "-"`, `h - u [17/May/2015:10:05:03 +0000] "GET /%[1]s` + strings.Repeat("%[1]s", 9) + ` HTTP/1.1" 200 1 "-" "-"`,
				`h - %[1]s` + strings.Repeat("%[1]s", 9) + ` [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 1 "-" "-"`,
				`h - u [17/May/2015:10:05:03 +0000] "GET check%s HTTP/1.1" 200 1 "-" "-"`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := mariadbtest.Start(t)
			db := server.Database(t)
			k := broker(t)
			cfg := config(t, k.ListenAddrs()[0], server.DSN(db))
			cfg.Kafka.Partitions, cfg.Batch.DeadLetterStop = 1, 1
			cfg.Avro.Limits.MaxBodyBytes = 4096
			var err error
			opts := query.DefaultOptions()
			opts.Format = c.format
			if cfg.Plan, err = query.Compile("INSERT INTO marks "+c.query, opts); err != nil {
				t.Fatal(err)
			}
			for _, text := range []string{fmt.Sprintf(table, c.columns), signal} {
				if err := server.Exec(db, text); err != nil {
					t.Fatal(err)
				}
			}
			const marker = "MARKER"
			p := start(t, cfg)
			p.loads(t)
			var events []receiver.Event
			for i := range 3 {
				for _, body := range c.bodies {
					args := any(fmt.Sprint(marker, strings.Repeat("1", i)))
					if strings.Contains(body, "%d") {
						args = 40 + i
					}
					events = append(events, event(fmt.Sprintf(body, args)))
				}
			}
			events = append(events, event(strings.Repeat(marker, 2000), marker, marker))
			if err := p.dial(t).Append(t.Context(), events); err != nil {
				t.Fatal(err)
			}
			dead := 3 * len(c.bodies)
			await(t, "every record is dead", func() bool {
				return rows(t, server.DSN(db), "SELECT COALESCE(SUM(dead), 0), COALESCE(SUM(counted), 0) FROM etl_checkpoint")[0] == fmt.Sprint(dead, " 0")
			})
			reasons := rows(t, server.DSN(db), "SELECT reason, COUNT(*), MAX(detail) FROM etl_dead_letter GROUP BY reason")
			if len(reasons) != c.reasons {
				t.Errorf("%d reasons, expected %d:\n%s", len(reasons), c.reasons, strings.Join(reasons, "\n"))
			}
			for _, kept := range []string{
				"SELECT reason FROM etl_dead_letter WHERE reason LIKE '%" + marker + "%' OR reason LIKE '%7777%'",
				"SELECT reason, detail FROM etl_dead_letter WHERE kind = 'record' AND detail LIKE '%" + marker + "%'",
				"SELECT reason FROM etl_dead_letter WHERE kind = 'row' AND detail = ''",
			} {
				if found := rows(t, server.DSN(db), kept); len(found) > 0 {
					t.Errorf("%s:\n%s", kept, strings.Join(found, "\n"))
				}
			}

			client, err := kgo.NewClient(kgo.SeedBrokers(k.ListenAddrs()...), kgo.ConsumeTopics(cfg.Kafka.Topic+".dlq"))
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			letter := client.PollFetches(t.Context()).Records()
			if len(letter) != 1 {
				t.Fatalf("%d dead letters in Kafka, expected 1", len(letter))
			}
			for _, h := range letter[0].Headers {
				if h.Key != marker && strings.Contains(string(h.Value), marker) || h.Key == kafkaio.HeaderReason && len(h.Value) == 0 {
					t.Errorf("header %s is %q, which must not contain the event's text or be an empty reason", h.Key, h.Value)
				}
			}
		})
	}
}
