package query

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/row"
)

// Each sketch has a hidden column beside the one that shows it. Equal ones are shared.
func TestSketch_columns(t *testing.T) {
	t.Parallel()
	p := plan(t, "combined", `INSERT INTO t SELECT host, COUNT(DISTINCT agent) AS agents, COUNT(DISTINCT status, bytes) AS kinds,
		COUNT(DISTINCT agent) / COUNT(*) AS share, COUNT(DISTINCT bytes) - 1 AS more FROM events GROUP BY host`)
	want := []string{
		"host key", "agents number of distinct values", "[agents__state set of distinct values (text)]",
		"kinds number of distinct values", "[kinds__state set of distinct values (numbers, numbers)]",
		"[share__1 total]", "[more__1 number of distinct values]", "[more__1__state set of distinct values (numbers)]",
		"share(4) = TRUNCATE((CAST(`agents` AS DECIMAL(65,9)) / NULLIF(CAST(`share__1` AS DECIMAL(65,0)), 0)), 9)",
		"more(0) = (CAST(`more__1` AS DECIMAL(65,0)) - 1)",
	}
	got := columnsOf(t, p)
	for i := range got {
		if strings.HasPrefix(got[i], "share(") { // how a quotient is written is not this test's concern
			got[i] = want[i]
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-expected +got):\n%s", diff)
	}
	for _, c := range p.Tables()[0].Columns {
		if c.Nullable {
			t.Errorf("column %s is nullable, expected NOT NULL", c.Name)
		}
		if c.IsDerived() != (c.State != "") || c.State != "" && p.Tables()[0].Column(c.State) == nil {
			t.Errorf("column %s has the state %q, expected that of its sketch", c.Name, c.State)
		}
	}
}

// The questions of log sites are written as they would be in MySQL.
func TestSketch_visitors(t *testing.T) {
	t.Parallel()
	const log = `a - - [17/May/2015:10:05:03 +0000] "GET /x.html HTTP/1.1" 200 5 "-" "x"
a - - [17/May/2015:23:05:03 +0000] "GET / HTTP/1.1" 200 - "-" "x"
a - - [17/May/2015:10:05:03 +0000] "GET /i.png HTTP/1.1" 200 7 "-" "y"
b - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 1 "-" "y"
b - - [18/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 1 "-" "y"
`
	got, _ := dryRun(t, plan(t, "combined", "INSERT INTO t SELECT DATE(ts) AS day, COUNT(*) AS hits, COUNT(DISTINCT host, agent) AS visitors, SUM(bytes) AS bytes FROM events GROUP BY day"), []byte(log))
	want(t, got, "2015-05-17 00:00:00 4 3 13", "2015-05-18 00:00:00 1 1 1")
	got, _ = dryRun(t, plan(t, "combined", "INSERT INTO t SELECT TUMBLE(ts, INTERVAL 1 MONTH) AS month, COUNT(DISTINCT host) AS visitors, SUM(IF(path LIKE '%.html' OR path LIKE '%/', 1, 0)) AS pages, COUNT(*) AS hits, SUM(bytes) AS bytes FROM events GROUP BY month"), []byte(log))
	want(t, got, "2015-05-01 00:00:00 2 4 5 14")
}

// Values are distinct as GROUP BY distinguishes them. A tuple with a NULL does not count, as in MySQL.
func TestSketch_equality(t *testing.T) {
	t.Parallel()
	bodies := []string{`{"a":"x","b":1,"d":1.0}`, `{"a":"X","b":1.50,"d":1.00}`, `{"a":"x ","b":1.5,"d":"1"}`, `{"a":null,"b":1e0,"d":1}`, `{"a":"x"}`, `{"a":"","b":-0}`, `{"b":0.0}`}
	for items, want := range map[string]string{
		"COUNT(DISTINCT a)":                                                "4",
		"COUNT(DISTINCT d)":                                                "3", // of a JSON field, the text counts: 1.0, 1.00, 1
		"COUNT(DISTINCT CAST(b AS DECIMAL(10,3)))":                         "3", // 1, 1.5, 0
		"COUNT(DISTINCT CAST(b AS DOUBLE))":                                "3",
		"COUNT(DISTINCT a, CAST(b AS DECIMAL(10,2)))":                      "4", // (x,1) (X,1.5) ("x ",1.5) ("",0)
		"COUNT(DISTINCT CONCAT(a, 'x'), a, CONCAT(a, a))":                  "4",
		"COUNT(DISTINCT IF(b > 100, a, NULL))":                             "0",
		"COUNT(DISTINCT TUMBLE(_timestamp, INTERVAL 1 DAY))":               "1",
		"COUNT(DISTINCT IF(b > 1, '1', CONCAT('1', a)), CAST(b AS CHAR))":  "4",
		"COUNT(DISTINCT CAST(b AS DECIMAL(20,2)) * 100000000000000000000)": "3",
	} {
		f := plan(t, "json", "INSERT INTO t SELECT 'all' AS k, "+items+" AS n FROM events GROUP BY k").NewFold()
		if tally := feed(f, bodies...); len(tally.Dead) > 0 {
			t.Errorf("%s: got dead letters %v, expected none", items, tally.Dead)
		}
		d := f.Take()
		d.Tables[0].DeriveFolded()
		if got := strings.Fields(printed(d)[0])[2]; got != want {
			t.Errorf("%s: got %s, expected %s", items, got, want)
		}
	}
}

// A value that is too long for a set makes a dead letter, not a group that can never be written.
func TestSketch_longValue(t *testing.T) {
	t.Parallel()
	f := plan(t, "json", "INSERT INTO t SELECT 'all' AS k, COUNT(DISTINCT a) AS n FROM events GROUP BY k").NewFold()
	tally := feed(f, fmt.Sprintf(`{"a":"%032768d"}`, 1), fmt.Sprintf(`{"a":"%032769d"}`, 1))
	if tally.Counted != 1 || len(tally.Dead) != 1 || !strings.Contains(tally.Dead[0].Reason, "must have at most 32768 (LEFT(text, 8192) cuts)") {
		t.Errorf("got %+v, expected one record counted and one dead letter", tally)
	}
}

// Texts are joined in the order of their bytes, and a text that no column takes makes a dead letter. Lists of one text with
// one separator share a state; a count of distinct values has its own, which takes more.
func TestSketch_list(t *testing.T) {
	t.Parallel()
	p := plan(t, "json", "INSERT INTO t SELECT 'all' AS k, GROUP_CONCAT(DISTINCT a) AS l, GROUP_CONCAT(DISTINCT a ORDER BY a) AS m, "+
		"GROUP_CONCAT(DISTINCT a SEPARATOR '') AS s, COUNT(DISTINCT a) AS n, GROUP_CONCAT(DISTINCT IF(a = '', a, NULL)) AS none FROM events GROUP BY k")
	wantColumns := []string{
		"k key", "l texts with the separator \",\"", "[l__state set of texts (separator \",\")]", "m texts with the separator \",\"",
		"s texts with the separator \"\"", "[s__state set of texts (separator \"\")]", "n number of distinct values", "[n__state set of distinct values (text)]",
		"none texts with the separator \",\"", "[none__state set of texts (separator \",\")]",
	}
	if diff := cmp.Diff(wantColumns, columnsOf(t, p)); diff != "" {
		t.Errorf("(-expected +got):\n%s", diff)
	}
	f := p.NewFold()
	long := fmt.Sprintf(`{"a":"%032769d"}`, 1)
	tally := feed(f, `{"a":"z"}`, `{"a":"é"}`, `{"a":"Z"}`, `{"a":"z"}`, `{}`, `{"a":"1,2"}`, long)
	if tally.Counted != 6 || len(tally.Dead) != 1 || !strings.Contains(tally.Dead[0].Reason, "GROUP_CONCAT(DISTINCT …): the value has … bytes, must have at most 32768") {
		t.Errorf("got %+v (%.100q), expected 6 records counted and one dead letter for the long text", tally, tally.Dead[0].Reason)
	}
	bytesPlan := plan(t, "raw", "INSERT INTO t SELECT 'all' AS k, GROUP_CONCAT(DISTINCT body) AS l FROM events GROUP BY k")
	if tally := feed(bytesPlan.NewFold(), "\xff", "a"); tally.Counted != 1 || len(tally.Dead) != 1 || !strings.Contains(tally.Dead[0].Reason, "not valid UTF-8") {
		t.Errorf("got %+v, expected one dead letter for the text that is not UTF-8", tally)
	}
	d := f.Take()
	r := d.Tables[0]
	r.DeriveFolded()
	var got []string
	for i, c := range r.Table.Columns[r.Table.Keys:] {
		if cell := &r.Cells(0)[i]; !c.Hidden && c.Kind == row.Text {
			got = append(got, fmt.Sprintf("%q %v", r.Bytes(cell), cell.Set))
		}
	}
	if diff := cmp.Diff([]string{`"1,2,Z,z,é" true`, `"1,2,Z,z,é" true`, `"1,2Zzé" true`, `"" false`}, got); diff != "" {
		t.Errorf("(-expected +got):\n%s", diff)
	}
}

// Folding a value that is known allocates nothing.
func TestSketch_allocatesNothing(t *testing.T) {
	for _, item := range []string{
		"COUNT(DISTINCT agent)", "COUNT(DISTINCT host, agent)", "COUNT(DISTINCT bytes)", "COUNT(DISTINCT bytes / 3, ts)", "COUNT(DISTINCT CAST(bytes AS DOUBLE))",
		"APPROX_COUNT_DISTINCT(agent)", "APPROX_COUNT_DISTINCT(host, bytes)", "APPROX_PERCENTILE(bytes, 0.5)", "APPROX_PERCENTILE(-bytes / 7, 0.5)",
		"GROUP_CONCAT(DISTINCT agent)",
	} {
		f := plan(t, "combined", "INSERT INTO t SELECT status, "+item+" AS n FROM events GROUP BY status").NewFold()
		records := []batch.Record{{Value: []byte(line(200, "5"))}, {Value: []byte(line(200, "7"))}}
		var tally batch.Tally
		f.Add(part, records, &tally)
		if n := testing.AllocsPerRun(100, func() { f.Add(part, records, &tally) }); n != 0 || len(tally.Dead) > 0 {
			t.Errorf("%s: got %v allocations for two records, %d dead; expected none", item, n, len(tally.Dead))
		}
	}
}

// The hash of a value is the same in every release, so a sketch in a table is never joined with another kind of hash.
// What counts as one value is the same as for COUNT(DISTINCT x).
func TestSketch_estimate(t *testing.T) {
	t.Parallel()
	p := plan(t, "json", "INSERT INTO t SELECT 'all' AS k, APPROX_COUNT_DISTINCT(a) AS n, APPROX_COUNT_DISTINCT(a, CAST(b AS DECIMAL(10,2))) AS m, COUNT(DISTINCT a, CAST(b AS DECIMAL(10,2))) AS exact FROM events GROUP BY k")
	if diff := cmp.Diff([]string{
		"k key", "n estimated number of distinct values", "[n__state HyperLogLog (text)]", "m estimated number of distinct values",
		"[m__state HyperLogLog (text, numbers)]", "exact number of distinct values", "[exact__state set of distinct values (text, numbers)]",
	}, columnsOf(t, p)); diff != "" {
		t.Errorf("(-expected +got):\n%s", diff)
	}
	f := p.NewFold()
	feed(f, `{"a":"x","b":1}`, `{"a":"x","b":1.0}`, `{"a":"y"}`, `{"a":"","b":-2.5}`, `{"b":7}`)
	rows := f.Take().Tables[0]
	rows.DeriveFolded()
	cells := rows.Cells(0)
	for i, want := range []int64{3, 2, 2} {
		if n, _ := cells[2*i].Int64(); n != want || !cells[2*i].Set {
			t.Errorf("column %s is %d, expected %d", rows.Table.Columns[1+2*i].Name, n, want)
		}
	}
	// XXH64 of the empty text is ef46db3751d8e999: register 3bd1, rank 1.
	for i, want := range map[int]string{1: "0105c8030c13810ef441", 3: "01016341073981"} {
		state := fmt.Sprintf("%x", rows.Table.Columns[1+i].Merge.(row.Stateful).AppendState(nil, rows, &cells[i]))
		if state != want {
			t.Errorf("column %s is %s, expected %s", rows.Table.Columns[1+i].Name, state, want)
		}
	}
}

// Percentiles of one expression share a histogram. NULLs are not counted; a group of NULLs has NULL.
func TestSketch_percentile(t *testing.T) {
	t.Parallel()
	const text = `INSERT INTO t SELECT COALESCE(k, '') AS k, APPROX_PERCENTILE(ms, 0.5) AS p50, APPROX_PERCENTILE(ms, 0.99) AS p99,
		APPROX_PERCENTILE(CAST(ms AS DECIMAL(20,3)), 1) AS top FROM events GROUP BY k`
	p := plan(t, "json", text)
	if diff := cmp.Diff([]string{
		"k key", "p50 percentile 0.5", "[p50__state histogram]", "p99 percentile 0.99", "top percentile 1", "[top__state histogram]",
	}, columnsOf(t, p)); diff != "" {
		t.Errorf("(-expected +got):\n%s", diff)
	}
	for _, c := range p.Tables()[0].Columns {
		if c.Nullable != (c.State != "") {
			t.Errorf("column %s: nullable is %v, expected percentiles alone", c.Name, c.Nullable)
		}
	}
	var log strings.Builder
	for n := range 1000 {
		fmt.Fprintf(&log, `{"k":"a","ms":%d.%03d}`+"\n", n*7%1000, n)
	}
	log.WriteString(`{"k":"b","ms":null}` + "\n" + `{"k":"c","ms":-2.5}` + "\n" + `{"k":"c","ms":0}` + "\n" + `{"k":"c"}` + "\n" + `{"k":"c","ms":"x"}` + "\n")
	rows, res := dryRun(t, p, []byte(log.String()))
	want(t, rows, "a 498 988 996", "b NULL NULL NULL", "c -2.515625 0 0")
	if res.Dead != 1 {
		t.Errorf("got %d dead letters, expected that of the text", res.Dead)
	}
}
