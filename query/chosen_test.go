package query

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/row"
)

// Each order has a hidden column. Columns of one order, the lowest or the highest of the same value, share it.
func TestChosen_columns(t *testing.T) {
	t.Parallel()
	p := plan(t, "combined", `INSERT INTO t SELECT host, MIN_BY(path, bytes) AS small, MAX_BY(path, bytes) AS big, MIN_BY(agent, bytes) AS a,
		FIRST(status) AS f, LAST(agent) AS l, LAST(bytes) AS lb, MIN_BY(path, _timestamp) AS early, MAX_BY(status, ts) * 2 AS twice, COUNT(*) AS n FROM events GROUP BY host`)
	if diff := cmp.Diff([]string{
		"host key", "small value of the lowest order", "[small__min lowest order (numbers)]", "big value of the highest order",
		"[big__max highest order (numbers)]", "a value of the lowest order", "f value of the lowest order", "[f__min lowest order (times)]",
		"l value of the highest order", "[l__max highest order (times)]", "lb value of the highest order", "early value of the lowest order",
		"[early__min lowest order (times)]", "n total", "[twice__1 value of the highest order]", "[twice__1__max highest order (times)]",
		"twice(0) = (CAST(`twice__1` AS DECIMAL(65,0)) * 2)",
	}, columnsOf(t, p)); diff != "" {
		t.Errorf("(-expected +got):\n%s", diff)
	}
	nullable, orders := []string{}, map[string]string{}
	for _, c := range p.Tables()[0].Columns {
		if c.Nullable {
			nullable = append(nullable, c.Name)
		}
		if c.Order != "" {
			orders[c.Name] = c.Order
		}
	}
	if diff := cmp.Diff([]string{"small", "small__min", "big", "big__max", "a", "lb"}, nullable); diff != "" {
		t.Errorf("columns that can be NULL (-expected +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]string{
		"small": "small__min", "big": "big__max", "a": "small__min", "f": "f__min", "l": "l__max", "lb": "l__max", "early": "early__min", "twice__1": "twice__1__max",
	}, orders); diff != "" {
		t.Errorf("orders (-expected +got):\n%s", diff)
	}
}

// chosenRows returns the rows of a query over bodies, without the hidden columns.
func chosenRows(t *testing.T, format, items string, bodies ...string) []string {
	t.Helper()
	f := plan(t, format, "INSERT INTO t SELECT COALESCE(k, '') AS k, "+items+" GROUP BY k").NewFold()
	if tally := feed(f, bodies...); len(tally.Dead) > 0 {
		t.Fatalf("%s: got the dead letter %q, expected none", items, tally.Dead[0].Reason)
	}
	return shownRows(f.Take().Tables[0])
}

// shownRows prints rows without their hidden columns.
func shownRows(rows *row.Rows) (lines []string) {
	for _, i := range rows.Sorted() {
		var shown []string
		for j, text := range rowText(rows, i) {
			if !rows.Table.Columns[j].Hidden {
				shown = append(shown, text)
			}
		}
		lines = append(lines, strings.Join(shown, " "))
	}
	return lines
}

// A NULL that orders is ignored; a NULL of the chosen row is the result. Values are ordered as MIN and MAX order them:
// numbers by size, texts by bytes, times by time.
func TestChosen_values(t *testing.T) {
	t.Parallel()
	bodies := []string{
		`{"k":"a","x":"one","n":10,"s":"b","t":"2026-01-02 00:00:00"}`, `{"k":"a","x":null,"n":9,"s":"B","t":"2026-01-01 00:00:00.5"}`,
		`{"k":"a","x":"three","n":null,"s":"","t":null}`, `{"k":"a","x":"four","n":10.50,"s":"bb","t":"2026-01-01 00:00:00"}`, `{"k":"b","x":"five"}`, `{"k":"c","x":"six","n":-3,"s":"z"}`,
	}
	for items, expected := range map[string][]string{
		"MIN_BY(x, CAST(n AS DECIMAL(9,2))) AS v":                                                {"a NULL", "b NULL", "c six"},
		"MAX_BY(x, CAST(n AS DECIMAL(9,2))) AS v":                                                {"a four", "b NULL", "c six"},
		"MAX_BY(x, CAST(n AS CHAR)) AS v":                                                        {"a NULL", "b NULL", "c six"},
		"MIN_BY(x, CAST(n AS DOUBLE)) AS v":                                                      {"a NULL", "b NULL", "c six"},
		"MIN_BY(x, CAST(s AS CHAR)) AS v":                                                        {"a three", "b NULL", "c six"},
		"MAX_BY(x, CONCAT(s, '')) AS v":                                                          {"a four", "b NULL", "c six"},
		"MIN_BY(x, CAST(t AS DATETIME(6))) AS v":                                                 {"a four", "b NULL", "c NULL"},
		"MAX_BY(x, CAST(t AS DATETIME(6))) AS v":                                                 {"a one", "b NULL", "c NULL"},
		"MIN_BY(x, n + 0) AS v":                                                                  {"a NULL", "b NULL", "c six"},
		"MAX_BY(CAST(n AS DECIMAL(9,2)), _offset) AS v":                                          {"a 10.50", "b NULL", "c -3.00"},
		"MIN_BY(IF(x IS NULL, 1, 2), n * -1) AS v":                                               {"a 2", "b NULL", "c 2"},
		"FIRST(x) AS v, LAST(COALESCE(x, 'none')) AS w":                                          {"a one four", "b five five", "c six six"},
		"FIRST(x) AS v, COUNT(*) AS n, MIN_BY(x, _offset % 3) AS w, MAX_BY(x, _offset % 3) AS z": {"a one 4 one three", "b five 1 five five", "c six 1 six six"},
	} {
		if diff := cmp.Diff(expected, chosenRows(t, "json", items+" FROM events", bodies...)); diff != "" {
			t.Errorf("%s (-expected +got):\n%s", items, diff)
		}
	}
}

// Rows of one record that have the same ordering value are ordered by the event within the record, then by the element of
// FROM, then by the statement.
func TestChosen_tiesWithinARecord(t *testing.T) {
	t.Parallel()
	body := "{\"x\":[3,1,2],\"y\":[5,4]}\n{\"x\":[7]}"
	for items, expected := range map[string]string{
		"MIN_BY(v, 0 * v) AS a, MAX_BY(v, 0 * v) AS b, FIRST(v) AS c, LAST(v) AS d FROM events JOIN JSON_TABLE(x, '$[*]' COLUMNS (v INT PATH '$')) AS e":                                      " 3 7 3 7",
		"FIRST(e.v * 10 + f.v) AS a, LAST(e.v * 10 + f.v) AS b FROM events JOIN JSON_TABLE(x, '$[*]' COLUMNS (v INT PATH '$')) AS e JOIN JSON_TABLE(y, '$[*]' COLUMNS (v INT PATH '$')) AS f": " 35 24",
		"FIRST(v) AS a, LAST(v) AS b FROM events JOIN JSON_TABLE(x, '$[*]' COLUMNS (v INT PATH '$')) AS e WHERE v < 3":                                                                        " 1 2",
		"FIRST(x->>'$[0]') AS a, LAST(x->>'$[0]') AS b FROM events":                                                                                                                           " 3 7",
	} {
		if diff := cmp.Diff([]string{expected}, chosenRows(t, "json", items, body)); diff != "" {
			t.Errorf("%s (-expected +got):\n%s", items, diff)
		}
	}
	const into = "INSERT INTO t SELECT status AS k, FIRST('%s') AS f, LAST('%[1]s') AS l FROM events GROUP BY k;"
	for _, words := range [][]any{{"one", "two"}, {"two", "one"}} {
		f := plan(t, "combined", fmt.Sprintf(into, words[0])+fmt.Sprintf(into, words[1])).NewFold()
		feed(f, line(200, "1"))
		if got, expected := shownRows(f.Take().Tables[0])[0], fmt.Sprintf("200 %s %s", words[0], words[1]); got != expected {
			t.Errorf("two statements: got %s, expected %s", got, expected)
		}
	}
}

// FIRST and LAST go by the record's timestamp in Kafka, whatever fields an event has.
func TestChosen_kafkasTimestamp(t *testing.T) {
	t.Parallel()
	f := plan(t, "json", "INSERT INTO t SELECT 'all' AS k, FIRST(x) AS f, LAST(x) AS l, MIN_BY(x, CAST(events._timestamp AS SIGNED)) AS m FROM events GROUP BY k").NewFold()
	var tally batch.Tally
	f.Add(part, []batch.Record{
		{Offset: 0, Timestamp: 2000, Value: []byte(`{"x":"a","_timestamp":3}`)}, {Offset: 1, Timestamp: 1000, Value: []byte(`{"x":"b","_timestamp":2}`)},
		{Offset: 2, Timestamp: 3000, Value: []byte(`{"x":"c","_timestamp":1}`)}, {Offset: 3, Timestamp: -1, Value: []byte(`{"x":"d","_timestamp":0}`)},
	}, &tally)
	want(t, shownRows(f.Take().Tables[0]), "all b c c")
	if len(tally.Dead) != 1 || tally.Dead[0].Offset != 3 || tally.Dead[0].Reason != "FIRST(x): _timestamp is NULL, so the record has no place in the order" {
		t.Errorf("got dead letters %v, expected the record without a timestamp", tally.Dead)
	}
}

// A text that orders has at most 16 KiB, of any bytes, and its order fits the column.
func TestChosen_longText(t *testing.T) {
	t.Parallel()
	p := plan(t, "raw", "INSERT INTO t SELECT 'all' AS k, MAX_BY(LENGTH(body), body) AS n, COUNT(*) AS c FROM events GROUP BY k")
	f := p.NewFold()
	tally := feed(f, strings.Repeat("\x00", maxOrderBytes), strings.Repeat("\x00", maxOrderBytes+1), "")
	want(t, shownRows(f.Take().Tables[0]), "all 16384 2")
	if len(tally.Dead) != 1 || tally.Dead[0].Offset != 1 || !strings.Contains(tally.Dead[0].Reason, "orders by a text of") {
		t.Errorf("got dead letters %v, expected the longer text", tally.Dead)
	}
}

// Which rows are chosen depends on the records alone: not on how they are divided among folds, each of which merges its
// own, and not on the order in which partitions are read.
func TestChosen_anyDivision(t *testing.T) {
	t.Parallel()
	p := plan(t, "json", `INSERT INTO t SELECT COALESCE(k, '') AS k, MIN_BY(x, CAST(n AS SIGNED)) AS a, MAX_BY(x, CAST(n AS SIGNED)) AS b, FIRST(x) AS c, LAST(x) AS d FROM events GROUP BY k`)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	var all []batch.Record // of three partitions, by turns
	for i := range 300 {
		n := "null"
		if rng.IntN(4) > 0 {
			n = fmt.Sprint(rng.IntN(5) - 2)
		}
		all = append(all, batch.Record{Offset: int64(i), Timestamp: 1000 + rng.Int64N(9), Value: fmt.Appendf(nil, `{"k":"%d","x":"%d","n":%s}`, rng.IntN(5), i, n)})
	}
	// merged folds the records in that order, batch by batch, into one set of rows, as the table is.
	merged := func(order []int, cut int) []string {
		var stored *row.Rows
		for from := 0; from < len(order); {
			to := min(len(order), from+1+rng.IntN(cut))
			f := p.NewFold()
			var tally batch.Tally
			for _, i := range order[from:to] {
				f.Add(checkpoint.Partition{Topic: "t", ID: int32(i % 3)}, all[i:i+1], &tally)
			}
			rows := f.Take().Tables[0]
			if stored == nil {
				stored = row.NewRows(rows.Table)
			}
			for i := range rows.Len() {
				mergeRow(stored, rows, i)
			}
			from = to
		}
		return shownRows(stored)
	}
	inOrder := make([]int, len(all))
	for i := range inOrder {
		inOrder[i] = i
	}
	expected := merged(inOrder, len(all))
	for range 20 {
		shuffled := slices.Clone(inOrder)
		rng.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		if diff := cmp.Diff(expected, merged(shuffled, 40)); diff != "" {
			t.Fatalf("in another order (-expected +got):\n%s", diff)
		}
	}
}

// mergeRow merges row i of a batch into stored rows.
func mergeRow(stored, rows *row.Rows, i int) {
	at, _ := stored.Find(rows.Key(i))
	columns, to, from := rows.Table.Columns[rows.Table.Keys:], stored.Cells(at), rows.Cells(i)
	value := func(j int) row.Value {
		return row.Value{Number: from[j].Number, Bytes: rows.Bytes(&from[j]), Set: from[j].Set}
	}
	for j := range columns {
		if m, ok := columns[j].Merge.(row.Chosen); ok {
			order := rows.Table.OrderOf(&columns[j]) - rows.Table.Keys
			if !m.Takes(stored, &to[order], value(order)) {
				continue
			}
		}
		columns[j].Merge.Fold(stored, &to[j], columns[j].Kind, value(j))
	}
}

// Choosing a row allocates nothing.
func TestChosen_allocatesNothing(t *testing.T) {
	for _, items := range []string{
		"FIRST(agent) AS a, LAST(agent) AS b", "MIN_BY(path, bytes) AS a", "MAX_BY(path, bytes / 7) AS a, MAX_BY(bytes, bytes / 7) AS b", "MIN_BY(status, agent) AS a",
		"MAX_BY(path, CAST(bytes AS DOUBLE)) AS a", "MAX_BY(path, ts) AS a",
	} {
		f := plan(t, "combined", "INSERT INTO t SELECT status, "+items+" FROM events GROUP BY status").NewFold()
		records := []batch.Record{{Value: []byte(line(200, "5"))}, {Value: []byte(line(200, "7"))}}
		var tally batch.Tally
		add := func() {
			records[0].Offset, records[1].Offset = records[1].Offset+1, records[1].Offset+2
			records[0].Timestamp, records[1].Timestamp = records[1].Timestamp+1, records[1].Timestamp+2
			f.Add(part, records, &tally)
		}
		add()
		if n := testing.AllocsPerRun(100, add); n != 0 || tally.Counted == 0 || len(tally.Dead) > 0 {
			t.Errorf("%s: got %v allocations for two records, %d counted, %d dead; expected none", items, n, tally.Counted, len(tally.Dead))
		}
	}
}

// Statements into one table order by the same kind of values, and share orders in the same way.
func TestChosen_twoStatements(t *testing.T) {
	t.Parallel()
	for text, reason := range map[string]string{
		"MIN_BY(path, bytes) AS x|MIN_BY(path, bytes / 2) AS x":                                                                      "",
		"MIN_BY(path, bytes) AS x|MIN_BY(path, agent) AS x":                                                                          "is merged in another way",
		"MIN_BY(path, bytes) AS x|MAX_BY(path, bytes) AS x":                                                                          "is merged in another way",
		"MIN_BY(path, bytes) AS x, MIN_BY(agent, bytes) AS y|MIN_BY(path, bytes) AS x, MIN_BY(agent, status) AS y":                   "it writes other columns",
		"FIRST(path) AS x, FIRST(agent) AS y|FIRST(agent) AS y, FIRST(path) AS x":                                                    "column y of t is computed from x__min by an earlier statement, and from y__min here",
		"FIRST(path) AS x, MIN_BY(path, ts) AS y, FIRST(agent) AS z|FIRST(path) AS x, MIN_BY(path, ts) AS y, MIN_BY(agent, ts) AS z": "column z of t is computed from x__min by an earlier statement, and from y__min here",
		"APPROX_PERCENTILE(bytes, 0.5) AS x, APPROX_PERCENTILE(status, 0.5) AS y, APPROX_PERCENTILE(bytes, 0.9) AS z|APPROX_PERCENTILE(bytes, 0.5) AS x, APPROX_PERCENTILE(status, 0.5) AS y, APPROX_PERCENTILE(status, 0.9) AS z": "column z of t is computed from x__state by an earlier statement, and from y__state here",
	} {
		a, b, _ := strings.Cut(text, "|")
		const into = "INSERT INTO t SELECT status, %s FROM events GROUP BY status;"
		o := DefaultOptions()
		o.Format = "combined"
		_, err := Compile(fmt.Sprintf(into, a)+fmt.Sprintf(into, b), o)
		switch {
		case reason == "" && err == nil:
		case err == nil || reason == "" || !strings.Contains(err.Error(), reason):
			t.Errorf("%s: got %v, expected %q", text, err, reason)
		}
	}
}
