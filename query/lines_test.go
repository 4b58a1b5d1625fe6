package query

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-etl/sluice/batch"
)

const afterHost = ` [07/Dec/2016:11:05:07 +0100] "GET / HTTP/1.1" 200 571 "-" "x"`

// Text before the host would shift the fields after it: such a line is a dead letter, with one reason.
func TestCombined_textBeforeTheHostIsRejected(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"combined", "common"} {
		p := plan(t, format, "INSERT INTO t SELECT host, COUNT(*) AS n FROM events GROUP BY host")
		for _, front := range []string{
			"nginx: 203.0.113.7 - alice", "shop.example:80 203.0.113.7 - -", "10.0.0.2, 10.0.0.1, 203.0.113.7 - -", "shop.example 203.0.113.7 - -",
			"<134>Dec  7 11:05:07 web1 nginx: 203.0.113.7 - -", "Dec 17 11:05:07 web1 nginx: 203.0.113.7 - alice", "Dec 17 11:05:07 web1 nginx: host.example id alice",
			"2016-12-07T11:05:07.1Z stdout F 203.0.113.7 - -", "2016-12-07 11:05:07 203.0.113.7 - -", "2016-12-07 11:05:07 203.0.113.7 id alice", `{"log":"203.0.113.7 - -`,
			"web_1 | 203.0.113.7 - -", "web_1  | 203.0.113.7 - -", "[pod/nginx/nginx] 203.0.113.7 - -", "web1 203.0.113.7 -", "web1 host.example id -", "web1 203.0.113.7 id alice",
			"web1 2001:db8::1 -", "web1 nginx[12]: 203.0.113.7 - -", "nginx 203.0.113.7 -", "10.0.0.2,203.0.113.7 - -", `"10.0.0.2, 203.0.113.7" - -`, "- 203.0.113.7 - -", "- - 203.0.113.7",
			"\x1b[36mweb1 203.0.113.7 - -", "1.2.3.4\t- -", "h - - -", "h - - alice", "h - alice - bob", "web1: - -", "<13>1 2016-12-07T11:05:07Z web1 nginx - - - 203.0.113.7 - -", "1 2016-12-07T11:05:07Z web1 nginx - - - 203.0.113.7 - -",
		} {
			f := p.NewFold()
			tally := feed(f, front+afterHost)
			if len(tally.Dead) != 1 || !strings.HasPrefix(tally.Dead[0].Reason, "something stands in front of the host") {
				t.Errorf("%s: %s: %+v, rows %q; expected 1 dead letter whose reason begins with %q", format, front, tally, printed(f.Take()), "something stands in front of the host")
			}
		}
		for _, front := range []string{
			"203.0.113.7 - -", "203.0.113.7:5678 - -", "2001:db8::1 - -", "::1 - alice", "[2001:db8::1] - -", "fe80::1%eth0 - -", "::ffff:203.0.113.7 - -", "host.example - John Smith", "unix: - -", "- - -",
			"my_host - a-b@c.example", "h id John Q. Public", `h - ""`, "h j.smith https://issuer.example/sub", "h 501 DOMAIN\\alice",
		} {
			tally := feed(p.NewFold(), front+afterHost)
			if tally.Counted != 1 {
				t.Errorf("%s: %s: %+v, expected Counted 1", format, front, tally)
			}
		}
	}
}

// Each line of an event is a row, and a bad line makes the whole event a dead letter (P22).
func TestLines_oneRowPerLine(t *testing.T) {
	t.Parallel()
	text := "INSERT INTO t SELECT status FROM events"
	for _, c := range []struct{ format, body, want string }{
		{"combined", line(200, "1") + "\n" + line(404, "1") + "\r\n\n" + line(500, "1") + "\n\r\n", "200@0 404@1 500@2"},
		{"common", line(200, "1") + "\n" + line(404, "1"), "200@0 404@1"},
		{"combined", "\xef\xbb\xbf" + line(200, "1") + "\n", "200@0"},
		{"combined", line(200, "1") + ` "more [x]"` + "\n" + line(404, "1"), "200@0 404@1"},
		{"combined", line(200, "1")[:len(line(200, "1"))-1] + "\n" + line(404, "1"), "200@0 404@1"},
		{"combined", line(200, "1") + "\nnonsense", ""},
		{"combined", "\n\n", ""},
		{"combined", " \t\n" + line(200, "1") + "\n  \n" + line(404, "1") + "\n\t", "200@0 404@1"},
		{"json", "{\"status\":200}\n   \n{\"status\":404}", "200@0 404@1"},
		{"json", "{\"status\":200}\n{\"status\":404}\r\n\n{\"status\":500}\n", "200@0 404@1 500@2"},
		{"json", "{\"status\":\n 200\n}", "200@0"},
		{"json", "\xef\xbb\xbf{\"status\":200}", "200@0"},
		{"json", "{\"status\":200}\n[]", ""},
		{"json", "{\"status\":200} {\"status\":404}", ""},
		{"logfmt", "status=200\r\nstatus=404\n", "200@0 404@1"},
		{"logfmt", "status=200\nnonsense", ""},
		{"ltsv", "status:200\r\nstatus:404\n", "200@0 404@1"},
		{"ltsv", "status:200\nnonsense", ""},
	} {
		f := plan(t, c.format, text).NewFold()
		tally := feed(f, c.body)
		var got []string
		for _, l := range printed(f.Take()) {
			w := strings.Fields(l) // t: logs 3 0 index status
			got = append(got, w[5]+"@"+w[4])
		}
		if s := strings.Join(got, " "); s != c.want || (c.want == "") != (len(tally.Dead) == 1) {
			t.Errorf("%s %q: %q, expected %q (%+v)", c.format, c.body, s, c.want, tally)
		}
	}
}

// P22: a line that fails after a valid one discards the valid one's row, too.
func TestP22_invalidLineMakesTheEventADeadLetter(t *testing.T) {
	t.Parallel()
	f := plan(t, "combined", "INSERT INTO t SELECT status, COUNT(*) AS n FROM events GROUP BY status").NewFold()
	tally := feed(f, line(200, "1")+"\nbad", line(404, "1")+"\n"+line(404, "2"))
	want(t, printed(f.Take()), "t: 404 2")
	if tally.Counted != 1 || len(tally.Dead) != 1 {
		t.Errorf("%+v; expected Counted 1 and Dead with 1 element", tally)
	}
}

func TestJSON_paths(t *testing.T) {
	t.Parallel()
	body := `{"request":{"method":"GET","headers":{"User-Agent":["curl/8","x"]},"n":5},"a":[{"b":1},[2,3]],"0":"zero","q":{"a.b":1,"é":2,"\u0061c":3,"x\"y":4}}`
	for _, c := range []struct{ body, expr, want string }{
		{body, `request->>'$."method"'`, "GET"}, {body, `request->'$."method"'`, `"GET"`}, {body, `request->'$.n'`, "5"}, {body, `request->>'$.headers."User-Agent"[0]'`, "curl/8"},
		{body, `request->>'$.headers."User-Agent"[last]'`, "x"}, {body, `request->>'$.headers."User-Agent"[ last - 1 ]'`, "curl/8"}, {body, `request->>'$.headers."User-Agent"[2]'`, "NULL"},
		{body, `request->>'$.headers."User-Agent"[last-2]'`, "NULL"}, {body, `request->>'$.method[0]'`, "GET"}, {body, `request->>'$.method[last]'`, "GET"}, {body, `request->>'$.method[1]'`, "NULL"},
		{body, `request->>'$[0].method'`, "GET"}, {body, `request->>'$[0][0].method'`, "GET"}, {body, `a->>'$[0].b'`, "1"}, {body, `a->>'$[1][1]'`, "3"}, {body, `a->>'$ [1] [0]'`, "2"}, {body, "a.`0`", "NULL"}, {body, `a->>'$."0"'`, "NULL"},
		{body, `q->>'$."a.b"'`, "1"}, {body, `q->>'$.é'`, "2"}, {body, `q->>'$."\\u00e9"'`, "2"}, {body, `q->>'$.ac'`, "3"}, {body, `q->>'$."x\\"y"'`, "4"}, {body, `request->'$.method' = 'GET'`, "1"}, {body, `'POST' = request->'$.method'`, "0"},
		{`{"\u0061":1,"a":2}`, "a", "1"}, {`{"a":1,"\u0061":2}`, "a", "1"}, {`{"x":{"\u0061":1,"a":2}}`, "x.a", "1"}, {`{"a":"x"}`, "a->'$'", `"x"`}, {`{"a":"x"}`, "a->>'$'", "x"}, {`{"a":null}`, "a->'$'", "NULL"},
		{`{"events":{"a":7}}`, "events->>'$.a'", "7"}, {`{"_index":"web","_offset":42}`, "events._index", "web"}, {`{"_index":"web","_offset":42}`, "events._offset", "42"}, {`{"_index":"web"}`, "_index", "0"}, {`{"_index":"web"}`, "_Index", "NULL"},
		{`{"_Index":"web"}`, "_Index", "web"}, {`{"_topic":"x"}`, "events._topic", "x"}, {`{"_key":{"a":1}}`, "_key->>'$.a'", "1"}, {`{"_key":"k"}`, "`_key`", "NULL"},
	} {
		got, fault := evaluate(t, "json", c.expr, c.body)
		if got != c.want || fault != "" {
			t.Errorf("%s of %s = %s %s, expected %s", c.expr, c.body, got, fault, c.want)
		}
	}
	for path, reason := range map[string]string{
		"$.*": "several", "$[*]": "several", "$**.a": "several", "$.a[0 to 2]": "several", "$[last-1 to last]": "several", "$.": "expected a name", "$.0": "needs quotes", "$.user-agent": "needs quotes", `$."a`: "JSON string",
		"$[": "expected the number", "$[a]": "expected the number", "$[1": "expected ]", "a": "must begin with $", "": "must begin with $", "$a": "expected . and a name", "$[-1]": "expected the number", "$[4294967296]": "at most",
	} {
		o := DefaultOptions()
		o.Format = "json"
		_, err := Compile("INSERT INTO t SELECT a->>'"+path+"' AS x FROM events", o)
		if err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("%s: %v, expected %s", path, err, reason)
		}
	}
}

// A tombstone is filtered; an empty value is an event.
func TestFold_tombstonesAreFiltered(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"combined", "common", "json", "words", "raw"} {
		f := plan(t, format, "INSERT INTO t SELECT _offset, COUNT(*) AS n FROM events GROUP BY _offset").NewFold()
		var tally batch.Tally
		f.Add(part, []batch.Record{{Offset: 1}}, &tally)
		if tally.Filtered != 1 || tally.Counted != 0 || len(tally.Dead) != 0 {
			t.Errorf("%s: %+v; expected Filtered 1, Counted 0 and Dead with no elements", format, tally)
		}
	}
	f := plan(t, "raw", "INSERT INTO t SELECT body FROM events").NewFold()
	if tally := feed(f, ""); tally.Counted != 1 {
		t.Errorf("empty: %+v, expected Counted 1", tally)
	}
	f = flumePlan(t, "raw", "INSERT INTO t SELECT body FROM events").NewFold()
	var tally batch.Tally
	f.Add(part, []batch.Record{{Offset: 1}}, &tally)
	if tally.Filtered != 1 {
		t.Errorf("flume: %+v, expected Filtered 1", tally)
	}
}

// Timestamps are milliseconds: -1 is NULL, and a value that is not a time is a dead letter if it is used.
func TestFold_kafkaTimestamps(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		expr, want string
		ms         int64
		header     []byte
	}{
		{expr: "_timestamp", ms: 1431857103250, want: "2015-05-17 10:05:03.250"}, {expr: "_timestamp", ms: -1, want: "NULL"}, {expr: "_event_time", ms: -1, want: "NULL"},
		{expr: "_timestamp", ms: -2, want: "1969-12-31 23:59:59.998"}, {expr: "_timestamp", ms: 0, want: "1970-01-01 00:00:00.000"}, {expr: "_timestamp", ms: 253402300799999, want: "9999-12-31 23:59:59.999"},
		{expr: "_timestamp", ms: 253402300800000, want: "!"}, {expr: "_timestamp", ms: 1481105107000000, want: "!"}, {expr: "_event_time", ms: 1481105107000000000, want: "!"}, {expr: "_timestamp", ms: batch.BadTimestamp, want: "!"},
		{expr: "_offset", ms: batch.BadTimestamp, want: "7"}, {expr: "_event_time", ms: batch.BadTimestamp, header: []byte("1000"), want: "1970-01-01 00:00:01.000"}, {expr: "_event_time", header: []byte("1481105107000000"), want: "!"},
		{expr: "_event_time", header: []byte("1481105107000000000"), want: "!"}, {expr: "_event_time", header: []byte("-99999999999999"), want: "!"}, {expr: "COALESCE(_timestamp, CAST('2000-01-01' AS DATETIME(3)))", ms: -1, want: "2000-01-01 00:00:00.000"}, {expr: "_timestamp IS NULL", ms: -1, want: "1"},
		{expr: "header('timestamp')", want: "NULL"},
	} {
		f := plan(t, "raw", "INSERT INTO t SELECT "+c.expr+" AS x FROM events").NewFold()
		var tally batch.Tally
		f.Add(part, []batch.Record{{Offset: 7, Timestamp: c.ms, Value: []byte{}, Headers: []batch.Header{{Key: "timestamp", Value: c.header}}}}, &tally)
		got := "!"
		if len(tally.Dead) == 0 {
			got = strings.TrimPrefix(printed(f.Take())[0], "t: logs 3 7 0 ")
		}
		if got != c.want {
			t.Errorf("%s of %d, %s: %s, expected %s %+v", c.expr, c.ms, c.header, got, c.want, tally)
		}
	}
	f := plan(t, "raw", "INSERT INTO t SELECT TUMBLE(_timestamp, INTERVAL 1 HOUR) AS h, COUNT(*) AS n FROM events GROUP BY h").NewFold()
	var tally batch.Tally
	f.Add(part, []batch.Record{{Timestamp: -1, Value: []byte{}}, {Timestamp: 1000, Value: []byte{}}}, &tally)
	want(t, printed(f.Take()), "t: 1970-01-01 00:00:00 1")
	if len(tally.Dead) != 1 || !strings.Contains(tally.Dead[0].Reason, "NULL") {
		t.Errorf("%+v; expected 1 dead letter whose reason contains %q", tally, "NULL")
	}
}

// The rows of a body hold the texts of their own lines, not those of the last line: whatever memory a parser uses, it is
// not that of the line before.
func TestFold_textsOfEachLine(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ format, text, columns, first, second string }{
		{"json", "", "a, b, a->'$.x' AS c", `{"a":"one","b":["\u0041"]}`, `{"a":"two","b":["\u0042",2]}`},
		{"json", "", "a, a->'$' AS c", `{"a":"o\ne"}`, `{"a":"t\two"}`},
		{"logfmt", "", "a, b", `a="o\ne" b=1`, `a="t\two" b=2`},
		{"ltsv", "", "a, b", "a:one\tb:1", "a:two\tb:2"},
		{"csv", "a,b", "a, b", `"o""ne",1`, `"t""wo",2`},
		{"tsv", "a,b", "a, b", "one\t1", "two\t2"},
		{"combined", "", "host, path, agent", line(200, "1"), strings.Replace(line(404, "2"), "GET /", "GET /x", 1)},
		{"syslog", "", "hostname, message, structured_data.x.y AS y", `<34>1 2015-05-17T10:05:03Z a b c d [x y="o\"ne"] one`, `<34>1 2015-05-17T10:05:03Z b b c d [x y="t\"wo"] two`},
		{"regex", "(?P<a>[a-z]+) (?P<b>.*)", "a, b", "one 1", "two 2"},
	} {
		o := DefaultOptions()
		o.Format, o.FormatString = c.format, c.text
		p, err := Compile("INSERT INTO t SELECT "+c.columns+" FROM events", o)
		if err != nil {
			t.Fatal(err)
		}
		values := func(bodies ...string) (all []string) {
			f := p.NewFold()
			if tally := feed(f, bodies...); tally.Counted != int64(len(bodies)) {
				t.Fatalf("%s: got %+v, expected %d counted", c.format, tally, len(bodies))
			}
			rows := f.Take().Tables[0]
			for _, i := range rows.Sorted() {
				all = append(all, strings.Join(rowText(rows, i)[4:], " "))
			}
			return all
		}
		if diff := cmp.Diff(values(c.first, c.second), values(c.first+"\n"+c.second)); diff != "" {
			t.Errorf("%s: in one body (+) and in two (-):\n%s", c.format, diff)
		}
	}
}
