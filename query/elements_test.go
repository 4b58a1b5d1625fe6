package query

import (
	"database/sql"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/internal/mariadbtest"
)

// elementRows returns the rows of a query over bodies, without the names of tables.
func elementRows(t *testing.T, format, text string, bodies ...string) []string {
	t.Helper()
	f := plan(t, format, "INSERT INTO t "+text).NewFold()
	if tally := feed(f, bodies...); len(tally.Dead) > 0 {
		t.Fatalf("%s: got the dead letter %q %q, expected none", text, tally.Dead[0].Reason, tally.Dead[0].Detail)
	}
	rows := printed(f.Take())
	for i := range rows {
		_, rows[i], _ = strings.Cut(rows[i], ": ")
	}
	return rows
}

// Tables of elements make a row for each element.
func TestElements_rows(t *testing.T) {
	t.Parallel()
	const tags = "SELECT COALESCE(tag, 'none') AS tag, COUNT(*) AS n FROM events "
	bodies := []string{`{"k":"x","tags":["a","b",null]}`, `{"k":"y","tags":["a",1.50,true]}`, `{"k":"z","tags":"a"}`, `{"k":"w"}`, `{"k":"v","tags":[]}`}
	for _, c := range []struct {
		format, text string
		bodies       []string
		want         []string
	}{
		{"json", tags + "CROSS JOIN JSON_TABLE(tags, '$[*]' COLUMNS (tag VARCHAR(50) PATH '$')) AS x GROUP BY tag", bodies, []string{"1.50 1", "a 2", "b 1", "none 1", "true 1"}},
		{"json", tags + ", JSON_TABLE(tags, '$[*]' COLUMNS (tag VARCHAR(50) PATH '$')) x GROUP BY tag", bodies, nil},
		{"json", tags + "LEFT JOIN JSON_TABLE(tags, '$[*]' COLUMNS (tag VARCHAR(50) PATH '$')) AS x ON TRUE GROUP BY tag", bodies, []string{"1.50 1", "a 2", "b 1", "none 4", "true 1"}},
		{"json", tags + "JOIN UNNEST(tags) AS tag WHERE tag <> 'b' GROUP BY tag", bodies, []string{"1.50 1", "a 2", "true 1"}},
		{"json", tags + "JOIN UNNEST(tags) AS tag ON TRUE WHERE k = 'x' AND tag <> 'b' AND CONCAT(k) <> CONCAT(tag) GROUP BY tag", bodies, []string{"a 1"}},
		{"json", tags + "JOIN UNNEST(tags->'$') AS tag GROUP BY tag", bodies, []string{"1.50 1", "a 2", "b 1", "none 1", "true 1"}},
		{"json", "SELECT events.tag AS field, x.tag, n FROM events JOIN JSON_TABLE(a, '$[*]' COLUMNS (n FOR ORDINALITY, tag INT PATH '$')) AS x", []string{`{"tag":"f","a":[7,8]}`}, []string{"logs 3 0 0 0 f 7 1", "logs 3 0 0 1 f 8 2"}},
		{"json", "SELECT tag, COUNT(*) AS n FROM events CROSS JOIN JSON_TABLE(tags, '$[*]' COLUMNS (tag VARCHAR(50) PATH '$')) AS x WHERE tag IS NOT NULL GROUP BY tag HAVING COUNT(*) > 1 AND tag <> 'z'", bodies, []string{"1.50 1", "a 2", "b 1", "true 1"}},
		{"json", "SELECT n, COUNT(*) AS c FROM (SELECT tag, COUNT(*) AS n FROM events JOIN UNNEST(tags) AS tag WHERE tag IS NOT NULL GROUP BY tag) AS g GROUP BY n", bodies, []string{"1.50 1", "a 2", "b 1", "true 1"}},
		// JSON within a text, and a field that holds it.
		{"json", "SELECT CAST(x AS CHAR) AS x FROM events JOIN UNNEST(CAST(a AS CHAR)) AS x", []string{`{"a":"[1,\"b\"]"}`}, []string{"logs 3 0 0 0 1", "logs 3 0 0 1 b"}},
		{"json", "SELECT CAST(x AS CHAR) AS x FROM events JOIN UNNEST(a->>'$.b') AS x", []string{`{"a":{"b":"[1,\"b\"]"}}`, `{"a":{"b":[2]}}`}, []string{"logs 3 0 0 0 1", "logs 3 0 0 1 b", "logs 3 1 0 0 2"}},
		{"raw", "SELECT x FROM events JOIN JSON_TABLE(body, '$.a[*].b[*]' COLUMNS (x JSON PATH '$')) AS y", []string{`{"a":[{"b":[1,[2]]},5,{"b":{"c":3}},{"b":["é\n"]}]}`}, []string{"logs 3 0 0 0 1", "logs 3 0 0 1 [2]", "logs 3 0 0 2 é\n"}},
		{"raw", "SELECT n, e, i FROM events JOIN JSON_TABLE(body, '$' COLUMNS (n FOR ORDINALITY, e INT EXISTS PATH '$.a', i BIGINT PATH '$.a.b')) AS y", []string{`{"a":null}`, `{"a":{"b":-5}}`, `"s"`}, []string{"logs 3 0 0 0 1 1 NULL", "logs 3 1 0 0 1 1 -5", "logs 3 2 0 0 1 0 NULL"}},
		// Two tables: each element of the first with each of the second, which can be an array of the first.
		{"json", "SELECT a, b FROM events JOIN UNNEST(x) AS a JOIN UNNEST(y) AS b", []string{`{"x":[1,2],"y":[3,4]}`}, []string{"logs 3 0 0 0 1 3", "logs 3 0 0 1 1 4", "logs 3 0 0 2 2 3", "logs 3 0 0 3 2 4"}},
		{"json", "SELECT n, c FROM events, JSON_TABLE(x, '$[*]' COLUMNS (n FOR ORDINALITY, list JSON PATH '$.l')) AS a LEFT JOIN UNNEST(a.list) AS c ON TRUE", []string{`{"x":[{"l":[1,2]},{},{"l":[3]}]}`}, []string{"logs 3 0 0 0 1 1", "logs 3 0 0 1 1 2", "logs 3 0 0 2 2 NULL", "logs 3 0 0 3 3 3"}},
		// A number of a row is that of the row of FROM, also of those that WHERE excludes; it begins at 0 in each line.
		{"json", "SELECT a FROM events JOIN UNNEST(x) AS a WHERE a > 1", []string{"{\"x\":[1,2]}\n{\"x\":[3]}"}, []string{"logs 3 0 0 1 2", "logs 3 0 1 0 3"}},
		{"combined", "SELECT part, COUNT(*) AS n FROM events, SPLIT(path, '/') AS part GROUP BY part", []string{strings.Replace(line(200, "1"), "GET /", "GET /a//b/a", 1)}, []string{" 2", "a 2", "b 1"}},
		{"json", "SELECT COALESCE(p, 'none') AS p, COUNT(*) AS n FROM events LEFT JOIN SPLIT(s, ', ') AS p ON TRUE GROUP BY p", []string{`{"s":"a, b"}`, `{"s":""}`, `{}`}, []string{" 1", "a 1", "b 1", "none 1"}},
		{"json", "SELECT p, COUNT(*) AS n FROM events JOIN SPLIT(s, ', ') AS p GROUP BY p", []string{`{"s":"a, b"}`, `{"s":", "}`, `{}`}, []string{" 2", "a 1", "b 1"}},
		// In the windows of HOP, too.
		{"json", "SELECT HOP(_timestamp, INTERVAL 1 DAY, INTERVAL 2 DAY) AS w, CAST(a AS CHAR(5)) AS a, SUM(n) AS s FROM events JOIN UNNEST(x) AS a GROUP BY w, a", []string{`{"n":5,"x":[1,2,1]}`}, nil},
	} {
		if c.want == nil && strings.Contains(c.text, "HOP") {
			c.text, c.want = strings.Replace(c.text, "CAST(a AS CHAR(5))", "COALESCE(CAST(a AS CHAR(5)), '')", 1), []string{
				"1969-12-31 00:00:00 1 10.000000", "1969-12-31 00:00:00 2 5.000000", "1970-01-01 00:00:00 1 10.000000", "1970-01-01 00:00:00 2 5.000000",
			}
		}
		if c.want == nil {
			c.want = []string{"1.50 1", "a 2", "b 1", "none 1", "true 1"}
		}
		if diff := cmp.Diff(c.want, elementRows(t, c.format, c.text, c.bodies...)); diff != "" {
			t.Errorf("%s (-expected +got):\n%s", c.text, diff)
		}
	}
}

// Where a value cannot be converted, or is missing, the column is NULL unless it says ERROR. Then no element of the
// record is counted.
func TestP22_elementErrors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ options, body, reason string }{
		{"", `[1,"x",{"a":1},null]`, ""},
		{" ERROR ON ERROR", `[1,null]`, ""},
		{" ERROR ON ERROR", `[1,"x"]`, "x.v: … is no INT"},
		{" ERROR ON ERROR", `[1,[2]]`, "x.v: … is no INT"},
		{" ERROR ON EMPTY", `[1]`, ""},
		{" NULL ON EMPTY NULL ON ERROR", `[1,"x"]`, ""},
	} {
		f := plan(t, "raw", "INSERT INTO t SELECT 'k' AS k, COUNT(*) AS n FROM events JOIN JSON_TABLE(body, '$[*]' COLUMNS (v INT PATH '$'"+c.options+")) AS x GROUP BY k").NewFold()
		tally := feed(f, c.body)
		switch {
		case c.reason == "" && tally.Counted != 1:
			t.Errorf("%s of %s: got %+v, expected it counted", c.options, c.body, tally)
		case c.reason != "" && (len(tally.Dead) != 1 || tally.Dead[0].Reason != c.reason || len(printed(f.Take())) > 0):
			t.Errorf("%s of %s: got %+v, expected a dead letter with the reason %q and no row", c.options, c.body, tally, c.reason)
		}
	}
	f := plan(t, "raw", "INSERT INTO t SELECT v FROM events JOIN JSON_TABLE(body, '$[*]' COLUMNS (v INT PATH '$.a' ERROR ON EMPTY)) AS x WHERE _offset <> 1").NewFold()
	tally := feed(f, `[{"a":1},{"b":2}]`, `[{"b":2}]`, `[{"a":3}]`, `nonsense`)
	want(t, printed(f.Take()), "t: logs 3 2 0 0 3")
	if len(tally.Dead) != 2 || tally.Dead[0].Reason != "x.v: the element has no value at the path" || !strings.HasSuffix(tally.Dead[1].Reason, "the text is not JSON") {
		t.Errorf("got %+v, expected dead letters of a value that is missing and of a text that is not JSON", tally.Dead)
	}
	if tally.Filtered != 1 {
		t.Errorf("got %d filtered, expected 1: what WHERE excludes by the record alone is not read", tally.Filtered)
	}
}

// A number or a text that JSON does not have makes the record a dead letter, as it does in functions of JSON: it is no
// VARCHAR.
func TestP22_elementsOfNoJSON(t *testing.T) {
	t.Parallel()
	for _, body := range []string{`[1.2.3]`, `["a` + "\x01" + `b"]`, `[1e]`, `[1] x`} {
		f := plan(t, "raw", "INSERT INTO t SELECT v, COUNT(*) AS n FROM events JOIN JSON_TABLE(body, '$[*]' COLUMNS (v VARCHAR(20) PATH '$')) AS x GROUP BY v").NewFold()
		if tally := feed(f, body); len(tally.Dead) != 1 || !strings.Contains(tally.Dead[0].Reason, "is not JSON") {
			t.Errorf("%q: got %+v, expected a dead letter whose text is not JSON", body, tally)
		}
	}
}

// Texts of elements stay what they are until the record's rows are merged, whatever is read after them.
func TestElements_textsOfEachElement(t *testing.T) {
	t.Parallel()
	got := elementRows(t, "json", "SELECT x.a, y FROM events JOIN JSON_TABLE(x, '$[*]' COLUMNS (a TEXT PATH '$.a', l JSON PATH '$.l')) AS x JOIN UNNEST(l) AS y",
		"{\"x\":[{\"a\":\"one\",\"l\":[\"p\",\"q\"]},{\"a\":\"two\",\"l\":[\"r\"]}]}\n{\"x\":[{\"a\":\"six\",\"l\":[\"s\"]}]}")
	want(t, got, "logs 3 0 0 0 one p", "logs 3 0 0 1 one q", "logs 3 0 0 2 two r", "logs 3 0 1 0 six s")
}

// A record makes at most as many rows as it may, and then is a dead letter.
func TestElements_bounds(t *testing.T) {
	t.Parallel()
	f := plan(t, "json", "INSERT INTO t SELECT 'k' AS k, COUNT(*) AS n FROM events JOIN UNNEST(x) AS a JOIN UNNEST(x) AS b GROUP BY k").NewFold()
	list := func(n int) string { return `{"x":[` + strings.Repeat("1,", n-1) + "1]}" }
	tally := feed(f, list(500), list(600), list(90_000))
	want(t, printed(f.Take()), "t: k 250000")
	if len(tally.Dead) != 2 || !strings.HasPrefix(tally.Dead[0].Reason, "the record makes too many rows") {
		t.Errorf("got %+v, expected 2 dead letters", tally.Dead)
	}
	f = plan(t, "raw", "INSERT INTO t SELECT 'k' AS k, COUNT(*) AS n FROM events JOIN UNNEST(body) AS a GROUP BY k").NewFold()
	tally = feed(f, "["+strings.Repeat("1,", 100_000)+"1]")
	if len(tally.Dead) != 1 || !strings.HasSuffix(tally.Dead[0].Reason, "the JSON has more than 100000 values") {
		t.Errorf("got %+v, expected a dead letter of too many values", tally)
	}
}

// Elements are read and converted without allocating.
func TestElements_allocatesNothing(t *testing.T) {
	f := plan(t, "json", `INSERT INTO t SELECT COALESCE(x.name, '') AS name, part, COUNT(*) AS n, SUM(x.price) AS s, MAX(at) AS at FROM events
		JOIN JSON_TABLE(items, '$[*]' COLUMNS (o FOR ORDINALITY, name VARCHAR(20) PATH '$.name', price DECIMAL(10,2) PATH '$.price', q INT PATH '$.q', at DATETIME PATH '$.at', d DOUBLE PATH '$.q', tags JSON PATH '$.tags')) AS x
		LEFT JOIN UNNEST(tags) AS tag ON TRUE JOIN SPLIT(name, '-') AS part WHERE type = 'order' AND q > 0 GROUP BY name, part`).NewFold()
	body := `{"type":"order","items":[{"name":"a-\u0062","price":1.255,"q":2,"at":"2015-05-17 10:05:03","tags":["x","y"]},{"name":"c","price":"3","q":1,"tags":{}}]}`
	records := []batch.Record{{Value: []byte(body)}, {Value: []byte(body)}}
	var tally batch.Tally
	f.Add(part, records, &tally)
	if tally.Counted != 2 {
		t.Fatalf("got %+v, expected 2 counted", tally)
	}
	if n := testing.AllocsPerRun(100, func() { f.Add(part, records, &tally) }); n != 0 {
		t.Errorf("got %v allocations for two records, expected none", n)
	}
	rows := f.Take().Tables[0]
	if first := rowText(rows, rows.Sorted()[0]); first[3] != fmt.Sprintf("%d.%02d", 204*2*126/100, 204*2*126%100) {
		t.Errorf("got the row %v, expected a sum of 1.26 for each of %d rows", first, 204*2)
	}
}

func TestElements_rejects(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ format, from, want string }{
		{"json", "events JOIN JSON_TABLE(a, '$[*]' COLUMNS (k CHAR(5) PATH '$')) x", "the type CHAR is not supported: expected VARCHAR(n)"},
		{"json", "events JOIN JSON_TABLE(a, '$[*]' COLUMNS (k DATE PATH '$')) x", "the type DATE is not supported"},
		{"json", "events JOIN JSON_TABLE(a, '$[*]' COLUMNS (k VARCHAR(20000) PATH '$')) x", "expected VARCHAR(n) with n from 1"},
		{"json", "events JOIN JSON_TABLE(a, '$[*]' COLUMNS (k DECIMAL(5,6) PATH '$')) x", "expected DECIMAL(p,s)"},
		{"json", "events JOIN JSON_TABLE(a, '$[*]' COLUMNS (k TEXT EXISTS PATH '$')) x", "INT EXISTS PATH"},
		{"json", "events JOIN JSON_TABLE(a, '$[*]' COLUMNS (k TEXT PATH '$' DEFAULT 'x' ON EMPTY)) x", "write COALESCE(k, value)"},
		{"json", "events JOIN JSON_TABLE(a, '$[*]' COLUMNS (k TEXT PATH '$[*]')) x", "write [n], [last] or [last-n]"},
		{"json", "events JOIN JSON_TABLE(a, '$.*' COLUMNS (k TEXT PATH '$')) x", ".* names several values"},
		{"json", "events JOIN JSON_TABLE(a, '$[*]' COLUMNS (k TEXT PATH '$', NESTED PATH '$.b' COLUMNS (l INT PATH '$'))) x", "join a second JSON_TABLE"},
		{"json", "events JOIN JSON_TABLE(a, '$[*]' COLUMNS (k TEXT PATH '$', K INT PATH '$')) x", "column K is defined twice"},
		{"json", "events JOIN JSON_TABLE(a, '$[*]' COLUMNS (k TEXT PATH '$')) x ON x.k = 'b'", "write ON TRUE, and the condition in WHERE"},
		{"json", "events LEFT JOIN UNNEST(a) k ON k = 'b'", "write ON TRUE, and the condition in WHERE"},
		{"json", "events RIGHT JOIN UNNEST(a) k ON TRUE", "expected JOIN, CROSS JOIN or LEFT JOIN"},
		{"json", "UNNEST(a) k", "write FROM events, and then the function"},
		{"json", "events JOIN UNNEST(a)", "AS name"},
		{"json", "events JOIN EXPLODE(a) k", "there are JSON_TABLE, UNNEST(array) AS name and SPLIT(text, separator) AS name"},
		{"json", "events JOIN SPLIT(a) k", "SPLIT(text, separator) AS name"},
		{"json", "events JOIN SPLIT(a, '') k", "the separator must be a text that is not empty"},
		{"json", "events JOIN SPLIT(a, b) k", "the separator must be a text that is not empty"},
		{"json", "events JOIN UNNEST(a) x JOIN UNNEST(a) X", "the name X is given twice"},
		{"json", "events JOIN UNNEST(a) events", "the name is that of events"},
		{"json", "events JOIN UNNEST(a) _offset", "the name of a column of the record"},
		{"json", "events JOIN b JOIN UNNEST(a) k", "b: the types of its columns are not known"},
		{"json", "(SELECT a FROM events) s JOIN UNNEST(a) k", "not to a subquery"},
		{"combined", "events JOIN UNNEST(status) k", "is an integer, but JSON is expected"},
		{"combined", "events JOIN UNNEST(ts) k", "is a time, but JSON is expected"},
		{"combined", "events JOIN JSON_TABLE(path, '$' COLUMNS (k INT PATH '$', host TEXT PATH '$')) x WHERE host = 'a'", "write events.host or x.host"},
		{"json", "events JOIN JSON_TABLE(a, '$' COLUMNS (k INT PATH '$')) x JOIN JSON_TABLE(a, '$' COLUMNS (k INT PATH '$')) y", "write x.k or y.k"},
		{"json", "events JOIN JSON_TABLE(a, '$' COLUMNS (k JSON PATH '$')) x WHERE x.l = 1", "x has no such column"},
		{"json", "events JOIN JSON_TABLE(a, '$' COLUMNS (k JSON PATH '$')) x WHERE x.k->>'$.a' = 1", "write the path in COLUMNS"},
		{"json", "events JOIN JSON_TABLE(a, '$' COLUMNS (k JSON PATH '$')) x WHERE x.k.a = 1", "write the path in COLUMNS"},
		{"json", "events JOIN JSON_TABLE(y.k, '$' COLUMNS (k JSON PATH '$')) x JOIN JSON_TABLE(x.b, '$' COLUMNS (k JSON PATH '$')) y WHERE k = 1", "x has no such column"},
	} {
		o := DefaultOptions()
		o.Format = c.format
		text := "INSERT INTO t SELECT k FROM " + c.from
		if _, err := Compile(text, o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s\n  got       %v\n  expected  %q", text, err, c.want)
		}
	}
}

// elementValues are JSON texts of elements, and elementTypes types of columns.
var (
	elementValues = []string{
		`"a"`, `""`, `" "`, `"é"`, `"ééé"`, `"\u00e9\n\"x\\"`, `"abcdef"`, `0`, `-0`, `1`, `-1`, `1.50`, `4.5`, `-4.5`, `2.0`, `100e-2`, `1e2`, `127`, `128`, `-128`, `-129`, `255`, `256`,
		`32767`, `65536`, `8388607`, `8388608`, `2147483647`, `2147483648`, `-2147483649`, `4294967295`, `4294967296`, `9223372036854775807`, `9223372036854775808`, `18446744073709551615`, `18446744073709551616`,
		`"7"`, `" 7 "`, `"7x"`, `"4.5"`, `"-3.456"`, `99.995`, `999.994`, `999.996`, `-999.996`, `1e30`, `true`, `false`, `null`, `[1]`, `{"a":1}`, `[]`,
		`"2015-05-17"`, `"2015-05-17 10:05:03"`, `"2015-05-17 10:05:03.789"`, `"2015-02-30"`, `"nope"`,
	}
	elementColumns = []string{
		"TINYINT", "TINYINT UNSIGNED", "SMALLINT", "MEDIUMINT", "INT", "INT UNSIGNED", "BIGINT", "BIGINT UNSIGNED", "DECIMAL(5,2)", "DECIMAL", "NUMERIC(20,3)", "DOUBLE",
		"VARCHAR(3)", "VARCHAR(50)", "TEXT", "DATETIME", "DATETIME(2)", "JSON",
	}
)

// Each value of JSON is converted to what MariaDB converts it to, or is NULL where MariaDB's result is NULL, comes with a
// warning, or is an integer of a number with a fraction, a time of a number, or an integer of a text that is no integer.
func TestElements_matchTheServer(t *testing.T) {
	t.Parallel()
	db, err := sql.Open("mysql", mariadbtest.Start(t).DSN(""))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ask := func(text string) (lines []string) {
		rows, err := conn.QueryContext(t.Context(), text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		defer rows.Close()
		columns, _ := rows.Columns()
		for rows.Next() {
			cells, into := make([]sql.NullString, len(columns)), make([]any, len(columns))
			for i := range cells {
				into[i] = &cells[i]
			}
			if err := rows.Scan(into...); err != nil {
				t.Fatal(err)
			}
			var words []string
			for _, c := range cells {
				if !c.Valid {
					c.String = "NULL"
				}
				words = append(words, c.String)
			}
			lines = append(lines, strings.Join(words, " "))
		}
		if err := rows.Err(); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		return lines
	}
	ask("SET NAMES utf8mb4 COLLATE utf8mb4_nopad_bin")
	compared, null := 0, 0
	for _, typ := range elementColumns {
		f := plan(t, "raw", "INSERT INTO t SELECT v FROM events JOIN JSON_TABLE(body, '$' COLUMNS (v "+typ+" PATH '$')) AS x").NewFold()
		for _, v := range elementValues {
			feed(f, v)
			rows := f.Take().Tables[0]
			ours := rowText(rows, 0)[5]
			theirs := ask("SELECT v FROM JSON_TABLE(" + sqlQuote(v) + ", '$' COLUMNS (v " + typ + " PATH '$')) AS x")[0]
			warned := len(ask("SHOW WARNINGS")) > 0
			whole := strings.Contains(typ, "INT")
			compared++
			switch {
			case typ == "JSON" && strings.HasPrefix(v, `"`): // a text in place of its JSON
			case typ == "JSON" && v == "null":
			case ours == theirs:
			case typ == "DOUBLE" && ours != "NULL":
				var a, b float64
				if _, err := fmt.Sscan(ours+" "+theirs, &a, &b); err != nil || a != b {
					t.Errorf("%s of %s: got %s, expected %s", typ, v, ours, theirs)
				}
			case ours == "NULL" && (warned || whole && strings.ContainsAny(v, ".") || typ == "DECIMAL" && v == "4.5"):
				null++
			case ours == "NULL" && strings.HasPrefix(typ, "DATETIME") && !strings.HasPrefix(v, `"`):
				null++
			default:
				t.Errorf("%s of %s: got %s, expected %s (warned: %v)", typ, v, ours, theirs, warned)
			}
		}
	}
	t.Logf("%d values compared, %d of them NULL where the server converts with a warning", compared, null)
	docs := []string{`[]`, `{"a":[1,2]}`, `{"a":[{"b":[1,2]},{"b":3},{"b":[]},4,{"b":[null,[5]]}]}`, `[[1,[2]],[],3,{"a":4}]`, `[{"a":1},{"a":null},{"b":2}]`, `"5"`, `null`, `{"a":{"b":{"c":1}}}`}
	for _, path := range []string{"$", "$[*]", "$[*][*]", "$.a", "$.a[*]", "$.a[*].b[*]", "$.a[0]", "$.a[1].b", "$[*].a", "$.a.b.c"} {
		for _, join := range []string{"JOIN", "LEFT JOIN"} {
			from := join + " JSON_TABLE(body, '" + path + "' COLUMNS (n FOR ORDINALITY, v VARCHAR(20) PATH '$', a INT PATH '$.a', e INT EXISTS PATH '$.a', d INT PATH '$[0]')) AS x ON TRUE"
			for _, doc := range docs {
				var ours []string
				f := plan(t, "raw", "INSERT INTO t SELECT n, v, a, e, d FROM events "+from).NewFold()
				feed(f, doc)
				rows := f.Take().Tables[0]
				for _, i := range rows.Sorted() {
					ours = append(ours, strings.Join(rowText(rows, i)[5:], " "))
				}
				if diff := cmp.Diff(ask("SELECT n, v, a, e, d FROM (SELECT "+sqlQuote(doc)+" AS body) events "+from), ours); diff != "" {
					t.Errorf("%s of %s (-server +got):\n%s", from, doc, diff)
				}
			}
		}
	}
}
