package query

import (
	"strings"
	"testing"
	"time"

	"github.com/sluice-etl/sluice/row"
)

// The plan names what makes a row and how each kind of column is kept.
func TestExplain(t *testing.T) {
	t.Parallel()
	for query, want := range map[string][]string{
		"INSERT INTO t SELECT a, COUNT(*) AS n, MIN(b) AS low FROM events GROUP BY a": {
			"  fields  a (text), b (text)", "  filter  none: every record is selected", "  row     one for each group of a", "  table   t", "  a       key      a         text", "  n       sum      COUNT(*)", "  low     smallest  MIN(b)    text"},
		"INSERT INTO t SELECT COUNT(*) AS n FROM events WHERE a = 'x'":                                                {"  filter  a = 'x'", "  row     one for all records"},
		"INSERT INTO t SELECT a, b FROM events":                                                                       {"  row     one for each record", "  a           value    a           text"},
		"REPLACE INTO t SELECT a, b FROM events GROUP BY a":                                                           {"  b          last     b   text", "  etl__last  last"},
		"INSERT INTO t SELECT a, BIT_OR(CAST(b AS SIGNED)) AS bits FROM events GROUP BY a":                            {"  bits    bits     BIT_OR("},
		"INSERT INTO t SELECT a, APPROX_COUNT_DISTINCT(b) AS n FROM events GROUP BY a":                                {"  n         from n__state  APPROX_COUNT_DISTINCT(b)", "  n__state  state          b"},
		"INSERT INTO t SELECT a, COUNT(*) AS n, COUNT(*) / 2 AS half FROM events GROUP BY a":                          {"  half    computed  COUNT(*) / 2  by MySQL, from the other columns"},
		"INSERT INTO t SELECT a, COUNT(*) AS n FROM events GROUP BY a HAVING n > 1":                                   {"  table   t__groups, which the view t reads"},
		"INSERT INTO t SELECT p, COUNT(*) AS n FROM events JOIN SPLIT(a, ',') AS p GROUP BY p":                        {"  rows of SPLIT(a, ',')"},
		"INSERT INTO t SELECT TUMBLE(CAST(a AS DATETIME), INTERVAL 1 DAY) AS d, COUNT(*) AS n FROM events GROUP BY d": {"times of windows at most 48h0m0s before the record's timestamp in Kafka"},
	} {
		o := DefaultOptions()
		o.Format, o.FormatString = "csv", "a,b"
		if strings.Contains(query, "TUMBLE") {
			o.MaxLateness = 48 * time.Hour
		}
		p, err := Compile(query, o)
		if err != nil {
			t.Errorf("%s: %v", query, err)
			continue
		}
		var out strings.Builder
		if err := p.Explain(&out, func(table *row.Table) string { return "SQL of " + table.FullName() }); err != nil {
			t.Errorf("%s: %v", query, err)
		}
		text := strings.Join(strings.Fields(out.String()), " ")
		for _, line := range append(want, "SQL of t") {
			if !strings.Contains(text, strings.Join(strings.Fields(line), " ")) {
				t.Errorf("%s: got the plan\n%s\nexpected a line %q", query, out.String(), line)
			}
		}
	}
}

// A field that cannot be read fails only where a statement reads it.
func TestExplainLine_unreadField(t *testing.T) {
	t.Parallel()
	o := DefaultOptions()
	o.Format = "combined"
	p, err := Compile("INSERT INTO t SELECT host, COUNT(*) AS n FROM events GROUP BY host", o)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	line := `a - - [99/Nov/2026:10:00:03 +0000] "GET / HTTP/1.1" 200 10 "-" "x"`
	if err := ExplainLine(t.Context(), p, line, time.Time{}, &out, strings.Clone); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"\n    ts: cannot be read: ", "\n    host: \"a\" (text)\n", "\n    row 1 of t\n", "1 lines: 1 counted, 0 filtered, 0 dead; 1 rows"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("got\n%s\nexpected it to contain %q", out.String(), want)
		}
	}
}
