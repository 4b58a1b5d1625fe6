package mysqlout

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/internal/mariadbtest"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqltest"
	"github.com/sluice-etl/sluice/query"
)

// events is a subquery that gives the fields types.
const events = "(SELECT COALESCE(LEFT(h, 20), '') AS h, COALESCE(CAST(s AS SIGNED), 0) AS s, CAST(b AS DECIMAL(20,2)) AS b, COALESCE(CAST(at AS DATETIME), CAST('2026-01-01' AS DATETIME)) AS ts FROM events) e"

// A view shows, after any number of batches, what the server computes from all records at once by the same text, whatever
// the settings of the session that reads it are.
func TestView_equalsTheRecords(t *testing.T) {
	t.Parallel()
	server := mariadbtest.Start(t)
	for name, test := range map[string]struct {
		text string // a query of events
		same string // what MariaDB computes from the table records, if that is not the same text
	}{
		"having":             {text: "SELECT h, s, COUNT(*) AS n FROM events GROUP BY h, s HAVING COUNT(*) > 3"},
		"having of an alias": {text: "SELECT h, COUNT(*) AS n, SUM(b) AS total FROM events GROUP BY h HAVING n > 40 OR total < 0"},
		"having of hidden":   {text: "SELECT h FROM events GROUP BY h HAVING COUNT(b) BETWEEN 5 AND 30 AND SUM(b) / COUNT(*) > 1.5 AND MAX(b) IS NOT NULL"},
		"having of the key":  {text: "SELECT h, s, COUNT(*) AS n FROM events GROUP BY h, s HAVING h >= 'c' AND s > 100 AND n > 1 AND (s < 300 OR n < 9)"},
		"having of an average": {
			text: "SELECT h, AVG(b) AS mean, COUNT(*) AS n FROM events GROUP BY h HAVING AVG(b) > 0 AND SUM(b * 2) / COUNT(b) > 1 AND NOT MIN(b) > 100 XOR n IN (3, 4)",
		},
		"outer where":    {text: "SELECT h, n * 2 AS twice, n FROM (SELECT h, COUNT(*) AS n, SUM(b) AS b FROM events GROUP BY h) x WHERE n > 3 AND b IS NOT NULL AND h <> 'b'"},
		"names of names": {text: "SELECT k, m FROM (SELECT h AS k, n AS m FROM (SELECT h, COUNT(*) AS n FROM events GROUP BY h) x WHERE n < 60) y WHERE m > 3"},
		"peak of each minute": {
			text: "SELECT TUMBLE(sec, INTERVAL 1 MINUTE) AS minute, MAX(n) AS peak, COUNT(*) AS seconds FROM (SELECT TUMBLE(ts, INTERVAL 1 SECOND) AS sec, COUNT(*) AS n FROM events GROUP BY sec) x GROUP BY minute",
			same: "SELECT sec - INTERVAL SECOND(sec) SECOND AS minute, MAX(n) AS peak, COUNT(*) AS seconds FROM (SELECT ts AS sec, COUNT(*) AS n FROM events GROUP BY sec) x GROUP BY minute",
		},
		"distinct values": {text: "SELECT s, COUNT(*) AS hosts, COUNT(DISTINCT h) AS again FROM (SELECT s, h FROM events GROUP BY s, h) x GROUP BY s"},
		"histogram of counts": {
			text: "SELECT n DIV 10 AS tens, COUNT(*) AS groups_, SUM(n) AS n, SUM(total) / COUNT(*) AS mean, MIN(h) AS first, COUNT(total) AS c FROM (SELECT h, s, COUNT(*) AS n, SUM(b) AS total FROM events GROUP BY h, s HAVING MAX(b) IS NULL OR MAX(b) > 50) x GROUP BY tens HAVING COUNT(*) > 1",
			same: "SELECT n DIV 10 AS tens, COUNT(*) AS groups_, SUM(n) AS n, SUM(total) / COUNT(*) AS mean, MIN(h) AS first, COUNT(total) AS c FROM (SELECT h, s, COUNT(*) AS n, SUM(b) AS total FROM events GROUP BY h, s HAVING MAX(b) IS NULL OR MAX(b) > 50) x GROUP BY n DIV 10 HAVING COUNT(*) > 1",
		},
		"a cut of the key":   {text: "SELECT LEFT(h, 1) AS p, AVG(m) AS a, MAX(ts) AS last FROM (SELECT h, SUM(b) / COUNT(*) AS m, MAX(ts) AS ts FROM events GROUP BY h) x GROUP BY p"},
		"the only group":     {text: "SELECT n * 2 AS twice, total FROM (SELECT COUNT(*) AS n, SUM(b) AS total FROM events) x WHERE n > 100"},
		"a key that is NULL": {text: "SELECT k, COUNT(*) AS groups_, MAX(n) AS n FROM (SELECT NULLIF(h, 'a') AS k, s, COUNT(*) AS n FROM events GROUP BY k, s) x GROUP BY k"},
		"NULL and 0":         {text: "SELECT k, COUNT(*) AS groups_, SUM(n) AS n FROM (SELECT NULLIF(s - 200, 100) AS k, h, COUNT(*) AS n FROM events GROUP BY k, h) x GROUP BY k"},
		"a deviation":        {text: "SELECT h, COUNT(*) AS n FROM events GROUP BY h HAVING STDDEV(b) > 50 AND VAR_SAMP(b) < 4000"},
		"one row":            {text: "SELECT MAX(n) AS most, MIN(n) AS least, SUM(n) AS n, COUNT(IF(n > 20, 1, NULL)) AS many FROM (SELECT h, COUNT(*) AS n FROM events GROUP BY h) x"},
		"WITH":               {text: "WITH x AS (SELECT h, s, COUNT(*) AS n FROM events GROUP BY h, s) SELECT h, MAX(n) AS n FROM x WHERE s > 100 GROUP BY h HAVING n > 3"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, sqltest.Open(t, server), testConfig())
			f.Exec(t, "CREATE TABLE records (h VARCHAR(20) COLLATE utf8mb4_nopad_bin, s INT, b DECIMAL(20,2), ts DATETIME)")
			// WITH stands in front of INSERT, and HAVING of an alias that is a column is ambiguous in MariaDB.
			text := "INSERT INTO t " + test.text
			if with, rest, ok := strings.Cut(test.text, ") SELECT"); ok && strings.HasPrefix(test.text, "WITH") {
				text = with + ") INSERT INTO t SELECT" + rest
			}
			plan := sqltest.Plan(t, "json", strings.ReplaceAll(text, "FROM events", "FROM "+events))
			f.bind(t, plan)
			odd := &sqltest.DB{SQL: sqltest.OpenSQL(t, server.DSN(f.Name)+"?sql_mode='ANSI_QUOTES,NO_UNSIGNED_SUBTRACTION'&div_precision_increment=0&time_zone='%2B05:30'")}
			rng := rand.New(rand.NewPCG(5, uint64(len(text))))
			rows := 0
			var lines []string
			at := mustClaim(t, f.sink, 0)
			fold := plan.NewFold()
			want := test.same
			if want == "" {
				want = test.text
			}
			want = strings.ReplaceAll(want, "events", "records")
			for id := range byte(5) {
				var records []batch.Record
				var values []string
				n := 1 + rng.IntN(120)
				for i := range n {
					h, s := string(rune('a'+rng.IntN(6)))+strings.Repeat("x", rng.IntN(2)), 100*(1+rng.IntN(4))
					b := "null"
					if rng.IntN(3) > 0 {
						b = fmt.Sprintf("%d.%02d", rng.IntN(200)-80, rng.IntN(100))
					}
					ts := fmt.Sprintf("2026-03-29 00:%02d:%02d", rng.IntN(3), rng.IntN(60))
					records = append(records, batch.Record{Offset: at[0].Next + int64(i), Value: fmt.Appendf(nil, `{"h":%q,"s":%d,"b":%s,"at":%q}`, h, s, b, ts)})
					lines = append(lines, string(records[i].Value))
					values = append(values, fmt.Sprintf("('%s',%d,%s,'%s')", h, s, b, ts))
				}
				var tally batch.Tally
				fold.Add(at[0].Partition, records, &tally)
				if len(tally.Dead) > 0 {
					t.Fatalf("got dead letters %v, expected none", tally.Dead)
				}
				if err := f.sink.Commit(t.Context(), taskBatch(id+1, int64(n), fold.Take(), at...)); err != nil {
					t.Fatal(err)
				}
				at = advance(at, int64(n))
				f.Exec(t, "INSERT INTO records VALUES "+strings.Join(values, ","))
				expected := sortedLines(f.Text(t, want))
				for _, session := range []*sqltest.DB{f.DB, odd} {
					if got := sortedLines(session.Text(t, "SELECT * FROM t")); got != expected {
						t.Fatalf("%s after %d batches:\ngot\n%s\nexpected\n%s", plan.Tables()[0].View.SQL, id+1, got, expected)
					}
				}
				if got := dryRun(t, plan, lines); got != expected {
					t.Fatalf("%s after %d batches, in a dry run:\ngot\n%s\nexpected\n%s", plan.Tables()[0].View.SQL, id+1, got, expected)
				}
				rows += strings.Count(expected, "\n") + min(1, len(expected))
			}
			if rows < 3 {
				t.Errorf("the view had %d rows after all batches, expected some", rows)
			}
		})
	}
}

// dryRun returns the sorted rows of the first target, as a dry run evaluates them without a server.
func dryRun(t testing.TB, plan *query.Plan, lines []string) string {
	t.Helper()
	in := query.Input{Name: "lines", Reader: strings.NewReader(strings.Join(lines, "\n"))}
	tables, dead, _, err := query.Evaluate(t.Context(), plan, []query.Input{in}, -1)
	if err != nil || len(dead) > 0 {
		t.Fatalf("%v, and dead letters %v", err, dead)
	}
	var out []string
	for _, r := range tables[0].Rows {
		for i, cell := range r {
			if at, err := time.Parse("2006-01-02 15:04:05", cell); err == nil {
				r[i] = at.Format(time.RFC3339Nano) // as the driver's times are shown
			}
		}
		out = append(out, strings.Join(r, " "))
	}
	return sortedLines(strings.Join(out, "\n"))
}

func sortedLines(text string) string {
	return strings.Join(slices.Sorted(strings.SplitSeq(text, "\n")), "\n")
}

// If a view is replaced while the process runs, nothing is written until it is that of the query again: clients would
// read something else.
func TestP19_AReplacedViewBlocks(t *testing.T) {
	t.Parallel()
	server := mariadbtest.Start(t)
	for name, test := range map[string]struct{ alter, want string }{
		"another condition": {"ALTER VIEW hits AS SELECT h, n FROM hits__groups WHERE n > 1", "it is the view select"},
		"dropped":           {"DROP VIEW hits", "there is no such table"},
		"a table":           {"DROP VIEW hits; CREATE TABLE hits (h INT)", "it is a table, must be a view of hits__groups"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, sqltest.Open(t, server), testConfig())
			plan := sqltest.Plan(t, "json", "INSERT INTO hits SELECT COALESCE(LEFT(h, 20), '') AS h, COUNT(*) AS n FROM events GROUP BY h HAVING COUNT(*) > 2")
			f.bind(t, plan)
			at := mustClaim(t, f.sink, 0)
			fold := plan.NewFold()
			commit := func(id byte) error {
				var tally batch.Tally
				fold.Add(at[0].Partition, []batch.Record{{Offset: at[0].Next, Value: []byte(`{"h":"a"}`)}}, &tally)
				err := f.sink.Commit(t.Context(), taskBatch(id, 1, fold.Take(), at...))
				if err == nil {
					at = advance(at, 1)
				}
				return err
			}
			for id := range byte(2) {
				if err := commit(id + 1); err != nil {
					t.Fatal(err)
				}
			}
			if got := f.Text(t, "SELECT * FROM hits"); got != "" {
				t.Errorf("got %q of two records, expected none", got)
			}
			create := f.Text(t, "SELECT CONCAT('CREATE VIEW hits AS ', view_definition) FROM information_schema.views WHERE table_schema = DATABASE()")
			f.Exec(t, strings.Split(test.alter, "; ")...)
			blocked := 0
			for range 3 {
				err := commit(3)
				if errors.Is(err, checkpoint.ErrBlocked) && strings.Contains(err.Error(), test.want) {
					blocked++
				} else if err == nil {
					t.Fatal("a commit succeeded")
				}
			}
			if blocked < 2 {
				t.Errorf("got %d blocks with %q, expected 2 or 3", blocked, test.want)
			}
			f.Exec(t, "DROP TABLE IF EXISTS hits")
			f.Exec(t, "DROP VIEW IF EXISTS hits")
			f.Exec(t, create)
			if err := commit(3); err != nil {
				t.Fatalf("with the view again: got %v, expected none", err)
			}
			if got := f.Text(t, "SELECT * FROM hits"); got != "a 3" {
				t.Errorf("got %q, expected a 3", got)
			}
		})
	}
}
