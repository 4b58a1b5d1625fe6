package query

import (
	"strings"
	"testing"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/fold/value"
	"github.com/sluice-etl/sluice/row"
)

const clfAll = "SELECT host, ident, user, ts, method, path, protocol, status, bytes, referer, agent FROM events"

// clfLine returns a line of the combined format with this request line.
func clfLine(request string) string {
	return `h - - [17/May/2015:10:05:03 +0000] "` + request + `" 400 0 "-" "-"`
}

func TestCombined_lines(t *testing.T) {
	t.Parallel()
	p := plan(t, "combined", "INSERT INTO t "+clfAll)
	for _, c := range []struct{ line, want string }{ // fields joined by |, or ! and the reason
		{`83.149.9.216 - - [17/May/2015:10:05:03 +0000] "GET /a/b.png HTTP/1.1" 200 203023 "http://x/" "Mozilla/5.0 (X; Y)"`,
			`83.149.9.216|-|-|2015-05-17 10:05:03|GET|/a/b.png|HTTP/1.1|200|203023|http://x/|Mozilla/5.0 (X; Y)`},
		{`2001:db8::1 - frank [10/Oct/2000:13:55:36 -0700] "HEAD / HTTP/1.0" 304 - "-" "-"`, `2001:db8::1|-|frank|2000-10-10 20:55:36|HEAD|/|HTTP/1.0|304|NULL|-|-`},
		{`h id John Q. Public [10/Oct/2000:13:55:36 +0530] "GET / HTTP/2.0" 200 1 "-" "-"`, `h|id|John Q. Public|2000-10-10 08:25:36|GET|/|HTTP/2.0|200|1|-|-`},
		{`h - - [10/Oct/2000:13:55:36] "GET / HTTP/1.1" 200 1 "-" "-"`, `h|-|-|2000-10-10 13:55:36|GET|/|HTTP/1.1|200|1|-|-`},
		{`h - - [29/Feb/2016:23:59:60 +0000] "GET / HTTP/1.1" 200 1 "" ""`, `h|-|-|2016-03-01 00:00:00|GET|/|HTTP/1.1|200|1||`},
		{`h - - [17/May/2015:10:05:03 +0000] "GET /?q=\"x\" HTTP/1.1" 200 1 "a\\" "b\"c"`, `h|-|-|2015-05-17 10:05:03|GET|/?q=\"x\"|HTTP/1.1|200|1|a\\|b\"c`},
		{clfLine(`-`), `h|-|-|2015-05-17 10:05:03||-||400|0|-|-`},
		{clfLine(``), `h|-|-|2015-05-17 10:05:03||||400|0|-|-`},
		{clfLine(`\x16\x03\x01 \x02`), `h|-|-|2015-05-17 10:05:03||\x16\x03\x01 \x02||400|0|-|-`},
		{clfLine(`GET /old`), `h|-|-|2015-05-17 10:05:03|GET|/old||400|0|-|-`},
		{clfLine(`GET /a b HTTP/1.1`), `h|-|-|2015-05-17 10:05:03|GET|/a b|HTTP/1.1|400|0|-|-`},
		{clfLine(`GET`), `h|-|-|2015-05-17 10:05:03||GET||400|0|-|-`},
		{clfLine(`M-SEARCH * HTTP/1.1`), `h|-|-|2015-05-17 10:05:03|M-SEARCH|*|HTTP/1.1|400|0|-|-`},
		// A line that is cut within its last field, fields after it, and line ends of two systems.
		{`h - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 1 "-" "Mozilla/5.0 (comp`, `h|-|-|2015-05-17 10:05:03|GET|/|HTTP/1.1|200|1|-|Mozilla/5.0 (comp`},
		{`h - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 1 "-" "x" 0.003 "more"` + "\r\n", `h|-|-|2015-05-17 10:05:03|GET|/|HTTP/1.1|200|1|-|x`},
		{`h - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 1 "-" "cut` + "\r\n", `h|-|-|2015-05-17 10:05:03|GET|/|HTTP/1.1|200|1|-|cut`},
		{"", "!the line is empty"},
		{"\r\n", "!the line is empty"},
		{"h", "!expected host"},
		{" - - [", "!expected host"},
		{"h - -", "!expected a time"},
		{"h - - 17/May", "!expected a time"},
		{"h - - [17/May", "!expected a time"},
		{"h - - [17/May/2015:10:05:03 +0000]", "!expected the request line"},
		{`h - - [17/May/2015:10:05:03 +0000] "GET /`, "!expected the request line"},
		{`h - - [17/May/2015:10:05:03 +0000] "GET /" 20 1`, "!expected a status"},
		{`h - - [17/May/2015:10:05:03 +0000] "GET /" - 1`, "!expected a status"},
		{`h - - [17/May/2015:10:05:03 +0000] "GET /" 200 x "-" "-"`, "!expected a number of bytes"},
		{`h - - [17/May/2015:10:05:03 +0000] "GET /" 200 1x "-" "-"`, "!expected a number of bytes"},
		{`h - - [17/May/2015:10:05:03 +0000] "GET /" 200 1234567890123456789 "-" "-"`, "!more than 18 digits"},
		{`h - - [17/May/2015:10:05:03 +0000] "GET /" 200 1`, "!log format common"},
		{`h - - [17/May/2015:10:05:03 +0000] "GET /" 200 1 "-"`, "!expected the user agent"},
		{`h - - [17/May/2015:10:05:03 +0000] "GET /" 200 1 "-" x`, "!expected the user agent"},
		{`h - - [31/Jun/2015:10:05:03 +0000] "GET /" 200 1 "-" "x"`, "!is not a time"},
		{`h - - [17/Mai/2015:10:05:03 +0000] "GET /" 200 1 "-" "x"`, "!is not a time"},
		{`h - - [17/May/2015:24:05:03 +0000] "GET /" 200 1 "-" "x"`, "!is not a time"},
		{`h - - [17/May/2015:10:05:03 0000] "GET /" 200 1 "-" "x"`, "!is not a time"},
	} {
		f := p.NewFold()
		tally := feed(f, c.line)
		got := ""
		if len(tally.Dead) > 0 {
			got = "!" + tally.Dead[0].Reason
		} else {
			rows := f.Take().Tables[0]
			var fields []string
			for j, cell := range rows.Cells(0) {
				col := rows.Table.Columns[4+j]
				v := value.Value{Number: cell.Number, Set: cell.Set}
				if v.Set && col.Kind == row.Text {
					fields = append(fields, string(rows.Bytes(&cell)))
					continue
				}
				fields = append(fields, cellText(v, &col))
			}
			got = strings.Join(fields, "|")
		}
		if got != c.want && !(strings.HasPrefix(c.want, "!") && strings.HasPrefix(got, "!") && strings.Contains(got, c.want[1:])) {
			t.Errorf("%s\n  got      %s\n  expected %s", c.line, got, c.want)
		}
	}
}

// common accepts combined lines too, and ignores the fields after the bytes.
func TestCommon_lines(t *testing.T) {
	t.Parallel()
	f := plan(t, "common", "INSERT INTO t SELECT status, SUM(bytes) AS b, COUNT(*) AS n FROM events GROUP BY status").NewFold()
	tally := feed(f, `h - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 17`+"\r", line(200, "3"), `h - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200`)
	want(t, printed(f.Take()), "t: 200 20 2")
	if len(tally.Dead) != 1 {
		t.Errorf("%+v, expected Dead with 1 element", tally)
	}
}

func TestJSON_fields(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ body, expr, want string }{
		{`{"a":"x"}`, "a", "x"}, {`{"a":1.50}`, "a", "1.50"}, {`{"a":true}`, "a", "true"}, {`{"a":null}`, "a", "NULL"}, {`{}`, "a", "NULL"},
		{`{"a":{"b":[1, 2]}}`, "a", `{"b":[1,2]}`}, {`{"a":{"b":"c"}}`, "a.b", "c"}, {`{"a":{"b":{"c":{"d":5}}}}`, "a->>'$.b.c.d'", "5"}, {`{"a.b":7}`, "`a.b`", "7"},
		{`{"a":9007199254740993}`, "a + 1", "9007199254740994.000000"}, {`{"a":18446744073709551615}`, "CAST(a AS UNSIGNED)", "18446744073709551615"},
		{`{"a":0.1}`, "a * 3 = 0.3", "1"}, {`{"a":1e3}`, "a = 1000", "1"}, {`{"a":true}`, "a + 1", "2.000000"}, {`{"a":"5"}`, "CAST(a AS SIGNED) + 1", "6"},
		{`{"a":"5"}`, "a = '5'", "1"}, {`{"a":5}`, "a = '5'", "1"}, {`{"a":"é\u0041"}`, "CHAR_LENGTH(a)", "2"}, {`{"a":5}`, "a IN (1, 5)", "1"}, {`{"a":5}`, "a BETWEEN 1 AND 5", "1"},
		{`{"a":5}`, "COALESCE(a, 0)", "5.000000"}, {`{"b":5}`, "COALESCE(a, b)", "5"}, {`{"b":5}`, "COALESCE(a, 'none')", "none"}, {`{"A":5}`, "a", "NULL"},
		{`{"a":"2015-05-17T10:05:03Z"}`, "TUMBLE(a, INTERVAL 1 HOUR)", "2015-05-17 10:00:00"}, {`{"a":1431857103.25}`, "FROM_UNIXTIME(a)", "2015-05-17 10:05:03.250000"},
		{`{"a":"x"}`, "a + 1", "!expected a number, got the text"}, {`{"a":[1]}`, "a + 1", "!expected a number"}, {`{"a":"x"}`, "CAST(a AS SIGNED)", "!is not a number"},
		{`[1]`, "a", "!expected a JSON object"}, {`{"a":1} x`, "a", "!expected a JSON object"}, {`{"a":`, "a", "!expected a JSON object"}, {``, "a", "!expected a JSON object"}, {`5`, "a", "!expected a JSON object"},
		{`{"a":123456789012345678901234567890123456789}`, "a + 1", "!more than 38 digits"}, {`{"a":"b","a":"c"}`, "a", "b"},
		{`{"a":-1}`, "CAST(a AS UNSIGNED)", "!out of range"}, {`{"a":1.5}`, "CAST(a AS DOUBLE) * 2", "3"}, {`{"a":1.005}`, "CAST(a AS DECIMAL(10,2))", "1.01"},
	} {
		got, fault := evaluate(t, "json", c.expr, c.body)
		if fault != "" {
			got = "!" + fault
		}
		if got != c.want && !(strings.HasPrefix(c.want, "!") && strings.HasPrefix(got, "!") && strings.Contains(got, c.want[1:])) {
			t.Errorf("%s of %s = %s, expected %s", c.expr, c.body, got, c.want)
		}
	}
}

// fuzzPlans holds plans that use every field of every format.
var fuzzPlans = map[string]string{
	"combined": "INSERT INTO t " + clfAll + "; INSERT INTO u SELECT TUMBLE(ts, INTERVAL 1 MONTH) AS m, method, COUNT(*) AS n, SUM(bytes / 7) AS s, MAX(agent) AS a FROM events WHERE path LIKE '%a_b%' GROUP BY m, method",
	"common":   "INSERT INTO t SELECT host, ts, path, status, bytes FROM events",
	"json":     "INSERT INTO t SELECT a, a.b, CAST(c AS DECIMAL(20,5)) AS c, d * 3 AS d, CAST(e AS DATETIME) AS e, LEFT(f, 3) AS f, CAST(g AS DOUBLE) AS g, CAST(h AS SIGNED) % 7 AS h FROM events",
	"logfmt":   "INSERT INTO t SELECT a, a.b, CAST(c AS DECIMAL(20,5)) AS c, CAST(e AS DATETIME) AS e, LEFT(f, 3) AS f FROM events",
	"ltsv":     "INSERT INTO t SELECT a, a.b, CAST(c AS DECIMAL(20,5)) AS c, CAST(e AS DATETIME) AS e, LEFT(f, 3) AS f FROM events",
	"syslog":   "INSERT INTO t SELECT facility, severity, ts, hostname, app_name, procid, msgid, structured_data, structured_data.a.b, message FROM events",
	"words":    "INSERT INTO t SELECT word, COUNT(*) AS n, MIN(_offset) AS o FROM events GROUP BY word",
	"raw":      "INSERT INTO t SELECT CAST(body AS SIGNED) AS i, body, header('a') AS a, _event_time FROM events",
}

// For any bytes, a record has exactly one fate and nothing panics.
func FuzzFold(f *testing.F) {
	for _, s := range []string{
		line(200, "17"), clfLine(`\x16 " \"`), "", "a b\tc", `{"a":{"b":1},"c":1.5e3,"d":-0.1,"e":"2015-05-17","f":"é","g":1e308,"h":"7"}`, `{"c":1e-99,"d":99999999999999999999999999999999999999,"e":"2015-05-17T10:05:03.123456+02:00"}`,
		"18446744073709551616", "-.5e-3", "\xff\xfe", `h - - [17/May/2015:10:05:03`, `{"a":"\ud800","h":".."}`,
		"<34>Oct 11 22:14:15 h su[7]: x", `<34>1 2003-10-11T22:14:15.003Z h su - - [a b="\"c"] x`,
		`a=1 a.b="x \"y\"" c=1.5 e=2015-05-17 f`, "a:1\ta.b:x\tc:1.5\te:2015-05-17\tf:",
	} {
		f.Add([]byte(s))
	}
	plans := map[string]*Plan{}
	for format, text := range fuzzPlans {
		plans[format] = plan(f, format, text)
		plans[format+", Flume's values"] = flumePlan(f, format, text)
	}
	f.Add(flumeValue("7", "a", "b", "timestamp", "1000"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for format, p := range plans {
			fold := p.NewFold()
			var tally batch.Tally
			records := []batch.Record{{Value: b, Headers: []batch.Header{{Key: "a", Value: b}, {Key: "timestamp", Value: b}}}, {Offset: 1, Value: b}}
			fold.Add(part, records, &tally)
			if n := tally.Counted + tally.Filtered + int64(len(tally.Dead)); n != 2 {
				t.Fatalf("%s: 2 records have %d fates, expected 2", format, n)
			}
			printed(fold.Take())
		}
	})
}

// Any text compiles or is rejected.
func FuzzCompile(f *testing.F) {
	for _, text := range fuzzPlans {
		f.Add(text)
	}
	for _, c := range expressions {
		f.Add("INSERT INTO t SELECT " + c.expr + " AS x FROM events")
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, format := range []string{"combined", "json"} {
			o := DefaultOptions()
			o.Format = format
			p, err := Compile(text, o)
			if err != nil {
				if err.Error() == "" {
					t.Fatal("an error without a reason")
				}
				continue
			}
			p.Fingerprint()
			fold := p.NewFold()
			feed(fold, line(200, "17"), `{"a":1}`)
			printed(fold.Take())
		}
	})
}
