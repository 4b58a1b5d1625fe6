package mysqlout

import (
	"cmp"
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
	"github.com/sluice-etl/sluice/row"
)

// sessionEvent is an event of the tests of sessions. Its key and its time can be NULL.
type sessionEvent struct {
	h    string // '' is NULL
	i    int    // of 4 digits, another one for each event
	s    int
	b    string // NULL, or a number
	at   time.Time
	when bool // it has a time
}

func (e sessionEvent) json() []byte {
	at := "null"
	if e.when {
		at = fmt.Sprintf("%q", e.at.Format("2006-01-02 15:04:05.000000"))
	}
	return fmt.Appendf(nil, `{"h":%q,"i":%d,"s":%d,"b":%s,"at":%s}`, e.h, e.i, e.s, strings.ToLower(e.b), at)
}

// starts returns the start of the session of each event: the events of a key in order of time, where one that is less than
// the gap after the one before it is in the same session. That is the definition, and nothing of how Sluice does it.
func starts(events []sessionEvent, gap time.Duration, key func(sessionEvent) string) map[int]time.Time {
	order := make([]int, 0, len(events))
	for i, e := range events {
		if e.when {
			order = append(order, i)
		}
	}
	slices.SortFunc(order, func(i, k int) int {
		return cmp.Or(cmp.Compare(key(events[i]), key(events[k])), events[i].at.Compare(events[k].at))
	})
	out := map[int]time.Time{}
	for n, i := range order {
		out[i] = events[i].at
		if n == 0 {
			continue
		}
		if before := order[n-1]; key(events[before]) == key(events[i]) && events[i].at.Sub(events[before].at) < gap {
			out[i] = out[before]
		}
	}
	return out
}

// The view of sessions shows, after any batches of two processes and in any order of the events, what a program computes
// that sorts all events, whatever the settings of the session that reads it are.
func TestSession_equalsTheRecords(t *testing.T) {
	t.Parallel()
	const fields = "(SELECT NULLIF(LEFT(h, 20), '') AS h, CAST(i AS SIGNED) AS i, COALESCE(CAST(s AS SIGNED), 0) AS s, CAST(b AS DECIMAL(20,2)) AS b, CAST(at AS DATETIME(6)) AS ts FROM events) e"
	server := mariadbtest.Start(t)
	byHost := func(e sessionEvent) string { return e.h }
	for name, test := range map[string]struct {
		text string // SESSION is the call
		gap  string
		of   time.Duration
		key  func(sessionEvent) string
		same string // what MariaDB computes from the table records, if that is not nearly the same text
	}{
		"visits":         {text: "SELECT SESSION AS visit, h, COUNT(*) AS pages, MIN(ts) AS began, MAX(ts) AS ended FROM events GROUP BY visit, h", gap: "1 HOUR", of: time.Hour, key: byHost},
		"without a key":  {text: "SELECT SESSION AS visit, COUNT(b) AS c FROM events GROUP BY 1", gap: "10 SECOND", of: 10 * time.Second, key: func(sessionEvent) string { return "" }},
		"no aggregate":   {text: "SELECT h, SESSION AS visit FROM events GROUP BY h, visit", gap: "1 DAY", of: 24 * time.Hour, key: byHost},
		"of two columns": {text: "SELECT s, h, SESSION AS visit, SUM(b) AS b, MIN(h) AS lo, MAX(b) AS hi FROM events GROUP BY visit, s, h", gap: "30 MINUTE", of: 30 * time.Minute, key: func(e sessionEvent) string { return fmt.Sprint(e.s, e.h) }},
		"of expressions": {text: "SELECT SESSION AS visit, h, AVG(b) AS mean, STDDEV(b) AS deviation, ROUND(100 * COUNT(IF(s > 1, 1, NULL)) / COUNT(*), 2) AS share FROM events GROUP BY visit, h", gap: "1 MINUTE", of: time.Minute, key: byHost},
		"bits":           {text: "SELECT SESSION AS visit, h, BIT_OR(s) AS o, BIT_AND(s) AS a, BIT_XOR(s) AS x, ANY_VALUE(h) AS v FROM events GROUP BY visit, h", gap: "2 HOUR", of: 2 * time.Hour, key: byHost},
		"chosen": {
			text: "SELECT SESSION AS visit, h, COUNT(*) AS n, MIN_BY(b, i) AS entry, MAX_BY(b, i) AS leaving, MIN_BY(s, i) AS s, MAX_BY(ts, i) AS at, MAX_BY(h, IF(i < 4000, i, NULL)) AS early FROM events GROUP BY visit, h",
			gap:  "1 HOUR", of: time.Hour, key: byHost,
			same: "SELECT visit, h, COUNT(*) AS n, SUBSTRING(MIN(CONCAT(i, COALESCE(b, 'NULL'))), 5) AS entry, SUBSTRING(MAX(CONCAT(i, COALESCE(b, 'NULL'))), 5) AS leaving, SUBSTRING(MIN(CONCAT(i, s)), 5) AS s, " +
				"CAST(NULLIF(SUBSTRING(MAX(CONCAT(i, COALESCE(ts, 'NULL'))), 5), 'NULL') AS DATETIME(6)) AS at, SUBSTRING(MAX(IF(i < 4000, CONCAT(i, COALESCE(h, 'NULL')), NULL)), 5) AS early FROM records GROUP BY visit, h",
		},
		"having":          {text: "SELECT SESSION AS visit, h, COUNT(*) AS n, SUM(b) AS b FROM events GROUP BY visit, h HAVING n > 2 AND SUM(b) / COUNT(*) > 1.5 AND MAX(s) >= 2", gap: "1 HOUR", of: time.Hour, key: byHost},
		"having of a key": {text: "SELECT SESSION AS visit, s, COUNT(*) AS n FROM events GROUP BY visit, s HAVING s > 1 AND (s < 3 OR n > 1)", gap: "1 HOUR", of: time.Hour, key: func(e sessionEvent) string { return fmt.Sprint(e.s) }},
		"of days":         {text: "SELECT DATE(ts) AS day, h, SESSION AS visit, COUNT(*) AS n FROM events GROUP BY day, h, visit", gap: "1 HOUR", of: time.Hour, key: func(e sessionEvent) string { return e.h + e.at.Format("2006-01-02") }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, sqltest.Open(t, server), testConfig())
			f.Exec(t, "CREATE TABLE records (h VARCHAR(20) COLLATE utf8mb4_nopad_bin, i INT, s INT, b DECIMAL(20,2), ts DATETIME(6), visit DATETIME(6))")
			plan := sqltest.Plan(t, "json", "INSERT INTO t "+strings.ReplaceAll(strings.Replace(test.text, "SESSION", "SESSION(ts, INTERVAL "+test.gap+")", 1), "FROM events", "FROM "+fields))
			f.bind(t, plan)
			other := newFixture(t, f.DB, testConfig())
			other.prepare(t, plan.Tables()...)
			at := [2][]checkpoint.Checkpoint{mustClaim(t, f.sink, 0), mustClaim(t, other.sink, 1)}
			folds := [2]batch.Fold[row.Delta]{plan.NewFold(), plan.NewFold()}
			want := strings.NewReplacer("SESSION AS", "visit AS", "events", "records", "STDDEV(b)", "CAST(STDDEV(b) AS DECIMAL(30,6))", "ANY_VALUE", "MIN").Replace(test.text)
			if test.same != "" {
				want = test.same
			}
			odd := &sqltest.DB{SQL: sqltest.OpenSQL(t, server.DSN(f.Name)+"?sql_mode='ANSI_QUOTES,NO_UNSIGNED_SUBTRACTION'&div_precision_increment=0&time_zone='%2B05:30'")}
			rng := rand.New(rand.NewPCG(7, uint64(len(test.text))))
			var all []sessionEvent
			sessions, joined := 0, 0
			for id := range byte(8) {
				process := int(id) % 2
				var records []batch.Record
				n := 1 + rng.IntN(40)
				for i := range n {
					e := someEvent(rng, test.of)
					e.i = 1000 + len(all)*7919%8999
					all = append(all, e)
					records = append(records, batch.Record{Offset: at[process][0].Next + int64(i), Value: e.json()})
				}
				var tally batch.Tally
				folds[process].Add(at[process][0].Partition, records, &tally)
				if len(tally.Dead) > 0 {
					t.Fatalf("got dead letters %v, expected none", tally.Dead)
				}
				if err := []*fixture{f, other}[process].sink.Commit(t.Context(), taskBatch(id+1, int64(n), folds[process].Take(), at[process]...)); err != nil {
					t.Fatal(err)
				}
				at[process] = advance(at[process], int64(n))
				f.insertSessions(t, all, test.of, test.key)
				expected := sortedLines(f.Text(t, want))
				for _, session := range []*sqltest.DB{f.DB, odd} {
					if got := sortedLines(session.Text(t, "SELECT * FROM t")); got != expected {
						t.Fatalf("%s after %d batches:\ngot\n%s\nexpected\n%s", plan.Tables()[0].View.SQL, id+1, got, expected)
					}
				}
				var lines []string
				for _, e := range all {
					lines = append(lines, string(e.json()))
				}
				if got := dryRun(t, plan, lines); got != expected {
					t.Fatalf("%s after %d batches, in a dry run:\ngot\n%s\nexpected\n%s", plan.Tables()[0].View.SQL, id+1, got, expected)
				}
				for _, condition := range []string{"visit >= '2026-03-29'", "visit IS NULL"} { // the server may evaluate it early
					expected := sortedLines(f.Text(t, "SELECT * FROM ("+want+") w WHERE "+condition))
					if got := sortedLines(f.Text(t, "SELECT * FROM t WHERE "+condition)); got != expected {
						t.Fatalf("WHERE %s after %d batches:\ngot\n%s\nexpected\n%s", condition, id+1, got, expected)
					}
				}
				now := strings.Count(expected, "\n")
				if now < sessions {
					joined++
				}
				sessions = now
			}
			if sessions < 3 {
				t.Errorf("the view had %d rows after all batches, expected some", sessions)
			}
			if name == "visits" && joined == 0 {
				t.Error("late events joined no sessions")
			}
		})
	}
}

// someEvent returns a random event, often at a boundary of a session or of a part.
func someEvent(rng *rand.Rand, gap time.Duration) sessionEvent {
	e := sessionEvent{h: string("ab\x00"[rng.IntN(3)]), s: 1 + rng.IntN(3), b: "NULL", when: rng.IntN(12) > 0}
	if e.h == "\x00" {
		e.h = ""
	}
	if rng.IntN(3) > 0 {
		e.b = fmt.Sprintf("%d.%02d", rng.IntN(200)-80, rng.IntN(100))
	}
	e.at = time.Date(2026, 3, 28, 22, 0, 0, 0, time.UTC).Add(time.Duration(rng.IntN(80)) * gap / 4)
	e.at = e.at.Add(time.Duration(rng.IntN(3)-1) * time.Microsecond)
	if rng.IntN(20) == 0 { // far away, and before 1970
		e.at = e.at.AddDate(-rng.IntN(900), 0, 0)
	}
	return e
}

// insertSessions writes all events into the table records, each with the start of its session.
func (f *fixture) insertSessions(t *testing.T, all []sessionEvent, gap time.Duration, key func(sessionEvent) string) {
	t.Helper()
	var values []string
	of := starts(all, gap, key)
	for i, e := range all {
		h, ts, visit := "NULL", "NULL", "NULL"
		if e.h != "" {
			h = "'" + e.h + "'"
		}
		if e.when {
			ts = e.at.Format("'2006-01-02 15:04:05.000000'")
			visit = of[i].Format("'2006-01-02 15:04:05.000000'")
		}
		values = append(values, fmt.Sprintf("(%s,%d,%d,%s,%s,%s)", h, e.i, e.s, e.b, ts, visit))
	}
	f.Exec(t, "DELETE FROM records", "INSERT INTO records VALUES "+strings.Join(values, ","))
}

// Keys that differ in their last byte only are not mixed when the server sorts the parts, and longer ones are dead letters,
// also where an existing table would take them.
func TestSession_longKeys(t *testing.T) {
	t.Parallel()
	server := mariadbtest.Start(t)
	long := strings.Repeat("😀", 254)
	for name, test := range map[string]struct{ keys, create, same string }{
		"texts":       {"k", "", long},
		"three texts": {"LEFT(k, 200) AS k, SUBSTRING(k, 200, 255) AS l, CONCAT('', LEFT(k, 10)) AS m", "", long},
		"bytes":       {"_key AS k", "", long},
		"an existing table": {"k", "CREATE TABLE t__groups (k VARCHAR(700) COLLATE utf8mb4_nopad_bin NOT NULL, visit__60s DATETIME NOT NULL, n BIGINT NOT NULL, " +
			"visit__first DATETIME(6) NOT NULL, visit__last DATETIME(6) NOT NULL, PRIMARY KEY (k, visit__60s))", long},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, sqltest.Open(t, server), testConfig())
			if test.create != "" {
				f.Exec(t, test.create)
			}
			group := "1, 2"
			if name == "three texts" {
				group = "1, 2, 3, 4"
			}
			plan := sqltest.Plan(t, "json", "INSERT INTO t SELECT "+test.keys+", SESSION(ts, INTERVAL 1 MINUTE) AS visit, COUNT(*) AS n FROM "+
				"(SELECT k, _key, COALESCE(CAST(at AS DATETIME(6)), CAST('2026-01-01' AS DATETIME)) AS ts FROM events WHERE k IS NOT NULL AND _key IS NOT NULL) e GROUP BY "+group)
			f.bind(t, plan)
			at := mustClaim(t, f.sink, 0)
			fold := plan.NewFold()
			var records []batch.Record
			for i := range 40 {
				key := test.same + string(rune('a'+i%2))
				records = append(records, batch.Record{Offset: int64(i), Key: []byte(key), Value: fmt.Appendf(nil, `{"k":%q,"at":"2026-01-01 10:%02d:%02d"}`, key, i/2, 10+i%2)})
			}
			var tally batch.Tally
			fold.Add(at[0].Partition, records, &tally)
			if len(tally.Dead) > 0 {
				t.Fatalf("got dead letters %v, expected none", tally.Dead)
			}
			fold.Add(at[0].Partition, []batch.Record{{Offset: 40, Key: []byte(test.same + "aa"), Value: fmt.Appendf(nil, `{"k":%q}`, test.same+"aa")}}, &tally)
			if name != "three texts" && (len(tally.Dead) != 1 || !strings.Contains(tally.Dead[0].Reason, "255")) {
				t.Errorf("got dead letters %v of a key of 256 characters, expected one", tally.Dead)
			}
			delta := fold.Take()
			if err := f.sink.Commit(t.Context(), taskBatch(1, 41, delta, at...)); err != nil {
				t.Fatal(err)
			}
			// Events of one key are 60 s apart, exactly the gap.
			if got, want := f.Text(t, "SELECT COUNT(*), MIN(n), MAX(n) FROM t WHERE visit > '2026-01-01 01:00:00'"), "40 1 1"; got != want {
				t.Errorf("got %s, expected %s", got, want)
			}
			f.Exec(t, "UPDATE t__groups SET visit__last = visit__last + INTERVAL 1 SECOND")
			if got, want := f.Text(t, "SELECT COUNT(*), MIN(n), MAX(n) FROM t WHERE visit > '2026-01-01 01:00:00'"), "2 20 20"; got != want {
				t.Errorf("with longer parts: got %s, expected %s", got, want)
			}
		})
	}
}
