package query

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/query/funcs"
	"github.com/sluice-etl/sluice/row"
)

// The error for a call with wrong arguments shows the function's signature and an example, and the example is valid.
func TestFunctions_examplesCompile(t *testing.T) {
	t.Parallel()
	o := DefaultOptions()
	o.Format = "combined"
	for _, f := range funcs.Library().Functions {
		args := ""
		if !f.Variadic {
			args = strings.Repeat("host, ", len(f.Params)) + "host"
		}
		wrong := "INSERT INTO t SELECT " + f.Name + "(" + args + ") AS x FROM events"
		want := "; expected " + f.Signature() + ", such as " + f.Call()
		if _, err := Compile(wrong, o); f.Syntax == "" && (err == nil || !strings.HasSuffix(err.Error(), want)) {
			t.Errorf("%s\n  got       %v\n  expected  an error that ends in %q", wrong, err, want)
		}
		right := "INSERT INTO t SELECT " + f.Call() + " AS x FROM events"
		if _, err := Compile(right, o); err != nil {
			t.Errorf("%s\n  got       %v\n  expected  that the example of %s is valid", right, err, f.Name)
		}
	}
}

// The type of a function's result decides the column that is created for it.
func TestFunctions_columns(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ format, item, want string }{
		{"combined", "ABS(status)", "int"},
		{"combined", "ABS(bytes)", "int nullable"},
		{"combined", "ABS(CAST(host AS DECIMAL(9,2)))", "decimal 9,2"},
		{"combined", "SIGN(bytes / 3)", "int nullable"},
		{"combined", "CEIL(status / 3)", "int"},
		{"combined", "FLOOR(CAST(host AS DOUBLE))", "double"},
		{"combined", "ROUND(status, 2)", "int"},
		{"combined", "ROUND(CAST(host AS DECIMAL(9,4)), 2)", "decimal 8,2"},
		{"combined", "ROUND(CAST(host AS DECIMAL(9,4)), -2)", "decimal 6,0"},
		{"json", "ROUND(a, 2)", "decimal 38,2 nullable"},
		{"json", "CEIL(a)", "int nullable"},
		{"combined", "GREATEST(status, 2.5)", "decimal 38,1"},
		{"combined", "INTERVAL(bytes, 10, 100.5)", "int"},
		{"combined", "GREATEST(status, bytes)", "int nullable"},
		{"combined", "LEAST(host, 'abc')", "text 0"},
		{"combined", "LEFT(host, 5)", "text 5"},
		{"combined", "LEFT(host, bytes)", "text 0 nullable"},
		{"combined", "RIGHT(LEFT(host, 5), status)", "text 5"},
		{"combined", "SUBSTRING(host, 2)", "text 0"},
		{"combined", "SUBSTRING(LEFT(host, 20), 2)", "text 20"},
		{"combined", "SUBSTRING(host, status, 7)", "text 7"},
		{"combined", "TRIM(TRAILING '/' FROM LEFT(path, 9))", "text 9"},
		{"combined", "LPAD(status, 5, '0')", "text 5"},
		{"combined", "REPEAT('ab', 3)", "text 6"},
		{"combined", "REPEAT(LEFT(host, 4), 3)", "text 12"},
		{"combined", "REPEAT(host, 3)", "text 0"},
		{"combined", "CONCAT_WS(', ', LEFT(host, 4), LEFT(path, 3), LEFT(agent, 2))", "text 13"},
		{"combined", "CONCAT_WS(', ', host, path)", "text 0"},
		{"combined", "CONCAT_WS(', ', 'a', header('b'))", "text 0"},
		{"combined", "REPLACE(LEFT(host, 4), '.', '-')", "text 0"},
		{"combined", "REVERSE(LEFT(host, 4))", "text 4"},
		{"combined", "LOCATE('a', host)", "int"},
		{"combined", "LOWER(LEFT(host, 4))", "text 4"},
		{"combined", "HEX(LEFT(host, 4))", "text 32"},
		{"combined", "HEX(bytes)", "text 16 nullable"},
		{"combined", "UNHEX(LEFT(host, 4))", "text 4 nullable"},
		{"combined", "TO_BASE64(host)", "text 0"},
		{"combined", "FROM_BASE64(host)", "text 0 nullable"},
		{"combined", "MD5(host)", "text 32"},
		{"combined", "SHA1(host)", "text 40"},
		{"combined", "SHA2(host, 512)", "text 128"},
		{"combined", "CRC32(host)", "int"},
		{"combined", "HOUR(ts)", "int"},
		{"combined", "DAYNAME(ts)", "text 9"},
		{"combined", "ts + INTERVAL 1 DAY", "time 0"},
		{"combined", "_timestamp - INTERVAL bytes MINUTE", "time 3 nullable"},
		{"combined", "DATE_ADD(ts, INTERVAL 5 MICROSECOND)", "time 6"},
		{"combined", "TIMESTAMPDIFF(SECOND, ts, _timestamp)", "int"},
		{"combined", "UNIX_TIMESTAMP(ts)", "int"},
		{"combined", "UNIX_TIMESTAMP(_timestamp)", "decimal 15,3"},
		{"combined", "LAST_DAY(ts)", "time 0"},
		{"combined", "DATE(ts)", "time 0"},
		{"combined", "DATE_FORMAT(ts, '%Y-%m-%d %H:00:00')", "text 19"},
		{"combined", "DATE_FORMAT(_timestamp, '%W, %D of %M é%%')", "text 31"},
		{"combined", "STR_TO_DATE(path, '%Y-%m-%d')", "time 0"},
		{"combined", "STR_TO_DATE(header('a'), '%Y-%m-%d %T.%f')", "time 6 nullable"},
		{"combined", "CONVERT_TZ(_timestamp, 'UTC', '-03:00')", "time 3"},
		{"combined", "ts + INTERVAL '1:2' HOUR_MINUTE", "time 0"},
		{"combined", "ts - INTERVAL '1.5' second_microsecond", "time 6"},
		{"combined", "YEARWEEK(ts, 3)", "int"},
		{"combined", "LOG2(status)", "double nullable"},
		{"combined", "POW(status, 2)", "double"},
		{"combined", "CAST(FLOOR(LOG10(status)) AS SIGNED)", "int nullable"},
		{"combined", "status & 255", "int"},
		{"combined", "~bytes >> 3", "int nullable"},
		{"combined", "BIT_COUNT(status)", "int"},
		{"combined", "BIN(status)", "text 64"},
		{"combined", "CONV(path, 16, 10)", "text 64 nullable"},
		{"combined", "x'4D4e'", "text 2"},
		{"combined", "0x4D + status", "int"},
		{"combined", "FROM_DAYS(status)", "time 0"},
		{"combined", "MAKEDATE(2015, status)", "time 0 nullable"},
		{"combined", "INET_ATON(host)", "int nullable"},
		{"combined", "INET_NTOA(status)", "text 15 nullable"},
		{"combined", "IS_IPV4(header('a'))", "int"},
		{"combined", "INET6_ATON(host)", "bytes nullable"},
		{"combined", "COALESCE(INET6_ATON(host), '')", "bytes"},
		{"combined", "INET6_NTOA(INET6_ATON(host))", "text 39 nullable"},
		{"combined", "IP_IN(host, '::1')", "int nullable"},
		{"combined", "URL_HOST(referer)", "text 0 nullable"},
		{"combined", "JSON_EXTRACT(agent, '$.a')", "text 0 nullable"},
		{"combined", "agent->>'$.a' + 1", "decimal 38,6 nullable"},
		{"combined", "JSON_VALUE(agent, '$.a')", "text 0 nullable"},
		{"combined", "JSON_LENGTH(agent)", "int"},
		{"combined", "JSON_LENGTH(agent, '$.a')", "int nullable"},
		{"combined", "JSON_VALID(agent)", "int"},
		{"json", "JSON_TYPE(a->'$')", "text 16 nullable"},
		{"combined", "URL_PORT(referer)", "int nullable"},
		{"combined", "URL_PARAMETER(LEFT(path, 9), 'a')", "text 9 nullable"},
		{"combined", "ANONYMIZE_IP(host)", "text 39 nullable"},
		{"combined", "REGEXP_LIKE(LEFT(host, 4), 'a')", "int"},
		{"combined", "REGEXP_INSTR(header('a'), 'a')", "int nullable"},
		{"combined", "REGEXP_SUBSTR(LEFT(host, 4), 'a')", "text 4 nullable"},
		{"combined", "REGEXP_REPLACE(LEFT(host, 4), 'a', 'b')", "text 0"},
		{"combined", "FIND_IN_SET(header('a'), 'b')", "int nullable"},
		{"combined", "FIELD(header('a'), 'b')", "int"},
	} {
		tab := plan(t, c.format, "INSERT INTO t SELECT "+c.item+" AS x FROM events").Tables()[0]
		col := tab.Columns[len(tab.Columns)-1]
		got := map[row.Kind]string{row.Int: "int", row.Double: "double", row.Decimal: fmt.Sprintf("decimal %d,%d", col.Precision, col.Scale), row.Text: fmt.Sprintf("text %d", col.MaxChars), row.Bytes: "bytes", row.Datetime: fmt.Sprintf("time %d", col.Scale)}[col.Kind]
		if col.Nullable {
			got += " nullable"
		}
		if got != c.want {
			t.Errorf("%s: got a column %s, expected %s", c.item, got, c.want)
		}
	}
}

// Functions of what clocks show use the zone of the query, in summer and in winter, and for constants too.
func TestClocks_inTheZone(t *testing.T) {
	t.Parallel()
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	o := DefaultOptions()
	o.Format, o.TimeZone = "json", zone
	p, err := Compile(`INSERT INTO t SELECT CONCAT_WS(' ', HOUR(CAST(ts AS DATETIME)), DAY(CAST(ts AS DATETIME)), DAYNAME(CAST(ts AS DATETIME)), YEAR(CAST(ts AS DATETIME)), CAST(DATE(CAST(ts AS DATETIME)) AS CHAR), HOUR('2015-01-01 00:30:00Z')) AS x FROM events`, o)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ ts, want string }{
		{"2015-05-17 22:05:03Z", "0 18 Monday 2015 2015-05-17 22:00:00 1"},
		{"2015-12-31 23:05:03Z", "0 1 Friday 2016 2015-12-31 23:00:00 1"},
		{"2015-05-17 10:05:03", "10 17 Sunday 2015 2015-05-16 22:00:00 1"},
	} {
		if got := textOf(t, p, `{"ts":"`+c.ts+`"}`); got != c.want {
			t.Errorf("%s: got %q, expected %q", c.ts, got, c.want)
		}
	}
}

// Keys made by DATE_FORMAT, DATE, WEEK and TO_DAYS are what clocks of the zone show, on the days on which they change too.
func TestClocks_keysInTheZone(t *testing.T) {
	t.Parallel()
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	o := DefaultOptions()
	o.Format, o.TimeZone = "combined", zone
	p, err := Compile(`INSERT INTO t SELECT CONCAT_WS(' | ', DATE_FORMAT(ts, '%Y-%m-%d %H:00:00'), CAST(DATE(ts) AS CHAR), WEEK(ts, 3), YEARWEEK(ts), TO_DAYS(ts) - TO_DAYS('2026-10-24'), TO_SECONDS(ts) - TO_SECONDS('2026-10-24'),
		CAST(FROM_DAYS(TO_DAYS(ts)) AS CHAR), CAST(MAKEDATE(YEAR(ts), DAYOFYEAR(ts)) AS CHAR)) AS k, COUNT(*) AS n FROM events GROUP BY k`, o)
	if err != nil {
		t.Fatal(err)
	}
	f := p.newFold()
	var tally batch.Tally
	for _, at := range []string{"24/Oct/2026:21:59:59 +0000", "24/Oct/2026:22:00:00 +0000", "25/Oct/2026:00:30:00 +0000", "25/Oct/2026:01:30:00 +0000", "25/Oct/2026:22:59:59 +0000", "25/Oct/2026:23:00:00 +0000"} {
		f.Add(part, []batch.Record{{Value: []byte(`h - - [` + at + `] "GET / HTTP/1.1" 200 1 "-" "-"`)}}, &tally)
	}
	rows := f.Take().Tables[0]
	var got []string
	for i := range rows.Len() {
		got = append(got, strings.Join(rowText(rows, i), " | "))
	}
	slices.Sort(got)
	want := []string{
		"2026-10-24 23:00:00 | 2026-10-23 22:00:00 | 43 | 202642 | 0 | 86399 | 2026-10-23 22:00:00 | 2026-10-23 22:00:00 | 1",
		"2026-10-25 00:00:00 | 2026-10-24 22:00:00 | 43 | 202643 | 1 | 86400 | 2026-10-24 22:00:00 | 2026-10-24 22:00:00 | 1",
		"2026-10-25 02:00:00 | 2026-10-24 22:00:00 | 43 | 202643 | 1 | 95400 | 2026-10-24 22:00:00 | 2026-10-24 22:00:00 | 2", // 02:30, twice
		"2026-10-25 23:00:00 | 2026-10-24 22:00:00 | 43 | 202643 | 1 | 172799 | 2026-10-24 22:00:00 | 2026-10-24 22:00:00 | 1",
		"2026-10-26 00:00:00 | 2026-10-25 23:00:00 | 44 | 202643 | 2 | 172800 | 2026-10-25 23:00:00 | 2026-10-25 23:00:00 | 1",
	}
	if diff := cmp.Diff(want, got); diff != "" || len(tally.Dead) > 0 {
		t.Errorf("dead letters %v, keys (-expected +got):\n%s", tally.Dead, diff)
	}
}

// STR_TO_DATE reads the clocks of the zone. The days of an interval are those of clocks, what is shorter is elapsed time.
// CONVERT_TZ is rejected, because functions show times in the zone already.
func TestStrToDate_inTheZone(t *testing.T) {
	t.Parallel()
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	o := DefaultOptions()
	o.Format, o.TimeZone = "raw", zone
	p, err := Compile(`INSERT INTO t SELECT CONCAT_WS(' ', CAST(STR_TO_DATE(body, '%d.%m.%Y %H:%i') AS CHAR), CAST(STR_TO_DATE(body, '%d.%m.%Y %H:%i') + INTERVAL '1 12' DAY_HOUR AS CHAR), CAST(DATE_SUB(STR_TO_DATE(body, '%d.%m.%Y %H:%i'), INTERVAL '1-1' YEAR_MONTH) AS CHAR)) AS x FROM events`, o)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ body, want string }{
		{"28.03.2026 12:00", "2026-03-28 11:00:00 2026-03-29 22:00:00 2025-02-28 11:00:00"},
		{"29.03.2026 02:30", "2026-03-29 01:30:00 2026-03-30 13:30:00 2025-02-28 02:30:00"}, // clocks never show it: 03:30
		{"25.10.2026 02:30", "2026-10-25 00:30:00 2026-10-26 13:30:00 2025-09-25 00:30:00"}, // the first of two
	} {
		if got := textOf(t, p, c.body); got != c.want {
			t.Errorf("%s: got %q, expected %q", c.body, got, c.want)
		}
	}
	const convert = "INSERT INTO t SELECT CONVERT_TZ('2026-03-28', 'UTC', 'Asia/Tokyo') AS x FROM events"
	if _, err := Compile(convert, o); err == nil || !strings.Contains(err.Error(), "the zone of the query is Europe/Berlin, in which functions show times already") {
		t.Errorf("%s: got %v, expected an error with the zone", convert, err)
	}
}

// What DATE_FORMAT and the like do not take is rejected at start, with what to write.
func TestFormats_rejected(t *testing.T) {
	t.Parallel()
	o := DefaultOptions()
	o.Format = "combined"
	for _, c := range []struct{ item, want string }{
		{"DATE_FORMAT(ts, '%F')", "%F is not a specifier of DATE_FORMAT: expected %Y"},
		{"DATE_FORMAT(ts, '%Y-%m-%d %z')", "%z is not a specifier"},
		{"DATE_FORMAT(ts, '')", "the format is empty"},
		{"DATE_FORMAT(ts, path)", "`path` is not a constant"},
		{"TIME_FORMAT(ts, '%Y %H')", "%Y is a part of the date, which TIME_FORMAT does not show: write DATE_FORMAT"},
		{"WEEK(ts, 8)", "expected a mode from 0 to 7"},
		{"YEARWEEK(ts, -1)", "expected a mode from 0 to 7"},
		{"STR_TO_DATE(path, '%H:%i')", "the format has no date, and there is no type of times of day"},
		{"STR_TO_DATE(path, '%Y-%m')", "the format gives no whole date"},
		{"STR_TO_DATE(path, '%m-%d %H')", "the format gives no whole date"},
		{"STR_TO_DATE(path, '%X week %V %W')", "weeks cannot be read"},
		{"STR_TO_DATE(path, '%Y-%m-%d %p %h')", "%p follows the hour"},
		{"STR_TO_DATE(path, '%Y%%%m%d')", `"%%" cannot be read`},
		{"STR_TO_DATE(path, '%Q')", "%Q is not a specifier"},
		{"STR_TO_DATE('31.02.2015', '%d.%m.%Y')", `"31.02.2015" does not match the format`},
		{"CONVERT_TZ(ts, 'UTC', 'Europe/Berlim')", "expected the name of a time zone"},
		{"CONVERT_TZ(ts, 'SYSTEM', '+02:00')", "expected the name of a time zone"},
		{"CONVERT_TZ(ts, '+15:00', 'UTC')", "expected -14:00 to +14:00"},
		{"CONVERT_TZ(ts, ident, 'UTC')", "ident is not a constant"},
		{"ts + INTERVAL path DAY_HOUR", "must be a constant, such as INTERVAL '1 12' DAY_HOUR"},
		{"ts + INTERVAL '1 2 3' DAY_HOUR", "expected 2 numbers, for DAY, HOUR"},
		{"ts + INTERVAL '' DAY_HOUR", "expected 2 numbers, for DAY, HOUR"},
		{"ts + INTERVAL '--1 2' DAY_HOUR", "expected 2 numbers, for DAY, HOUR"},
		{"ts - INTERVAL '1 999999999999999' DAY_HOUR", "is out of range"},
		{"ts - INTERVAL '1.1234567' SECOND_MICROSECOND", "a second has at most 6 digits"},
		{"ts - INTERVAL '1.5' DAY", "is text, but a number is expected"},
		{"SEC_TO_TIME(status)", "there is no type of times of day"},
		{"TIME(ts)", "write DATE_FORMAT(time, '%H:%i:%s')"},
	} {
		if _, err := Compile("INSERT INTO t SELECT "+c.item+" AS x FROM events", o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, expected an error with %q", c.item, err, c.want)
		}
	}
}

// textOf returns the text in the first cell of the only row that a record makes.
func textOf(t *testing.T, p *Plan, record string) string {
	t.Helper()
	f := p.newFold()
	var tally batch.Tally
	f.Add(part, []batch.Record{{Value: []byte(record)}}, &tally)
	rows := f.Take().Tables[0]
	if rows.Len() != 1 {
		t.Fatalf("%s: got %d rows and %v, expected one row", record, rows.Len(), tally.Dead)
	}
	return string(rows.Bytes(&rows.Cells(0)[0]))
}

// Units from a day on are those of the clocks, shorter ones are elapsed time.
func TestIntervals_inTheZone(t *testing.T) {
	t.Parallel()
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	o := DefaultOptions()
	o.Format, o.TimeZone = "json", zone
	p, err := Compile(`INSERT INTO t SELECT CONCAT_WS(' ', CAST(CAST(ts AS DATETIME) + INTERVAL 1 DAY AS CHAR), CAST(CAST(ts AS DATETIME) + INTERVAL 24 HOUR AS CHAR), CAST(LAST_DAY(CAST(ts AS DATETIME)) AS CHAR), TIMESTAMPDIFF(DAY, '2026-03-28 12:00:00', ts), TIMESTAMPDIFF(HOUR, '2026-03-28 12:00:00', ts), DATEDIFF(ts, '2026-03-28'), TIME_TO_SEC(ts)) AS x FROM events`, o)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ ts, want string }{
		{"2026-03-28 12:00:00", "2026-03-29 10:00:00 2026-03-29 11:00:00 2026-03-30 22:00:00 0 0 0 43200"},
		{"2026-03-29 12:00:00", "2026-03-30 10:00:00 2026-03-30 10:00:00 2026-03-30 22:00:00 1 23 1 43200"},
		{"2026-10-24 12:00:00", "2026-10-25 11:00:00 2026-10-25 10:00:00 2026-10-30 23:00:00 210 5039 210 43200"},
	} {
		if got := textOf(t, p, `{"ts":"`+c.ts+`"}`); got != c.want {
			t.Errorf("%s: got %q, expected %q", c.ts, got, c.want)
		}
	}
}

// allocations are those of functions whose example matches: package regexp allocates the positions of a match. Under the
// race detector they are a lower bound, because the sync.Pools in which package regexp keeps its buffers then drop some
// of them at random.
var allocations = map[string]float64{"regexp_substr": 1, "regexp_instr": 1, "regexp_replace": 1}

// No function allocates memory for a record, except these.
func TestFunctions_allocateNothing(t *testing.T) {
	o := DefaultOptions()
	o.Format = "combined"
	line := []byte(`203.0.113.7 - alice [17/May/2015:10:05:03 +0000] "GET /a//b/7?x=Ä HTTP/1.1" 200 5120 "-" "Chrome/8.0"`)
	records := []batch.Record{{Value: line, Headers: []batch.Header{{Key: "id", Value: []byte("c3a9")}, {Key: "token", Value: []byte("YWJj")}}}}
	for _, f := range funcs.Library().Functions {
		p, err := Compile("INSERT INTO t SELECT 'all' AS k, COUNT(*) AS n FROM events WHERE "+f.Call()+" IS NULL GROUP BY k", o)
		if err != nil {
			t.Errorf("%s: %v", f.Call(), err)
			continue
		}
		run := p.newFold()
		var tally batch.Tally
		least := allocations[f.Name]
		most := least
		if raceDetector && least > 0 {
			most += 8
		}
		if n := testing.AllocsPerRun(20, func() { run.Add(part, records, &tally) }); n < least || n > most {
			t.Errorf("%s: got %v allocations per record, expected %v to %v", f.Call(), n, least, most)
		}
		if len(tally.Dead) > 0 {
			t.Errorf("%s: got dead letters %v, expected none", f.Call(), tally.Dead)
		}
	}
}

// DATE_FORMAT of a JSON field is a key without a COALESCE, although the field can be NULL.
func TestDateFormat_keyOfJSON(t *testing.T) {
	t.Parallel()
	p := plan(t, "json", "INSERT INTO t SELECT DATE_FORMAT(ts, '%Y-%m-%d %H:00:00') AS hour, url, COUNT(*) AS n FROM events WHERE status BETWEEN 500 AND 599 GROUP BY hour, url")
	f := p.newFold()
	var tally batch.Tally
	f.Add(part, []batch.Record{{Value: []byte(`{"ts":"2015-05-17T10:05:03Z","url":"/a","status":503}`)}, {Value: []byte(`{"ts":"2015-05-17 10:59:59","url":"/a","status":500}`)}}, &tally)
	rows := f.Take().Tables[0]
	if rows.Len() != 1 || tally.Counted != 2 {
		t.Fatalf("got %d rows, dead letters %v; expected one row of two records", rows.Len(), tally.Dead)
	}
	if got := strings.Join(rowText(rows, 0), " | "); !strings.HasPrefix(got, "2015-05-17 10:00:00 | /a | ") || !strings.Contains(got, " | 2") {
		t.Errorf("got the row %q, expected the hour, the url and the number 2", got)
	}
}
