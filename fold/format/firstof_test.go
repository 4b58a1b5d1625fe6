package format

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-etl/sluice/fold/value"
)

const (
	listLine = `192.0.2.1 - - [17/May/2015:10:05:03 +0000] "GET /a HTTP/1.1" 200 12 "-" "UA"`
	listJSON = `{"level":"warn","http":{"status":500}}`
)

func TestFirstOf_bodies(t *testing.T) {
	t.Parallel()
	testBodies(t, "first-of(combined, json, raw)", "", []bodyCase{
		{"_format combined/host combined/status level raw/body", listLine, "combined|192.0.2.1|200|NULL|NULL"},
		{"_format combined/host json/level http/status raw/body", listJSON, "json|NULL|warn|500|NULL"},
		{"_format combined/host level raw/body", "Traceback:\n  File", "raw|NULL|NULL|Traceback:\n  File"},
		// A body is read as a whole by one format.
		{"_format combined/path", listLine + "\n" + strings.Replace(listLine, "/a", "/b", 1) + "\r\n", "combined|/a // combined|/b"},
		{"_format combined/path level raw/body", listLine + "\n" + listJSON, "raw|NULL|NULL|" + listLine + "\n" + listJSON},
		{"_format level", listJSON + "\n" + `{"level":"\u0069nfo"}`, "json|warn // json|info"},
		{"_format combined/path level raw/body", listJSON + "\n" + listLine, "raw|NULL|NULL|" + listJSON + "\n" + listLine},
		{"_format level", "{\n\"level\":\n\"x\"}", "json|x"},
		{"_format raw/body", "", "raw|"},
		{"_format", "\n", "raw"},
		{"_format combined/bytes", strings.Replace(listLine, "200 12", "200 -", 1), "combined|NULL"},
	})
	testBodies(t, "first-of(json,words)", "", []bodyCase{
		{"_format words/word", "a b\nc", "words|a // words|b // words|c"},
		{"_format words/word json/word", `{"word":1}`, "json|NULL|1"},
		{"_format", " ", ""},
	})
}

// A column that the format of an event does not have is NULL, whatever the event before had.
func TestFirstOf_forgetsTheEventBefore(t *testing.T) {
	t.Parallel()
	r := newReader(t, "first-of(combined,json,raw)", "", "_format", "combined/host", "combined/ts", "level", "raw/body")
	for _, c := range []struct{ body, want string }{
		{listLine, "combined|192.0.2.1|2015-05-17 10:05:03.000000|NULL|NULL"},
		{listJSON, "json|NULL|NULL|warn|NULL"},
		{`{"a":1}` + "\n" + listJSON, "json|NULL|NULL|NULL|NULL // json|NULL|NULL|warn|NULL"},
		{"x", "raw|NULL|NULL|NULL|x"},
		{listLine, "combined|192.0.2.1|2015-05-17 10:05:03.000000|NULL|NULL"},
	} {
		if got := r.summary(c.body); got != c.want {
			t.Errorf("%q is\n     got %s\nexpected %s", c.body, got, c.want)
		}
		for i, column := range r.columns {
			if v := r.fields.Values[column.Slot]; !v.Set && (v.Bytes != nil || v.Number.Lo != 0) {
				t.Errorf("%q: column %d is NULL and still has the value %q", c.body, i, v.Bytes)
			}
		}
	}
}

// Columns of one name are one column. How a value is read depends on the format that reads the body.
func TestFirstOf_oneNameInSeveralFormats(t *testing.T) {
	t.Parallel()
	testBodies(t, `first-of(old=nginx('$remote_addr [$time_local] $status'), new=nginx("$msec $remote_addr $request_time"), combined)`, "", []bodyCase{
		{"_format host ts status request_time", "192.0.2.1 [17/May/2015:10:05:03 +0000] 200", "old|192.0.2.1|2015-05-17 10:05:03.000000|200|NULL"},
		{"_format host ts status request_time", "1431857103.25 192.0.2.2 0.125", "new|192.0.2.2|2015-05-17 10:05:03.250000|NULL|0.125"},
		{"_format host ts old/ts status agent", listLine, "combined|192.0.2.1|2015-05-17 10:05:03.000000|NULL|200|UA"},
		{"ts", "192.0.2.1 [17/May/2015] 200", "!ts … is not a time such as 17/May"},
		{"ts", "x 192.0.2.2 0.125", "!ts … is not a number of s since 1970"},
		{"ts", "x", "!first-of: no format accepts the record; old: the line does not have the literal text"},
	})
	testBodies(t, "first-of(csv,tsv('b,a,c'))", "a,b", []bodyCase{
		{"_format A b C", "1,2", "csv|1|2|NULL"},
		{"_format a b c", "1\t2\t3", "tsv|2|1|3"},
		{"_format a b c", `"x ""y""",2`, `csv|x "y"|2|NULL`},
		{"_format a tsv/a csv/a", `"x` + "\n" + `y",2`, "csv|x\ny|NULL|x\ny"},
		{"a", "1,2\n1\t2\t3", "!first-of: no format accepts the record; csv: csv: expected as many fields"},
	})
	// A text with escapes of a format that failed later is not the text of the next.
	testBodies(t, "first-of(logfmt,x=csv('a,b'))", "", []bodyCase{
		{"_format logfmt/a x/a x/b", `a="\"1" "x",2`, `!first-of`},
		{"_format logfmt/a x/a x/b", `a="\"1"`, `logfmt|"1|NULL|NULL`},
	})
}

func TestFirstOf_reasons(t *testing.T) {
	t.Parallel()
	r := newReader(t, "first-of(combined,json,syslog)", "", "_format")
	want := "!first-of: no format accepts the record; combined: " + errHost.Error() + "; json: " + expectedObject + "; syslog: " + expectedDate +
		" (json: 4 bytes are not one JSON value; syslog: at byte 1 of 4)"
	if got := r.summary("oops"); got != want {
		t.Errorf("got %s\nexpected %s", got, want)
	}
	r.fields.Explain = true
	if got := r.summary("oops"); !strings.Contains(got, `syslog: `+expectedDate+`, got "oops"`) {
		t.Errorf("an explained reason does not show the text: %s", got)
	}
	// Each format has its part of a long reason.
	list := strings.Repeat("%c=csv('%c,x'),", 8)
	var args []any
	for c := 'a'; c < 'a'+8; c++ {
		args = append(args, c, c)
	}
	r = newReader(t, "first-of("+fmt.Sprintf(list, args...)+"syslog)", "", "_format")
	_, err := r.read([]byte("oops"))
	reason := Describe(err).Reason
	if len(reason) > 1000 {
		t.Errorf("the reason has %d bytes, expected at most 1000", len(reason))
	}
	for _, name := range append(strings.Split("abcdefgh", ""), "syslog") {
		if !strings.Contains(reason, "; "+name+": ") {
			t.Errorf("the reason has nothing of %s: %s", name, reason)
		}
	}
}

// A name that several formats have, with different types, is no column.
func TestFirstOf_types(t *testing.T) {
	t.Parallel()
	f, err := New("first-of(combined,json,logfmt)", "")
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := f.Column([]string{"status"}); ok {
		t.Error("status is a column, expected none: it has three types")
	}
	want := "is an integer in combined and a JSON field in json and text in logfmt: write combined.status or json.status or logfmt.status, " +
		"or COALESCE(combined.status, CAST(json.status AS SIGNED), CAST(logfmt.status AS SIGNED))"
	if got := f.(ReasonedFormat).Rejected([]string{"status"}); got != want {
		t.Errorf("got  %s\nexpected %s", got, want)
	}
	if got := f.(ReasonedFormat).Rejected([]string{"json", "status"}); got != "" {
		t.Errorf("got %s, expected no conflict of a name with its format", got)
	}
	closed, err := New("first-of(combined,old=common,grok('%{WORD:word} %{NUMBER:status}'),raw)", "")
	if err != nil {
		t.Fatal(err)
	}
	names := []string{"_format", "host", "ident", "user", "ts", "method", "path", "protocol", "combined.status", "bytes", "referer", "agent", "old.status", "word", "grok.status", "body"}
	if got := closed.Names(); !slices.Equal(got, names) {
		t.Errorf("the names are\n     %q\nexpected %q", got, names)
	}
	for name, nullable := range map[string]bool{"_format": false, "host": true} {
		if c, ok := closed.Column([]string{name}); !ok || c.Nullable != nullable {
			t.Errorf("%s: found %v, can be NULL: %v, expected %v", name, ok, c.Nullable, nullable)
		}
	}
	same, err := New("first-of(csv('a,b'),tsv('a,c'))", "")
	if err != nil {
		t.Fatal(err)
	}
	if c, ok := same.Column([]string{"a"}); !ok || c.Nullable {
		t.Errorf("a: found %v, can be NULL: %v, expected a column that cannot be", ok, c.Nullable)
	}
	for _, c := range []struct{ a, b, want value.Type }{
		{value.Type{Kind: value.KindTime}, value.Type{Kind: value.KindTime, Scale: 6}, value.Type{Kind: value.KindTime, Scale: 6}},
		{value.Type{Kind: value.KindDecimal, Scale: 3, Precision: 18}, value.Type{Kind: value.KindDecimal, Scale: value.AnyScale}, value.Type{Kind: value.KindDecimal, Scale: value.AnyScale}},
		{value.Type{Kind: value.KindDecimal, Scale: 3, Precision: 18}, value.Type{Kind: value.KindDecimal, Scale: 3, Precision: 9, Nullable: true}, value.Type{Kind: value.KindDecimal, Scale: 3, Precision: 18, Nullable: true}},
		{value.Type{Kind: value.KindText, MaxChars: 3}, value.Type{Kind: value.KindText}, value.Type{Kind: value.KindText}},
	} {
		for _, pair := range [][2]value.Type{{c.a, c.b}, {c.b, c.a}} {
			if got, ok := unite(pair[0], pair[1]); !ok || got != c.want {
				t.Errorf("%+v and %+v are %+v (%v), expected %+v", pair[0], pair[1], got, ok, c.want)
			}
		}
	}
}

func TestFirstOf_definitions(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ list, definition, want string }{
		{"first-of(raw)", "", "first-of has 1 formats, must have 2 to 16"},
		{"first-of", "", "at byte 9: expected the formats in parentheses"},
		{"first-of(", "", "at byte 10: expected the name of a format"},
		{"first-of(json raw)", "", `at byte 15: expected , and the next format, or ) at the end of the list, got "raw)"`},
		{"first-of(json,raw", "", "got the end"},
		{"first-of(json,raw) x", "", "expected nothing behind the list"},
		{"first-of(json,,raw)", "", `at byte 15: expected the name of a format: letters a to z, digits and _, got ",raw)"`},
		{"first-of(json,nosuch)", "", `got the format "nosuch", expected one of words`},
		{"first-of(json,first-of(csv,raw))", "", `at byte 20: expected , and the next format`},
		{"first-of(raw,json)", "", "raw accepts every record, so json would never read one: expected raw last"},
		{"first-of(json,x=words,raw)", "", "x accepts every record, so raw would never read one"},
		{"first-of(common,combined)", "", "common accepts the lines of combined too, which would never read one: expected combined first"},
		{"first-of(json,json)", "", "json is in the list twice: give each a name of its own, such as old=json"},
		{"first-of(json,x=json)", "", "x is the same format as json"},
		{"first-of(json,logfmt=csv('a'))", "", "csv cannot be called logfmt"},
		{"first-of(json,events=csv('a'))", "", "csv cannot be called events"},
		{"first-of(csv,tsv)", "a", "csv and tsv need a definition each"},
		{"first-of(csv,tsv('a'))", "", "csv: log format csv needs option 'log-format-string'"},
		{"first-of(csv('a'),tsv('a'))", "b", "there is none"},
		{"first-of(json('a'),raw)", "", "json: option 'log-format-string' needs one of the log formats"},
		{"first-of(csv('a,,b'),raw)", "", "csv: option 'log-format-string': cannot read the definition of csv"},
		{"first-of(csv(a),raw)", "", "at byte 14: expected the definition in quotes, such as csv('time,host'), got \"a),raw)\""},
		{"first-of(csv('a),raw)", "", "expected a closing '"},
		{"first-of(csv(''),raw)", "", "expected a definition that is not empty"},
		{"first-of(csv('a'b),raw)", "", "expected ) behind the definition"},
	} {
		if _, err := New(c.list, c.definition); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got the error %v, expected %s", c.list, err, c.want)
		}
	}
	for list, want := range map[string]string{
		"json":                     "json",
		" first-of ( json )":       "",
		"first-of( json ,\n raw )": "first-of(json,raw)",
		`first-of(regex("(?P<a>[^),'""]*)"),x=raw)`: `first-of(regex('(?P<a>[^),''"]*)'),x=raw)`,
		"first-of(csv=csv('a'),raw)":                "first-of(csv('a'),raw)",
	} {
		if got, err := Canonical(list); got != want || (err == nil) != (want != "") {
			t.Errorf("%s: got %s and the error %v, expected %s", list, got, err, want)
		}
	}
}

func FuzzFirstOf_definition(f *testing.F) {
	for _, s := range []string{"first-of(json,raw)", "first-of(a=csv('x,''y'),\n tsv(\"a\"\"\"), raw)", "first-of(", "first-of(regex('(?P<a>.)')"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		canonical, err := Canonical(text)
		if err != nil {
			return
		}
		if again, err := Canonical(canonical); err != nil || again != canonical {
			t.Fatalf("%q is %q, and that is %q with the error %v", text, canonical, again, err)
		}
		if !IsList(text) {
			return
		}
		a, err := parseList(text)
		b, again := parseList(canonical)
		if err != nil || again != nil || !slices.Equal(a, b) {
			t.Fatalf("%q is %q, and %q is %q, errors %v and %v", text, a, canonical, b, err, again)
		}
		_, _ = New(text, "")
	})
}

// fuzzLists are lists and the columns that are read of each format, all with the format's name in front.
var fuzzLists = []struct {
	list, definition string
	columns          []string
	alone            []string // the formats, each with its definition behind a space
}{
	{"first-of(combined,json,logfmt,raw)", "", []string{"host|path|bytes", "a|b", "a|b", "body"}, []string{"combined ", "json ", "logfmt ", "raw "}},
	{"first-of(csv,syslog,ltsv)", "a,b", []string{"a|b", "severity|message", "a"}, []string{"csv a,b", "syslog ", "ltsv "}},
	{"first-of(json,common,words)", "", []string{"a", "host|ts", "word"}, []string{"json ", "common ", "words "}},
	{`first-of(tsv('a,b'),csv('a,"b"'),nginx("$remote_addr $status"),regex('(?P<a>a+)(?P<b>b)?'))`, "", []string{"a|b", "a|b", "host|status", "a|b"},
		[]string{"tsv a,b", "csv a,b", "nginx $remote_addr $status", "regex (?P<a>a+)(?P<b>b)?"}},
}

// A list reads a body as the first of its formats alone that can read all of it.
func FuzzFirstOf(f *testing.F) {
	for _, s := range samples {
		f.Add(s.body + "\n" + s.body)
		f.Add(s.body)
	}
	for _, s := range []string{listLine, listJSON, listLine + "\n" + listJSON, listJSON + "\n" + listLine, "a=1\n" + listJSON, "", "\n", "a,b\nc", "\ufeff" + listJSON + "\n", `a="\"" b` + "\nx", "aab\naa\n", "h 200\nh x", "0 0 0 [] \"\" 000 00\n0"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, body string) {
		for _, l := range fuzzLists {
			var all []string
			var readers []*reader
			for i, columns := range l.columns {
				name, definition, _ := strings.Cut(l.alone[i], " ")
				own := strings.Split(columns, "|")
				readers = append(readers, newReader(t, name, definition, own...))
				for _, c := range own {
					all = append(all, name+"/"+c)
				}
			}
			list := newReader(t, l.list, l.definition, append([]string{"_format"}, all...)...)
			for range 2 { // what the last body left must not matter
				got, err := list.read([]byte(body))
				want, wantErr := [][]string(nil), errors.New("no format accepts it")
				before := 0
				for i, r := range readers {
					more, shapeErr := r.parser.Start([]byte(body), &r.fields)
					for more && shapeErr == nil {
						more, shapeErr = r.parser.Next(&r.fields)
					}
					if shapeErr == nil {
						rows, rowsErr := r.read([]byte(body)) // an error is that of a value
						for _, row := range rows {
							name, _, _ := strings.Cut(l.alone[i], " ")
							cells := []string{name}
							for j := range all {
								if j >= before && j < before+len(row) {
									cells = append(cells, row[j-before])
								} else {
									cells = append(cells, "NULL")
								}
							}
							want = append(want, cells)
						}
						wantErr = rowsErr
						break
					}
					before += len(r.columns)
				}
				if (err == nil) != (wantErr == nil) {
					t.Fatalf("%s of %q: got the error %v, expected %v", l.list, body, err, wantErr)
				}
				if d := difference(got, want); err == nil && d != "" {
					t.Fatalf("%s of %q: %s", l.list, body, d)
				}
				_, _ = list.read([]byte(listLine))
			}
		}
	})
}

// A body costs no allocation, whichever format reads it, although the formats before it fail.
func TestFirstOf_allocatesNothing(t *testing.T) { //nolint:paralleltest // AllocsPerRun must not be called in a parallel test
	r := newReader(t, "first-of(json,csv('a,b'),regex('(?P<x>[0-9]+) only'),syslog,combined,ltsv,logfmt,raw)", "", "_format", "combined/host", "json/level", "syslog/ts", "raw/body")
	for _, body := range []string{listJSON, "1,2", "<34>Oct 11 22:14:15 h su[7]: x", listLine, "a:1\tb:2", `level=info msg="a \"b\""`, "plain text", listLine + "\n" + listLine, "a\nb"} {
		bytes := []byte(body)
		if got := r.summary(body); strings.HasPrefix(got, "!") {
			t.Errorf("%q: the sample is rejected: %s", body, got)
		}
		if n := testing.AllocsPerRun(100, func() {
			r.fields.Text = r.fields.Text[:0]
			more, err := r.parser.Start(bytes, &r.fields)
			for more && err == nil {
				more, err = r.parser.Next(&r.fields)
			}
			if err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%q: %v allocations for a record, expected none", body, n)
		}
	}
}
