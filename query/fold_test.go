package query

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/internal/accesslog"
	"github.com/sluice-etl/sluice/row"
)

var part = checkpoint.Partition{Topic: "logs", ID: 3}

// feed folds bodies as records with offsets from 0.
func feed(f batch.Fold[row.Delta], bodies ...string) (tally batch.Tally) {
	var records []batch.Record
	for i, b := range bodies {
		records = append(records, batch.Record{Offset: int64(i), Value: []byte(b)})
	}
	f.Add(part, records, &tally)
	return tally
}

// printed returns a delta as text: "table: key… | cell…" in order.
func printed(d row.Delta) []string {
	var lines []string
	for _, rows := range d.Tables {
		for _, i := range rows.Sorted() {
			lines = append(lines, rows.Table.FullName()+": "+strings.Join(rowText(rows, i), " "))
		}
	}
	return lines
}

func line(status int, bytes string) string {
	return fmt.Sprintf(`h - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" %d %s "-" "x"`, status, bytes)
}

func want(t *testing.T, got []string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("expected (-), got (+):\n%s", diff)
	}
}

// P15: a group whose values are all NULL has the result NULL; one value that is not NULL is enough for a result.
func TestP15_nullDoesNotChangeAResult(t *testing.T) {
	t.Parallel()
	p := plan(t, "combined", "INSERT INTO t SELECT status, COUNT(*) AS n, COUNT(bytes) AS c, SUM(bytes) AS s, MIN(bytes) AS lo, MAX(bytes) AS hi FROM events GROUP BY status")
	f := p.NewFold()
	feed(f, line(304, "-"), line(200, "-"), line(200, "5"), line(200, "-"), line(200, "7"))
	want(t, printed(f.Take()), "t: 200 4 2 12 5 7", "t: 304 1 0 NULL NULL NULL")
	for _, c := range p.Tables()[0].Columns {
		nullable := c.Name == "s" || c.Name == "lo" || c.Name == "hi"
		if c.Nullable != nullable {
			t.Errorf("column %s: nullable is %v, expected %v", c.Name, c.Nullable, nullable)
		}
	}
}

// P16: each value is rounded to the column's scale, half away from zero, before it is added, so the boundaries of
// batches do not matter.
func TestP16_roundedBeforeAdded(t *testing.T) {
	t.Parallel()
	p := plan(t, "json", "INSERT INTO t SELECT 'all' AS k, SUM(x) AS s FROM events GROUP BY k")
	tables := p.Tables()
	tables[0].Columns[1].Scale, tables[0].Columns[1].Precision = 1, 20
	if err := p.Bind(tables); err != nil {
		t.Fatal(err)
	}
	f := p.NewFold()
	feed(f, `{"x":0.05}`, `{"x":0.05}`, `{"x":-0.25}`, `{"x":0.04}`, `{"x":9007199254740993}`)
	want(t, printed(f.Take()), "t: all 9007199254740992.9")
}

// P22: if one statement fails for a record, the record is a dead letter for all statements, and none of its rows is
// merged, not even those of words before the bad one.
func TestP22_oneFatePerRecord(t *testing.T) {
	t.Parallel()
	p := plan(t, "json", `INSERT INTO a SELECT COALESCE(k, '') AS k, COUNT(*) AS n FROM events GROUP BY k;
		INSERT INTO b SELECT COALESCE(k, '') AS k, SUM(CAST(x AS SIGNED)) AS s FROM events WHERE k <> 'skip' GROUP BY k`)
	f := p.NewFold()
	tally := feed(f, `{"k":"u","x":1}`, `{"k":"u","x":"one"}`, `{"k":"skip","x":"one"}`, `nonsense`, `{"k":"u","x":" 2 "}`)
	want(t, printed(f.Take()), "a: skip 1", "a: u 2", "b: u 3")
	if tally.Counted != 3 || tally.Filtered != 0 || len(tally.Dead) != 2 {
		t.Fatalf("%+v; expected Counted 3, Filtered 0 and Dead with 2 elements", tally)
	}
	d := tally.Dead[0]
	if d.Offset != 1 || d.Statement != 1 || d.Table != "b" || d.Row || d.Partition != part || strings.Contains(d.Reason+d.Detail, "one") || d.Detail != "the text has 3 bytes" {
		t.Errorf("%+v; expected offset 1, statement 1, table %q, not of kind row, partition %v, no %q in reason and detail, and the detail %q", d, "b", part, "one", "the text has 3 bytes")
	}
	if d := tally.Dead[1]; d.Statement != -1 || d.Table != "" || string(d.Value) != "nonsense" {
		t.Errorf("%+v; expected Statement -1, Table an empty text and Value %q", d, "nonsense")
	}

	words := plan(t, "words", "INSERT INTO t SELECT word, COUNT(*) AS n FROM events GROUP BY word").NewFold()
	tally = feed(words, "good good", "good \xff", " \t ")
	want(t, printed(words.Take()), "t: good 2")
	if tally.Counted != 1 || tally.Filtered != 1 || len(tally.Dead) != 1 {
		t.Errorf("%+v; expected Counted 1, Filtered 1 and Dead with 1 element", tally)
	}
}

// P18: a value that the column does not accept is found before anything is sent.
func TestP18_valuesAreCheckedAgainstTheirColumns(t *testing.T) {
	t.Parallel()
	p := plan(t, "json", `INSERT INTO t SELECT COALESCE(k, '') AS k, COALESCE(CAST(i AS SIGNED), 0) AS i, SUM(s) AS s, MAX(CAST(m AS CHAR)) AS m,
		MIN(CAST(at AS DATETIME)) AS at FROM events GROUP BY 1, 2`)
	tables := p.Tables()
	c := tables[0].Columns
	c[0].MaxChars = 3
	c[1].MinInt, c[1].MaxInt = -128, 127
	c[2].Scale, c[2].Precision = 2, 5
	c[3].MaxBytes = 4
	if err := p.Bind(tables); err != nil {
		t.Fatal(err)
	}
	f := p.NewFold()
	for _, c := range []struct{ body, reason string }{
		{`{"k":"äöü","i":-128,"s":999.99,"m":"abcd","at":"2015-05-17 10:05:03"}`, ""},
		{`{"k":"äöüß"}`, "column k: the value has … characters, the column takes 3 (LEFT(text, 3) cuts)|4, the text has 8 bytes"},
		{"{\"k\":\"\xff\"}", "not valid UTF-8"},
		{`{"i":128}`, "column i: … is out of range: it must be from -128 to 127|the number has 3 characters"},
		{`{"i":9223372036854775808}`, "out of range"},
		{`{"s":999.994}`, ""},
		{`{"s":999.995}`, "column s: … is out of range: it must have at most 5 digits, 2 of them after the point|the number has 7 characters"},
		{`{"s":-1e30}`, "column s"},
		{`{"s":1e99}`, "more than 38 digits"},
		{`{"m":"abcde"}`, "column m: the value has … bytes, the column takes 4|5, the text has 5 bytes"},
		{`{"at":"0999-01-01"}`, "column at: the time"},
		{`{"at":"2015-02-29"}`, "is not a time"},
	} {
		tally := feed(f, c.body)
		reason := ""
		if len(tally.Dead) > 0 {
			reason = tally.Dead[0].Reason + "|" + tally.Dead[0].Detail
		}
		if (c.reason == "") != (reason == "") || !strings.Contains(reason, c.reason) {
			t.Errorf("%s: %q, expected %q", c.body, reason, c.reason)
		}
	}
}

// An expression that contains a condition is not itself a condition.
func TestFold_conditionsAsValues(t *testing.T) {
	t.Parallel()
	for where, n := range map[string]int64{
		"NULLIF(status = 200, 1)": 0, "NULLIF(status = 200, 0)": 1, "-(status = 200)": 1, "(status = 200) + 1 = 2": 1, "IF(status = 404, 1, 0)": 0, "COALESCE(status = 404, 1)": 0,
	} {
		f := plan(t, "combined", "INSERT INTO t SELECT host FROM events WHERE "+where).NewFold()
		if tally := feed(f, line(200, "1")); tally.Counted != n {
			t.Errorf("%s: %+v, expected %d", where, tally, n)
		}
	}
}

// Without aggregates, every record has a row of its own, and so has each of its words.
func TestFold_rowPerRecord(t *testing.T) {
	t.Parallel()
	p := plan(t, "words", "INSERT INTO t SELECT word FROM events WHERE word <> 'b'")
	if tab := p.Tables()[0]; tab.Grouped || tab.Keys != 4 || tab.Columns[4].Merge != row.Plain {
		t.Errorf("%+v; expected 4 key columns, not grouped, and the merge of column 4 %v", tab, row.Plain)
	}
	f := p.NewFold()
	feed(f, "a b a", "c")
	want(t, printed(f.Take()), "t: logs 3 0 0 a", "t: logs 3 0 2 a", "t: logs 3 1 0 c")
}

// Statements into one table share its rows.
func TestFold_twoStatementsOneTable(t *testing.T) {
	t.Parallel()
	f := plan(t, "combined", `INSERT INTO t SELECT 'status' AS what, CAST(status AS CHAR) AS which, COUNT(*) AS n FROM events GROUP BY what, which;
		INSERT INTO t SELECT COUNT(*) AS n, 'method' AS what, method AS which FROM events GROUP BY which, what`).NewFold()
	feed(f, line(200, "1"), line(404, "1"))
	want(t, printed(f.Take()), "t: method GET 2", "t: status 200 1", "t: status 404 1")
}

func TestFold_kafkaColumns(t *testing.T) {
	t.Parallel()
	f := plan(t, "raw", "INSERT INTO t SELECT _key, _body, _timestamp, _event_time, header('host') AS host, header('no') AS gone, body FROM events").NewFold()
	var tally batch.Tally
	f.Add(part, []batch.Record{
		{Offset: 7, Timestamp: 1431857103250, Key: []byte("k"), Value: []byte("v"), Headers: []batch.Header{
			{Key: "host", Value: []byte("a")}, {Key: "timestamp", Value: []byte("1000")}, {Key: "host", Value: []byte("b")},
		}},
		{Offset: 8, Timestamp: 1000, Value: []byte{}},
		{Offset: 9, Value: []byte{}, Headers: []batch.Header{{Key: "timestamp", Value: []byte("soon")}}},
	}, &tally)
	want(t, printed(f.Take()),
		"t: logs 3 7 0 k v 2015-05-17 10:05:03.250 1970-01-01 00:00:01.000 a NULL v",
		"t: logs 3 8 0 NULL  1970-01-01 00:00:01.000 1970-01-01 00:00:01.000 NULL NULL ")
	if len(tally.Dead) != 1 || !strings.Contains(tally.Dead[0].Reason, "milliseconds") {
		t.Errorf("%+v; expected 1 dead letter whose reason contains %q", tally, "milliseconds")
	}
}

// P18: records of a row that MySQL rejected are dead letters of kind row, until the batch's offsets have passed.
func TestP18_rejectedRowsBecomeDeadLetters(t *testing.T) {
	t.Parallel()
	f := plan(t, "words", "INSERT INTO t SELECT word, COUNT(*) AS n FROM events GROUP BY word; INSERT INTO u SELECT LEFT(word, 1) AS w, COUNT(*) AS n FROM events GROUP BY w").NewFold()
	feed(f, "bad", "good", "bad good")
	f.Take()
	key := row.AppendKeyBytes(nil, []byte("bad"))
	at := checkpoint.Checkpoint{Range: checkpoint.Range{Partition: part, Next: 0}}
	rejected := batch.RejectedRow{Table: "t", Key: key, Reason: "check constraint", Until: map[checkpoint.Partition]int64{part: 3}}
	if err := f.Restore(context.Background(), []checkpoint.Checkpoint{at}, []batch.RejectedRow{rejected}); err != nil {
		t.Fatal(err)
	}
	tally := feed(f, "bad", "good", "bad good", "bad")
	want(t, printed(f.Take()), "t: bad 1", "t: good 1", "u: b 1", "u: g 1")
	if len(tally.Dead) != 2 || !tally.Dead[0].Row || tally.Dead[0].Table != "t" || tally.Dead[0].Reason != "check constraint" || tally.Counted != 2 {
		t.Errorf("%+v; expected 2 dead letters, the first of kind row in table %q with the reason %q, and 2 counted", tally, "t", "check constraint")
	}
	at.Next = 3
	if err := f.Restore(context.Background(), []checkpoint.Checkpoint{at}, nil); err != nil {
		t.Fatal(err)
	}
	if tally := feed(f, "bad"); len(tally.Dead) != 0 {
		t.Errorf("passed offsets are still rejected: %+v, expected Dead with no elements", tally)
	}
}

// P18: one record's value in a merged row does not make dead letters of the other records. Each record of a merged row
// that MySQL rejected gets a separate row, up to the end of the rejected batch; then only the record that MySQL rejects
// is a dead letter.
func TestP18_neighborsOfARejectedRecordAreCounted(t *testing.T) {
	t.Parallel()
	f := plan(t, "json", `INSERT INTO t SELECT COALESCE(k, '') AS k, COUNT(*) AS n, MAX(CAST(v AS SIGNED)) AS m FROM events GROUP BY 1`).NewFold()
	bodies := []string{`{"k":"a","v":1}`, `{"k":"a","v":99}`, `{"k":"b","v":1}`, `{"k":"a","v":3}`}
	feed(f, bodies...)
	d := f.Take()
	want(t, printed(d), "t: a 3 99", "t: b 1 1")
	at := checkpoint.Checkpoint{Range: checkpoint.Range{Partition: part, Next: 0}}
	until := map[checkpoint.Partition]int64{part: 4}
	merged := batch.RejectedRow{Table: "t", Key: row.AppendKeyBytes(nil, []byte("a")), Reason: "check", Until: until, Merged: true}
	restore := func(rejected ...batch.RejectedRow) {
		t.Helper()
		if err := f.Restore(context.Background(), []checkpoint.Checkpoint{at}, rejected); err != nil {
			t.Fatal(err)
		}
	}
	restore(merged)
	tally := feed(f, append(bodies, `{"k":"a","v":5}`, `{"k":"a","v":6}`)...)
	d = f.Take()
	want(t, printed(d), "t: a 1 1", "t: a 1 99", "t: a 1 3", "t: a 2 6", "t: b 1 1")
	if tally.Counted != 6 || len(tally.Dead) != 0 {
		t.Errorf("%+v; expected Counted 6 and Dead with no elements", tally)
	}
	origin, ok := d.Tables[0].Origin(d.Tables[0].Sorted()[1])
	if wanted := (row.Origin{Partition: part.ID, Offset: 1}); !ok || origin != wanted {
		t.Fatalf("origin is %+v %v, expected %+v", origin, ok, wanted)
	}
	if _, ok := d.Tables[0].Origin(d.Tables[0].Sorted()[3]); ok {
		t.Error("the row of the records behind the rejected batch has an origin, expected it merged")
	}
	single := merged
	single.Merged, single.Source = false, &batch.RecordID{Partition: part, Offset: 1}
	restore(merged, single)
	tally = feed(f, bodies...)
	want(t, printed(f.Take()), "t: a 1 1", "t: a 1 3", "t: b 1 1")
	if tally.Counted != 3 || len(tally.Dead) != 1 || tally.Dead[0].Offset != 1 || !tally.Dead[0].Row || tally.Dead[0].Reason != "check" {
		t.Errorf("%+v; expected 3 counted and 1 dead letter of kind row, at offset 1, with the reason %q", tally, "check")
	}
	at.Next = 4
	restore(merged, single)
	feed(f, bodies[1], bodies[1])
	want(t, printed(f.Take()), "t: a 2 99")
}

// P18: a value that the real column does not accept is found in its own record, at the exact bounds of the column.
func TestP18_boundsAreThoseOfTheColumns(t *testing.T) {
	t.Parallel()
	const timestampMin, timestampMax = 1_000_000, 2147483647_999999
	for name, c := range map[string]struct {
		of         string
		column     row.Column
		good, dead []string
	}{
		"TIMESTAMP": {"MAX(CAST(v AS DATETIME))", row.Column{Kind: row.Datetime, MinInt: timestampMin, MaxInt: timestampMax},
			[]string{`"1970-01-01 00:00:01"`, `"2038-01-19 03:14:07"`, `"2038-01-19T03:14:07.999999Z"`},
			[]string{`"1970-01-01 00:00:00"`, `"1970-01-01 00:00:00.999999"`, `"2038-01-19 03:14:08"`, `"2040-01-01 00:00:00"`, `"1969-12-31 23:59:59"`}},
		"BIGINT UNSIGNED": {"MAX(CAST(v AS DECIMAL(38,0)))", row.Column{Kind: row.Decimal, Precision: 20, MaxInt: math.MaxInt64, Unsigned: true},
			[]string{"0", "18446744073709551615"}, []string{"-1", "18446744073709551616", "36893488147419103232"}},
		"DECIMAL(5,2) UNSIGNED": {"SUM(v)", row.Column{Kind: row.Decimal, Scale: 2, Precision: 5, Unsigned: true},
			[]string{"0", "999.99", "-0.001"}, []string{"-0.01", "999.995", "1000"}},
		"DECIMAL(20) UNSIGNED": {"MAX(CAST(v AS SIGNED))", row.Column{Kind: row.Int, Precision: 20, MaxInt: math.MaxInt64, Unsigned: true},
			[]string{"0", "7"}, []string{"-1"}},
		"DOUBLE UNSIGNED": {"MAX(CAST(v AS DOUBLE))", row.Column{Kind: row.Double, Unsigned: true}, []string{"0", "1e300"}, []string{"-1e-300"}},
		"latin1": {"MAX(CAST(v AS CHAR))", row.Column{Kind: row.Text, MaxChars: 3, Charset: "latin1"},
			[]string{`"abc"`, `"äöü"`, `"€Œÿ"`, `"\u0081"`}, []string{`"abcd"`, `"世"`, `"\u0080"`, `"a😀"`, `"Ā"`}},
		"utf8mb3": {"MAX(CAST(v AS CHAR))", row.Column{Kind: row.Text, MaxChars: 3, Charset: "utf8mb3"}, []string{`"世界"`, `"\uffff"`}, []string{`"😀"`, `"世界世界"`}},
		"CHAR":    {"MAX(CAST(v AS CHAR))", row.Column{Kind: row.Text, MaxChars: 3, Padding: row.PadSpace}, []string{`"abc"`, `" a"`, `""`, `"a b"`, `"a\t"`}, []string{`"a "`, `" "`, `"abcd"`}},
		"BINARY":  {"MAX(CAST(v AS CHAR))", row.Column{Kind: row.Bytes, MaxBytes: 3, Padding: row.PadZero}, []string{`"abc"`, `"ab "`, `"ab\u0000"`}, []string{`"ab"`, `""`, `"abcd"`}},
		"ascii":   {"MAX(CAST(v AS CHAR))", row.Column{Kind: row.Text, MaxChars: 3, Charset: "ascii"}, []string{`"abc"`}, []string{`"ä"`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := plan(t, "json", "INSERT INTO t SELECT 'k' AS k, COUNT(*) AS n, "+c.of+" AS m FROM events GROUP BY k")
			tables := p.Tables()
			m := &tables[0].Columns[2]
			c.column.Name, c.column.Merge, c.column.Nullable = m.Name, m.Merge, m.Nullable
			*m = c.column
			if err := p.Bind(tables); err != nil {
				t.Fatal(err)
			}
			f := p.NewFold()
			for _, v := range c.good {
				if tally := feed(f, `{"v":`+v+`}`); tally.Counted != 1 {
					t.Errorf("%s: %+v, expected it counted", v, tally)
				}
			}
			for _, v := range c.dead {
				if tally := feed(f, `{"v":`+v+`}`); len(tally.Dead) != 1 {
					t.Errorf("%s: %+v, expected a dead letter", v, tally)
				}
			}
		})
	}
}

func TestFold_restoreForgets(t *testing.T) {
	t.Parallel()
	f := plan(t, "words", "INSERT INTO t SELECT word, COUNT(*) AS n FROM events GROUP BY word").NewFold()
	feed(f, "a")
	if err := f.Restore(context.Background(), nil, nil); err != nil {
		t.Fatal(err)
	}
	feed(f, "b")
	want(t, printed(f.Take()), "t: b 1")
}

func TestFold_deadLettersAreCutAndOwnTheirBytes(t *testing.T) {
	t.Parallel()
	o := DefaultOptions()
	o.Format, o.DeadLetterMaxBytes = "json", 4
	p, err := Compile("INSERT INTO t SELECT COALESCE(a, '') AS a, COUNT(*) AS n FROM events GROUP BY a", o)
	if err != nil {
		t.Fatal(err)
	}
	value := []byte("nonsense")
	var tally batch.Tally
	p.NewFold().Add(part, []batch.Record{{Value: value}}, &tally)
	clear(value)
	if d := tally.Dead[0]; string(d.Value) != "nons" || d.Length != 8 {
		t.Errorf("%+v; expected Value %q and Length 8", d, "nons")
	}
}

// The rows add up to the same result for every division into batches.
func TestFold_anyDivisionIntoBatchesGivesTheSameRows(t *testing.T) {
	p := plan(t, "combined", `INSERT INTO a SELECT TUMBLE(ts, INTERVAL 1 MINUTE) AS m, status, COUNT(*) AS n, SUM(bytes / 3) AS s, MIN(path) AS lo, MAX(agent) AS hi FROM events GROUP BY m, status;
		INSERT INTO b SELECT host, COUNT(bytes) AS c, MAX(bytes) AS x FROM events WHERE path LIKE '/api%' GROUP BY host`)
	rng := accesslog.New(3)
	var records []batch.Record
	for n := range 2000 {
		records = append(records, batch.Record{Offset: int64(n), Value: accesslog.Append(nil, rng, n)})
	}
	whole := p.NewFold()
	var tally batch.Tally
	whole.Add(part, records, &tally)
	wanted := printed(whole.Take())
	rapid.Check(t, func(t *rapid.T) {
		f := p.NewFold()
		sum := newModel()
		var got batch.Tally
		for rest := records; len(rest) > 0; {
			n := rapid.IntRange(1, 700).Draw(t, "cut")
			n = min(n, len(rest))
			f.Add(part, rest[:n], &got)
			rest = rest[n:]
			if rapid.Bool().Draw(t, "take") || len(rest) == 0 {
				sum.apply(f.Take())
			}
		}
		if diff := cmp.Diff(wanted, sum.printed()); diff != "" {
			t.Fatal(diff)
		}
		if got.Counted != tally.Counted || got.Filtered != tally.Filtered {
			t.Fatalf("%+v and %+v; expected Counted %v and Filtered %v", got, tally, tally.Counted, tally.Filtered)
		}
	})
}

// model is a database of rows that merges deltas in the same way as the sink's SQL.
type model struct{ tables map[string]*row.Rows }

func newModel() *model { return &model{map[string]*row.Rows{}} }

func (m *model) apply(d row.Delta) {
	for _, from := range d.Tables {
		to := m.tables[from.Table.FullName()]
		if to == nil {
			to = row.NewRows(from.Table)
			m.tables[from.Table.FullName()] = to
		}
		order := from.Sorted()
		rand.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		for _, i := range order {
			at, _ := to.Find(from.Key(i))
			cells := to.Cells(at)
			for j, c := range from.Cells(i) {
				col := from.Table.Columns[from.Table.Keys+j]
				col.Merge.Fold(to, &cells[j], col.Kind, row.Value{Number: c.Number, Bytes: from.Bytes(&c), Set: c.Set})
			}
		}
	}
}

func (m *model) printed() []string {
	return printed(row.Delta{Tables: []*row.Rows{m.tables["a"], m.tables["b"]}})
}

// Adding a record to an existing group allocates nothing, in any format.
func TestFold_allocatesNothing(t *testing.T) {
	for _, c := range []struct{ format, text, body string }{
		{"words", "SELECT word, COUNT(*) AS n FROM events GROUP BY word", "some words and some more words"},
		{"raw", "SELECT LEFT(body, 20) AS b, COUNT(*) AS n, MAX(_offset) AS o, MIN(header('host')) AS h FROM events GROUP BY b", "a body"},
		{"common", "SELECT status, COUNT(*) AS n FROM events GROUP BY status", `h - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 17`},
		{"combined", `SELECT TUMBLE(ts, INTERVAL 5 MINUTE) AS m, status, SUBSTRING_INDEX(path, '?', 1) AS p, COUNT(*) AS n, SUM(bytes) AS s, SUM(bytes / 1024) AS k, MAX(agent) AS a,
			COUNT(referer) AS r FROM events WHERE (agent NOT ILIKE '%É%' AND method IN ('GET', 'POST') OR path LIKE '/x%y%') AND NOT status BETWEEN 500 AND 599 AND CONCAT(method, status) <> 'x' GROUP BY m, status, p`, line(200, "17")},
		{"json", `SELECT COALESCE(k, '') AS k, COALESCE(CAST(code AS SIGNED), 0) AS c, COUNT(*) AS n, SUM(ms) AS s, MIN(CAST(at AS DATETIME)) AS f, MAX(CAST(a AS CHAR)) AS o, MIN(CONCAT(list)) AS l FROM events WHERE a.b <> 'z' GROUP BY 1, 2`,
			`{"k":"key","code":200,"ms":12.75,"at":"2015-05-17T10:05:03Z","a":{"b":"x\u0041"},"list":[1,2,{"x":null}]}`},
		{"json", "SELECT k, l, CAST(code AS SIGNED) AS c, TUMBLE(at, INTERVAL 1 HOUR) AS h, MAX(k) AS m, COUNT(*) AS n FROM events GROUP BY 1, 2, 3, 4", `{"k":"key","l":null,"at":"2015-05-17T10:05:03Z"}`},
	} {
		f := plan(t, c.format, "INSERT INTO t "+c.text).NewFold()
		records := []batch.Record{{Offset: 1, Value: []byte(c.body), Headers: []batch.Header{{Key: "host", Value: []byte("h")}}}}
		var tally batch.Tally
		f.Add(part, records, &tally)
		if tally.Counted != 1 {
			t.Errorf("%s: %+v, expected Counted 1", c.format, tally)
			continue
		}
		if n := testing.AllocsPerRun(100, func() { f.Add(part, records, &tally) }); n != 0 {
			t.Errorf("%s: %v allocations per record, expected 0", c.format, n)
		}
	}
}

// rowText returns the values of all columns of a row as MySQL shows them.
func rowText(rows *row.Rows, i int) (line []string) {
	for k, v := range rowValues(rows, i) {
		line = append(line, cellText(v, &rows.Table.Columns[k]))
	}
	return line
}
