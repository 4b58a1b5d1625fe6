package query

import (
	"bytes"
	"strings"
	"testing"

	"github.com/sluice-etl/sluice/fold/value"
)

// dryRunText returns the text of a dry run.
func dryRunText(t *testing.T, format, formatString, text, input string) string {
	t.Helper()
	o := DefaultOptions()
	o.Format, o.FormatString = format, formatString
	p, err := Compile(text, o)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if _, err := DryRun(t.Context(), p, []Input{{Name: "in", Reader: strings.NewReader(input)}}, &out, 10, strings.Clone); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// folded returns the rows of the given bodies, in the form of printed.
func folded(t *testing.T, p *Plan, bodies ...string) string {
	t.Helper()
	f := p.NewFold()
	if tally := feed(f, bodies...); len(tally.Dead) > 0 {
		t.Errorf("got %d dead letters, the first because %s; expected none", len(tally.Dead), tally.Dead[0].Reason)
	}
	return strings.Join(printed(f.Take()), ", ")
}

// A byte order mark is skipped at the start of a body, of each of its lines, of a query and of a log format.
func TestByteOrderMark_isSkipped(t *testing.T) {
	t.Parallel()
	const common = `192.0.2.1 - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 5`
	const mark = value.ByteOrderMark
	for _, c := range []struct{ format, formatString, column, body, want string }{
		{"combined", "", "host", common + ` "-" "x"`, "192.0.2.1"},
		{"common", "", "host", common, "192.0.2.1"},
		{"apache", `%h %l %u %t "%r" %>s %b`, "host", common, "192.0.2.1"},
		{"nginx", "$remote_addr $status", "host", "192.0.2.1 200", "192.0.2.1"},
		{"json", "", "COALESCE(a, '')", `{"a":"x"}`, "x"},
		{"logfmt", "", "COALESCE(a, '')", "a=x", "x"},
		{"ltsv", "", "COALESCE(a, '')", "a:x", "x"},
		{"words", "", "word", "x", "x"},
	} {
		query := "INSERT INTO t SELECT " + c.column + " AS k, COUNT(*) AS n FROM events GROUP BY k"
		for _, text := range []string{query, mark + query, "\r\n" + mark + query, mark + query + ";" + mark + "\n", mark + "-- counts\n" + query} {
			o := DefaultOptions()
			o.Format, o.FormatString = c.format, c.formatString
			if o.FormatString != "" {
				o.FormatString = mark + o.FormatString
			}
			p, err := Compile(text, o)
			if err != nil {
				t.Errorf("%s: %q: %v", c.format, text, err)
				continue
			}
			rows := folded(t, p, c.body, mark+c.body)
			if rows != "t: "+c.want+" 2" {
				t.Errorf("%s: %q: rows %s, expected %s 2", c.format, text, rows, c.want)
			}
			if c.format == "words" {
				continue // this format has no lines
			}
			if rows := folded(t, p, mark+c.body+"\n"+mark+c.body+"\r\n"+mark+"\r\n"+c.body); rows != "t: "+c.want+" 3" {
				t.Errorf("%s, several lines: %q: rows %s, expected %s 3", c.format, text, rows, c.want)
			}
		}
	}
	if got := dryRunText(t, "raw", "", "INSERT INTO t SELECT LEFT(body, 9) AS k, COUNT(*) AS n FROM events GROUP BY k", mark+"x\nx\n"); !strings.Contains(got, "t: 1 rows") {
		t.Errorf("a dry run does not skip the byte order mark at the start of a file, expected it to contain %q:\n%s", "t: 1 rows", got)
	}
	if got := folded(t, plan(t, "words", "INSERT INTO t SELECT CONCAT(word, '"+mark+"') AS k, COUNT(*) AS n FROM events GROUP BY k"), "x"); got != "t: x"+mark+" 1" {
		t.Errorf("a byte order mark within quotes must be text, got %q", got)
	}
}
