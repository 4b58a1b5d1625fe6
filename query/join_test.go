package query

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/fold/lookup"
	"github.com/sluice-etl/sluice/row"
)

const (
	hosts = "CREATE TABLE hosts (name VARCHAR(64) PRIMARY KEY, team VARCHAR(20), rack INT NOT NULL UNIQUE, cost DECIMAL(6,2), since DATETIME);\n"
	// hostRows are the cells of hosts; nil is NULL.
	hostRows = "web1|a|1|1.50|2026-01-01 00:00:00\nweb2|b|2|NULL|NULL\nWEB1|c|3|2.00|NULL\n|d|4|0.25|NULL"
)

// joinRows makes rows, in the form of hostRows, those of a joined table.
func joinRows(t testing.TB, table *lookup.Table, rows string) {
	t.Helper()
	b := table.Builder(lookup.Limits{Rows: 1_000_000, Bytes: 1 << 30}, time.Unix(0, 0))
	for line := range strings.Lines(rows) {
		var cells [][]byte
		for cell := range strings.SplitSeq(strings.TrimSuffix(line, "\n"), "|") {
			if cell == "NULL" {
				cells = append(cells, nil)
			} else {
				cells = append(cells, []byte(cell))
			}
		}
		if err := b.Add(cells); err != nil {
			t.Fatal(err)
		}
	}
	table.Set(b.Version())
}

// joinPlan compiles a query that joins one table with these rows.
func joinPlan(t testing.TB, format, text, rows string) *Plan {
	t.Helper()
	p := plan(t, format, text)
	if len(p.Joined()) != 1 {
		t.Fatalf("%d tables are joined, expected 1", len(p.Joined()))
	}
	joinRows(t, p.Joined()[0], rows)
	return p
}

// JOIN finds at most one row for a record; without one, JOIN drops the record's row and LEFT JOIN has NULLs.
func TestJoin_rows(t *testing.T) {
	t.Parallel()
	bodies := []string{`{"host":"web1","n":1}`, `{"host":"web1","n":2.0}`, `{"host":"web2","n":3}`, `{"host":"web3","n":2.5}`, `{"host":"","n":"4"}`, `{}`, `{"host":"WEB1","n":null}`}
	for _, c := range []struct {
		text     string
		want     []string
		filtered int64
	}{
		{"SELECT team, COUNT(*) AS n FROM events JOIN hosts h ON h.name = host GROUP BY team", []string{"a 2", "b 1", "c 1", "d 1"}, 2},
		{"SELECT team, COUNT(*) AS n FROM events INNER JOIN hosts ON host = hosts.name GROUP BY team", []string{"a 2", "b 1", "c 1", "d 1"}, 2},
		{"SELECT COALESCE(team, '-') AS team, COUNT(*) AS n FROM events LEFT JOIN hosts h ON h.name = host GROUP BY team", []string{"- 2", "a 2", "b 1", "c 1", "d 1"}, 0},
		{"SELECT COALESCE(team, '-') AS team, COUNT(*) AS n FROM events LEFT JOIN hosts h ON h.name = host WHERE team IS NULL OR team <> 'a' GROUP BY team", []string{"- 2", "b 1", "c 1", "d 1"}, 2},
		{"SELECT h.name, SUM(cost) AS cost, MIN(since) AS since FROM events JOIN hosts h ON h.name = host GROUP BY h.name", []string{" 0.25 NULL", "WEB1 2.00 NULL", "web1 3.00 2026-01-01 00:00:00", "web2 NULL NULL"}, 2},
		// A number equals one with the same value, however many digits it has; another equals none.
		{"SELECT team, COUNT(*) AS n FROM events JOIN hosts h ON rack = CAST(n AS DECIMAL(10,3)) GROUP BY team", []string{"a 1", "b 1", "c 1", "d 1"}, 3},
		// All columns of a unique key, and others.
		{"SELECT team, COUNT(*) AS n FROM events JOIN hosts h ON h.name = host AND h.rack = CAST(n AS DECIMAL(10,1)) GROUP BY team", []string{"a 1", "d 1"}, 5},
		{"SELECT team, COUNT(*) AS n FROM events JOIN hosts h ON h.team = 'a' AND h.name = CONCAT(host, '') GROUP BY team", []string{"a 2"}, 5},
		{"SELECT h.team AS x, g.team AS y, COUNT(*) AS n FROM events JOIN hosts h ON h.name = host JOIN hosts AS g ON g.rack = h.rack + 1 GROUP BY x, y", []string{"a b 2", "b c 1", "c d 1"}, 3},
		{"SELECT COALESCE(team, '') AS team, part, COUNT(*) AS n FROM events JOIN SPLIT(CONCAT(host, ' web2'), ' ') AS part LEFT JOIN hosts h ON h.name = part WHERE part <> '' GROUP BY team, part", []string{" web3 1", "a web1 2", "b web2 7", "c WEB1 1"}, 1},
		// A row per record has no number of the element, because there is one at most.
		{"SELECT team FROM events JOIN hosts h ON h.name = host WHERE rack < 3", []string{"logs 3 0 0 a", "logs 3 1 0 a", "logs 3 2 0 b"}, 4},
	} {
		f := joinPlan(t, "json", hosts+"INSERT INTO t "+c.text, hostRows).NewFold()
		tally := feed(f, bodies...)
		if len(tally.Dead) > 0 {
			t.Errorf("%s: got the dead letter %q, expected none", c.text, tally.Dead[0].Reason)
		}
		var got []string
		for _, line := range printed(f.Take()) {
			_, values, _ := strings.Cut(line, ": ")
			got = append(got, values)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-expected +got):\n%s", c.text, diff)
		}
		if tally.Filtered != c.filtered {
			t.Errorf("%s: %d records are filtered, expected %d", c.text, tally.Filtered, c.filtered)
		}
	}
}

// A record whose expression in ON cannot be evaluated is a dead letter, as it is anywhere else.
func TestP22_joinFails(t *testing.T) {
	t.Parallel()
	f := joinPlan(t, "json", hosts+"INSERT INTO t SELECT team, COUNT(*) AS n FROM events LEFT JOIN hosts h ON rack = n GROUP BY team", hostRows).NewFold()
	tally := feed(f, `{"n":1}`, `{"n":"x"}`)
	want(t, printed(f.Take()), "t: a 1")
	if len(tally.Dead) != 1 || tally.Dead[0].Offset != 1 {
		t.Errorf("got %+v, expected a dead letter at offset 1", tally)
	}
}

// A batch sees one version of the table: that which is current when its first record is folded. What is folded again,
// because its batch was not committed, sees the version that is current then.
func TestP35_oneVersionPerBatch(t *testing.T) {
	t.Parallel()
	p := joinPlan(t, "json", hosts+"INSERT INTO t SELECT team, COUNT(*) AS n FROM events JOIN hosts h ON h.name = host GROUP BY team", "web1|a|1|NULL|NULL")
	f, body := p.NewFold(), `{"host":"web1"}`
	team := func(name string) { joinRows(t, p.Joined()[0], "web1|"+name+"|1|NULL|NULL") }
	team("b") // between the creation of the fold and the first record
	feed(f, body)
	team("c")
	feed(f, body)
	want(t, printed(f.Take()), "t: b 2")
	team("d")
	feed(f, body)
	team("e")
	feed(f, body)
	if err := f.Restore(context.Background(), nil, nil); err != nil {
		t.Fatal(err)
	}
	feed(f, body, body, body)
	team("f")
	feed(f, body)
	want(t, printed(f.Take()), "t: e 4")
	if d := f.Take(); len(printed(d)) != 0 {
		t.Errorf("got %v after Take, expected no rows", printed(d))
	}
	feed(f, body)
	want(t, printed(f.Take()), "t: f 1")
}

// What was not found is counted for each table.
func TestJoin_countsUnmatched(t *testing.T) {
	t.Parallel()
	p := joinPlan(t, "json", hosts+"INSERT INTO t SELECT team, COUNT(*) AS n FROM events LEFT JOIN hosts h ON h.name = host WHERE level IS NULL GROUP BY team", hostRows)
	f := p.NewFold()
	feed(f, `{"host":"x"}`, `{"host":"web1"}`, `{"host":"x","level":1}`)
	feed(f, `{}`)
	if n := p.Joined()[0].Unmatched(); n != 2 {
		t.Errorf("got %d, expected 2: one without a row and one without a host; a record that WHERE excludes is not looked up", n)
	}
}

// Rows that contradict what the query declares are rejected, with the row.
func TestJoin_badRows(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ row, reason string }{
		{"web1|b|9|NULL|NULL", `the row with name = "web1": another row has the same name`},
		{"web9|b|1|NULL|NULL", `the row with name = "web9": another row has the same rack`},
		{"web9|b|NULL|NULL|NULL", `the row with name = "web9": column rack is NULL, but the query declares it NOT NULL`},
		{"web9|b|2147483648|NULL|NULL", `the row with name = "web9": column rack is "2147483648", which is no INT`},
		{"web9|b|9|1.255|NULL", ""},
		{"web9|b|9|12345.00|NULL", `the row with name = "web9": column cost is "12345.00", which is no DECIMAL(6,2)`},
		{"web9|b|9|NULL|0000-00-00 00:00:00", `the row with name = "web9": column since is "0000-00-00 00:00:00", which is no DATETIME`},
		{"web9|123456789012345678901|9|NULL|NULL", `the row with name = "web9": column team is "123456789012345678901", which is no VARCHAR(20)`},
		{"web9|éééééééééééééééééééé|9|NULL|NULL", ""},
		{"web9|NULL|9|NULL|NULL", ""},
	} {
		p := plan(t, "json", hosts+"INSERT INTO t SELECT COUNT(*) AS n FROM events JOIN hosts h ON h.name = host JOIN hosts g ON g.rack = n")
		b := p.Joined()[0].Builder(lookup.Limits{Rows: 2, Bytes: 100}, time.Time{})
		reason := ""
		for _, line := range []string{"web1|a|1|NULL|NULL", c.row} {
			var cells [][]byte
			for cell := range strings.SplitSeq(line, "|") {
				cells = append(cells, []byte(cell))
				if cell == "NULL" {
					cells[len(cells)-1] = nil
				}
			}
			if err := b.Add(cells); err != nil {
				reason = err.Error()
			}
		}
		if reason != c.reason {
			t.Errorf("%s: got %q, expected %q", c.row, reason, c.reason)
		}
		if c.reason == "" {
			if err := b.Add([][]byte{[]byte("x"), nil, []byte("7"), nil, nil}); err == nil || err.Error() != "it has more than 2 rows" {
				t.Errorf("a third row: got %v, expected that it is too many", err)
			}
		}
	}
}

// The texts of all rows are bounded.
func TestJoin_textsAreBounded(t *testing.T) {
	t.Parallel()
	p := plan(t, "json", hosts+"INSERT INTO t SELECT team, COUNT(*) AS n FROM events JOIN hosts h ON h.name = host GROUP BY team")
	b := p.Joined()[0].Builder(lookup.Limits{Rows: 5, Bytes: 10}, time.Time{})
	if err := b.Add([][]byte{[]byte("12345"), []byte("67890"), []byte("1"), nil, nil}); err != nil {
		t.Fatal(err)
	}
	if err := b.Add([][]byte{[]byte("a"), nil, []byte("2"), nil, nil}); err == nil || err.Error() != "its texts have more than 10 bytes" {
		t.Errorf("got %v, expected that the texts are too long", err)
	}
}

// Two statements that join one table by other keys share its rows.
func TestJoin_severalStatements(t *testing.T) {
	t.Parallel()
	p := joinPlan(t, "json", hosts+"INSERT INTO t SELECT team, COUNT(*) AS n FROM events JOIN hosts h ON h.name = host GROUP BY team; INSERT INTO u SELECT team, COUNT(*) AS n FROM events JOIN hosts h ON h.rack = n GROUP BY team", hostRows)
	f := p.NewFold()
	feed(f, `{"host":"web1","n":2}`)
	want(t, printed(f.Take()), "t: a 1", "u: b 1")
}

// A row is looked up without allocating.
func TestJoin_allocatesNothing(t *testing.T) {
	f := joinPlan(t, "json", hosts+"INSERT INTO t SELECT team, SUM(cost) AS cost, COUNT(*) AS n FROM events LEFT JOIN hosts h ON h.name = CONCAT(host, '') AND rack = n GROUP BY team", hostRows).NewFold()
	var records []batch.Record
	for i, body := range []string{`{"host":"web1","n":1}`, `{"host":"web2","n":2.00}`, `{"host":"nothing","n":2}`, `{}`} {
		records = append(records, batch.Record{Offset: int64(i), Value: []byte(body)})
	}
	var tally batch.Tally
	f.Add(part, records, &tally)
	if tally.Counted != 4 {
		t.Fatalf("got %+v, expected 4 counted", tally)
	}
	if n := testing.AllocsPerRun(100, func() { f.Add(part, records, &tally) }); n != 0 {
		t.Errorf("got %g allocations, expected none", n)
	}
}

// The order by which a record is chosen has the number of an element only if the statement has elements, and not that of
// another statement.
func TestJoin_choosesRecords(t *testing.T) {
	t.Parallel()
	const from = " FROM events JOIN hosts h ON h.name = host"
	for text, want := range map[string][]string{
		"SELECT team, FIRST(n) AS f, LAST(n) AS l, MIN_BY(n, h.rack) AS m" + from + " GROUP BY team":                                                     {"a 1 2 1", "b 3 3 3"},
		"SELECT team, LAST(n) AS l FROM events LEFT JOIN hosts h ON h.name = host GROUP BY team":                                                         {"NULL 4", "a 2", "b 3"},
		"SELECT team, LAST(n) AS l, MAX_BY(x, x) AS m" + from + " JOIN JSON_TABLE(list, '$[*]' COLUMNS (x INT PATH '$')) AS e GROUP BY team":             {"a 2 9", "b 3 7"},
		"SELECT team, LAST(n) AS l" + from + " GROUP BY team; INSERT INTO u SELECT x, COUNT(*) AS c FROM events CROSS JOIN UNNEST(list) AS x GROUP BY x": {"a 2", "b 3"},
	} {
		p := joinPlan(t, "json", hosts+"INSERT INTO t "+text, hostRows)
		f := p.NewFold()
		tally := feed(f, `{"host":"web1","n":"1","list":[9,8]}`, `{"host":"web1","n":"2","list":[8]}`, `{"host":"web2","n":"3","list":[7]}`, `{"host":"web3","n":"4","list":[]}`)
		if got := shownRows(f.Take().Tables[0]); len(tally.Dead) > 0 || !cmp.Equal(got, want) {
			t.Errorf("%s\n  got       %v and %d dead letters\n  expected  %v", text, got, len(tally.Dead), want)
		}
	}
}

// BenchmarkJoin compares a join with 100,000 rows with a loop in Go that parses the same lines, looks the same key up in a
// map and counts in another.
func BenchmarkJoin(b *testing.B) {
	const lines, rows = 10_000, 100_000
	var table strings.Builder
	teams := make(map[string]string, rows)
	for i := range rows {
		name, team := fmt.Sprintf("host-%06d.example.com", i), fmt.Sprintf("team%d", i%100)
		fmt.Fprintf(&table, "%s|%s|%d|NULL|NULL\n", name, team, i)
		teams[name] = team
	}
	records := make([]batch.Record, lines)
	size := int64(0)
	for i := range records {
		records[i] = batch.Record{Offset: int64(i), Value: fmt.Appendf(nil, `host-%06d.example.com - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 5 "-" "x"`, i*7919%(rows*11/10))}
		size += int64(len(records[i].Value))
	}
	run := func(text string, joins bool) func(b *testing.B) {
		return func(b *testing.B) {
			p := plan(b, "combined", text)
			if joins {
				joinRows(b, p.Joined()[0], table.String())
			}
			f := p.NewFold()
			b.SetBytes(size)
			b.ReportAllocs()
			for b.Loop() {
				var tally batch.Tally
				f.Add(part, records, &tally)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/lines, "ns/line")
		}
	}
	b.Run("join", run(hosts+"INSERT INTO t SELECT team, COUNT(*) AS n FROM events JOIN hosts h ON h.name = host GROUP BY team", true))
	b.Run("without", run("INSERT INTO t SELECT method, COUNT(*) AS n FROM events GROUP BY method", false))
	b.Run("loop", func(b *testing.B) {
		b.SetBytes(size)
		b.ReportAllocs()
		for b.Loop() {
			counts := map[string]*row.Number{}
			for i := range records {
				host, ok := hostOf(records[i].Value)
				if !ok {
					continue
				}
				team, ok := teams[string(host)]
				if !ok {
					continue
				}
				n := counts[team]
				if n == nil {
					n = new(row.Number)
					counts[team] = n
				}
				n.Lo++
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/lines, "ns/line")
	})
}

// hostOf parses a line in the format combined as a loop by hand would, and returns the host.
func hostOf(line []byte) (host []byte, ok bool) {
	at := 0
	field := func(end byte) []byte {
		n := bytes.IndexByte(line[at:], end)
		if n < 0 {
			return nil
		}
		f := line[at : at+n]
		at += n + 1
		return f
	}
	host = field(' ')
	for _, end := range []byte{' ', '[', ']', '"', '"', ' ', ' ', ' ', '"', '"', '"', '"'} {
		if field(end) == nil {
			return nil, false
		}
	}
	return host, true
}

// The declaration is part of the fingerprint: with another type of a column, the same records make other rows (P2).
func TestJoin_declarationIsHashed(t *testing.T) {
	t.Parallel()
	const insert = "INSERT INTO t SELECT COUNT(*) AS n FROM events JOIN hosts h ON h.name = CAST(host AS SIGNED)"
	a, _ := plan(t, "json", "CREATE TABLE hosts (name INT PRIMARY KEY); "+insert).Fingerprint()
	b, _ := plan(t, "json", "CREATE TABLE hosts (name DECIMAL(10,2) PRIMARY KEY); "+insert).Fingerprint()
	if a == b {
		t.Error("the fingerprints are the same")
	}
}

// Declarations that no statement can use, or that would make a join depend on batches, are rejected.
func TestJoin_rejects(t *testing.T) {
	t.Parallel()
	for text, reason := range map[string]string{
		hosts + "INSERT INTO t SELECT host FROM events":                                                                    "statement 1: no statement writes or joins hosts: leave CREATE TABLE out",
		hosts + hosts + "INSERT INTO t SELECT team FROM events JOIN hosts ON hosts.name = host":                            "statement 2: no statement writes or joins hosts: leave CREATE TABLE out",
		hosts + "INSERT INTO hosts SELECT team, COUNT(*) AS n FROM events JOIN hosts ON name = a GROUP BY team":            "statement 1: a statement joins the table hosts and another writes to it: what is joined would depend on batches",
		hosts + "INSERT INTO t SELECT team FROM events e JOIN hosts e ON e.name = host":                                    "statement 2: `hosts` as e on e.`name` = host: the name is that of events: give one of them another",
		hosts + "INSERT INTO t SELECT team FROM events JOIN hosts h ON h.name = h.team":                                    "statement 2: h.`name` = h.team: expected conditions such as h.name = expression of the record, joined by AND, or IP_IN(address of the record, h.column): write other conditions in WHERE",
		hosts + "INSERT INTO t SELECT team FROM events JOIN hosts h ON h.name = host OR h.rack = 1":                        "statement 2: h.`name` = host or h.rack = 1: expected conditions such as h.name = expression of the record, joined by AND, or IP_IN(address of the record, h.column): write other conditions in WHERE",
		hosts + "INSERT INTO t SELECT team FROM events JOIN hosts h ON h.name = host AND host = h.name":                    "statement 2: host = h.`name`: h.`name` is compared twice",
		hosts + "INSERT INTO t SELECT team FROM events JOIN hosts h ON h.name = g.team JOIN hosts g ON g.rack = h.rack":    "statement 2: g.team: g is joined behind this condition: change the order of the joins",
		"CREATE TABLE j (a INT, b INT, UNIQUE KEY (a, b)); INSERT INTO t SELECT COUNT(*) AS n FROM events JOIN j ON a = x": "statement 2: j on a = x: a record could match several rows: the condition must compare all columns of a PRIMARY KEY or UNIQUE KEY that CREATE TABLE j declares",
		hosts + "INSERT INTO t SELECT team FROM events RIGHT JOIN hosts h ON h.name = host":                                "statement 2: `hosts` as h: expected JOIN or LEFT JOIN, got RIGHT JOIN",
		hosts + "INSERT INTO t SELECT team FROM events JOIN hosts h USING (name)":                                          "statement 2: `hosts` as h: expected a condition: write ON h.column = expression",
		hosts + "INSERT INTO t SELECT team FROM events JOIN hosts h ON h.name = NULL":                                      "statement 2: null: is always NULL, which equals nothing",
		hosts + "INSERT INTO t SELECT h.x FROM events JOIN hosts h ON h.name = host":                                       "statement 2: h.x: h has no such column",
		hosts + "INSERT INTO t SELECT h.team.x FROM events JOIN hosts h ON h.name = host":                                  "statement 2: h.team.x: a path into a column of h is not supported",
		hosts + "INSERT INTO t SELECT team FROM (SELECT host FROM events) x JOIN hosts h ON h.name = x.host":               "statement 2: `hosts` as h on h.`name` = x.host: it can only be joined to events, not to a subquery: write FROM events, and the expressions of the subquery where they are used",
		"CREATE TABLE j (k DOUBLE PRIMARY KEY); INSERT INTO t SELECT COUNT(*) AS n FROM events JOIN j ON k = x":            "statement 2: j on k = x: column j.k is a DOUBLE, which has no exact value to compare: join by another column",
		"CREATE TABLE j (k VARCHAR(99999) PRIMARY KEY); INSERT INTO t SELECT COUNT(*) AS n FROM events JOIN j ON k = x":    "statement 2: table j: column k: expected VARCHAR(n) with n from 1 to 16383",
	} {
		o := DefaultOptions()
		o.Format = "json"
		_, err := Compile(text, o)
		if err == nil || err.Error() != reason {
			t.Errorf("%s\n  got      %v\n  expected %s", text, err, reason)
		}
	}
}
