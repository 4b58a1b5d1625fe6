package format

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sluice-etl/sluice/fold/value"
)

// reader reads bodies with a format as a query does that uses some of its columns.
type reader struct {
	columns []Column
	parser  Parser
	fields  Fields
}

func newReader(t testing.TB, name, definition string, columns ...string) *reader {
	t.Helper()
	f, err := New(name, definition)
	if err != nil {
		t.Fatal(err)
	}
	r := &reader{}
	for _, c := range columns {
		column, ok := f.Column(strings.Split(c, "/"))
		if !ok {
			t.Fatalf("%s %s has no column %s", name, definition, c)
		}
		r.columns = append(r.columns, column)
	}
	slots := 0
	r.parser, slots = f.NewParser()
	r.fields.Values = make([]value.Value, slots)
	r.fields.Times.Zone = time.UTC
	r.fields.KafkaTime = time.Date(2015, 12, 1, 0, 0, 0, 0, time.UTC).UnixMilli()
	return r
}

// read returns the columns of each row of a body, and why the body or a value is not in its format. As a fold does, it
// looks at the values of all rows only when it has read the last.
func (r *reader) read(body []byte) (rows [][]string, err error) {
	r.fields.Reason, r.fields.Detail, r.fields.Text = "", "", r.fields.Text[:0]
	var values [][]value.Value
	more, err := r.parser.Start(body, &r.fields)
	for more && err == nil {
		var row []value.Value
		for _, c := range r.columns {
			v := r.fields.Values[c.Slot]
			if c.Read != nil && v.Set {
				v = c.Read(&r.fields, v)
			}
			row = append(row, v)
		}
		if r.fields.Reason != "" {
			return nil, &Error{r.fields.Reason, r.fields.Detail}
		}
		values = append(values, row)
		more, err = r.parser.Next(&r.fields)
	}
	if err != nil {
		return nil, err
	}
	for _, row := range values {
		texts := []string{}
		for i, v := range row {
			texts = append(texts, shown(r.columns[i], v))
		}
		rows = append(rows, texts)
	}
	return rows, nil
}

func shown(c Column, v value.Value) string {
	switch {
	case !v.Set && !c.Nullable:
		return "BUG: NULL in a column that cannot be NULL"
	case !v.Set:
		return "NULL"
	case c.Kind == value.KindTime:
		return string(value.AppendTime(nil, v.Micros(), 6))
	case c.Kind == value.KindDouble:
		return strconv.FormatFloat(v.Double(), 'g', -1, 64)
	case c.Kind == value.KindInt || c.Kind == value.KindDecimal:
		return string(v.Number.AppendText(nil, int(v.Scale)))
	}
	return string(v.Bytes)
}

// summary returns the rows of a body on one line, or ! and the reason why it has none.
func (r *reader) summary(body string) string {
	rows, err := r.read([]byte(body))
	if err != nil {
		bad := Describe(err)
		if text := "!" + bad.Reason; bad.Detail == "" {
			return text
		}
		return "!" + bad.Reason + " (" + bad.Detail + ")"
	}
	var lines []string
	for _, row := range rows {
		lines = append(lines, strings.Join(row, "|"))
	}
	return strings.Join(lines, " // ")
}

// bodyCase is a body, and what its columns are. want can be the beginning of a reason, after !.
type bodyCase struct{ columns, body, want string }

func testBodies(t *testing.T, name, definition string, cases []bodyCase) {
	t.Helper()
	for _, c := range cases {
		got := newReader(t, name, definition, strings.Fields(c.columns)...).summary(c.body)
		if got != c.want && (!strings.HasPrefix(c.want, "!") || !strings.HasPrefix(got, c.want)) {
			t.Errorf("%s of %q is\n     got %q\nexpected %q", c.columns, c.body, got, c.want)
		}
	}
}

// samples is a body of each format for which reading must not allocate.
var samples = []struct{ format, definition, columns, body string }{
	{"logfmt", "", "level msg d missing", `level=info msg="a \"b\" é" path=/x d`},
	{"csv", "a,b,c", "a b", "1,\"x \"\"y\"\"\",3\r\n4,5,6"},
	{"syslog", "", "ts hostname app_name message", "<34>Oct 11 22:14:15 h su[7]: x"},
	{"syslog", "", "severity ts message structured_data/a/b", `<34>1 2003-10-11T22:14:15.003Z h su - - [a b="\"c"] x`},
	{"tsv", "a,b,c", "a b", "1\tx\t3"},
	{"ltsv", "", "host ua missing", "host:192.0.2.1\tua:x y\tstatus:200"},
}

func TestFormats_allocateNothing(t *testing.T) { //nolint:paralleltest // AllocsPerRun must not be called in a parallel test
	for _, s := range samples {
		r := newReader(t, s.format, s.definition, strings.Fields(s.columns)...)
		body := []byte(s.body)
		if got := r.summary(s.body); strings.HasPrefix(got, "!") {
			t.Errorf("%s: the sample is rejected: %s", s.format, got)
		}
		if n := testing.AllocsPerRun(100, func() {
			r.fields.Text = r.fields.Text[:0]
			more, err := r.parser.Start(body, &r.fields)
			for more && err == nil {
				for _, c := range r.columns {
					if v := r.fields.Values[c.Slot]; c.Read != nil && v.Set {
						c.Read(&r.fields, v)
					}
				}
				more, err = r.parser.Next(&r.fields)
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations for a record, expected none", s.format, n)
		}
	}
}

// A reason is the same text for all records that fail alike. It shows the record's text only if fields are explained.
func TestMismatch_showsTextOnlyIfExplained(t *testing.T) {
	t.Parallel()
	r := newReader(t, "ltsv", "", "a")
	for explain, want := range map[bool]string{
		false: expectedLabel + " (at byte 5 of 11)",
		true:  expectedLabel + `, got "sécret" (at byte 5 of 11)`,
	} {
		r.fields.Explain = explain
		if got := r.summary("a:1\tsécret"); got != "!"+want {
			t.Errorf("explained %v: got %s, expected !%s", explain, got, want)
		}
	}
}

func TestNew_definitions(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, definition, want string }{
		{"nosuch", "", `log format "nosuch": must be one of ` + strings.Join(Names(), ", ")},
		{"logfmt", "a,b", "option 'log-format-string' needs one of the log formats csv, tsv"},
		{"apache", "", "log format apache needs option 'log-format-string': the LogFormat"},
	} {
		if _, err := New(c.name, c.definition); err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s %q: got %v, expected %s", c.name, c.definition, err, c.want)
		}
	}
}

// difference describes how the results of a format and of a reference differ; it is empty if they are equal.
func difference(got, want any) string {
	if g, w := fmt.Sprintf("%q", got), fmt.Sprintf("%q", want); g != w {
		return "got " + g + ", expected " + w
	}
	return ""
}
