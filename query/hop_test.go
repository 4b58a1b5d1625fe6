package query

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/fold/value"
	"github.com/sluice-etl/sluice/fold/window"
	"github.com/sluice-etl/sluice/row"
)

// A record adds to each window that it is in: the rows are those that TUMBLE of the slide gives, each added to the
// windows that contain it. Statements with several HOPs have a row for each pair of windows. The division into batches
// does not matter.
func TestHop_addsToEachWindow(t *testing.T) {
	t.Parallel()
	o := DefaultOptions()
	o.Format, o.TimeZone = "json", location(t, "Europe/Berlin")
	p, err := Compile(`INSERT INTO a SELECT HOP(_timestamp, INTERVAL 15 MINUTE, INTERVAL 1 HOUR) AS w, COUNT(*) AS n, SUM(CAST(x AS SIGNED)) AS s FROM events WHERE x <> 3 GROUP BY w;
		INSERT INTO b SELECT HOP(_timestamp, INTERVAL 1 DAY, INTERVAL 1 WEEK) AS d, HOP(_timestamp, INTERVAL 1 HOUR, INTERVAL 2 HOUR) AS h, COUNT(*) AS n,
			HOP(_timestamp, INTERVAL 1 DAY, INTERVAL 1 WEEK) AS again FROM events GROUP BY d, h, again;
		INSERT INTO c SELECT TUMBLE(_timestamp, INTERVAL 1 DAY) AS d, COUNT(*) AS n FROM events GROUP BY d`, o)
	if err != nil {
		t.Fatal(err)
	}
	quarters := window.NewHop(window.NewCalendar(o.TimeZone, "minute", 15), "minute", 15, "hour", 1)
	days := window.NewHop(window.NewCalendar(o.TimeZone, "day", 1), "day", 1, "week", 1)
	hours := window.NewHop(window.NewCalendar(o.TimeZone, "hour", 1), "hour", 1, "hour", 2)
	back := time.Date(2026, 10, 25, 1, 0, 0, 0, time.UTC).UnixMilli()
	rapid.Check(t, func(t *rapid.T) {
		f := p.NewFold()
		want := map[string][2]int64{}
		add := func(table string, x int64, starts ...int64) {
			key := table
			for _, s := range starts {
				key += " " + string(value.AppendTime(nil, s, 3))
			}
			want[key] = [2]int64{want[key][0] + 1, want[key][1] + x}
		}
		got := map[string][2]int64{}
		take := func() {
			for _, rows := range f.Take().Tables {
				for i := range rows.Len() {
					key, rest := rows.Table.Name, rows.Key(i)
					for range rows.Table.Keys {
						var at int64
						at, rest = row.KeyDatetime(rest)
						key += " " + string(value.AppendTime(nil, at, 3))
					}
					sum := [2]int64{}
					for j := range rows.Cells(i) {
						sum[j], _ = rows.Cells(i)[j].Int64()
					}
					got[key] = [2]int64{got[key][0] + sum[0], got[key][1] + sum[1]}
				}
			}
		}
		var q, d, h window.Hops
		for range rapid.IntRange(1, 30).Draw(t, "records") {
			at := back + int64(rapid.IntRange(-3e8, 3e8).Draw(t, "at"))
			x := int64(rapid.IntRange(0, 5).Draw(t, "x"))
			quarters.Find(at*1000, &q)
			days.Find(at*1000, &d)
			hours.Find(at*1000, &h)
			if x != 3 {
				for _, s := range q.Starts {
					add("a", x, s)
				}
			}
			for _, s := range d.Starts {
				for _, u := range h.Starts {
					add("b", 0, s, u, s)
				}
			}
			add("c", 0, d.Starts[0])
			var tally batch.Tally
			f.Add(part, []batch.Record{{Value: fmt.Appendf(nil, `{"x":%d}`, x), Timestamp: at}}, &tally)
			if tally.Counted != 1 {
				t.Fatalf("got %+v, expected 1 counted record", tally)
			}
			if rapid.Bool().Draw(t, "take") {
				take()
			}
		}
		take()
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("rows (-expected +got):\n%s", diff)
		}
	})
}

// A record that one of its windows makes a dead letter adds to none of them (P22). Here only the earliest of the windows
// is outside of the range of the column.
func TestP22_hopIsWholeOrNothing(t *testing.T) {
	t.Parallel()
	f := plan(t, "json", `INSERT INTO a SELECT CAST(k AS CHAR(5)) AS k, at FROM events;
		INSERT INTO b SELECT HOP(COALESCE(CAST(at AS DATETIME), CAST('2026-01-01' AS DATETIME)), INTERVAL 1 DAY, INTERVAL 3 DAY) AS w, COUNT(*) AS n FROM events GROUP BY w`).NewFold()
	tally := feed(f, `{"at":"1000-01-02"}`, `{"at":"1000-01-03"}`, `{"k":"x"}`)
	want(t, printed(f.Take()),
		"a: logs 3 1 0 NULL 1000-01-03", "a: logs 3 2 0 x NULL",
		"b: 1000-01-01 00:00:00 1", "b: 1000-01-02 00:00:00 1", "b: 1000-01-03 00:00:00 1",
		"b: 2025-12-30 00:00:00 1", "b: 2025-12-31 00:00:00 1", "b: 2026-01-01 00:00:00 1")
	if len(tally.Dead) != 1 || tally.Dead[0].Offset != 0 || !strings.Contains(tally.Dead[0].Reason, "column w: the time … is out of range") {
		t.Errorf("got dead letters %+v, expected one at offset 0 because column w is out of range", tally.Dead)
	}
}

// A row that MySQL rejected makes a dead letter of the record, so its other windows have no row either.
func TestP18_rejectedWindow(t *testing.T) {
	t.Parallel()
	f := plan(t, "raw", "INSERT INTO t SELECT HOP(_timestamp, INTERVAL 1 DAY, INTERVAL 3 DAY) AS w, COUNT(*) AS n FROM events GROUP BY w").NewFold()
	rejected := batch.RejectedRow{
		Table: "t", Key: row.AppendKeyDatetime(nil, -value.Day), Reason: "check", Until: map[checkpoint.Partition]int64{part: 2},
	}
	at := checkpoint.Checkpoint{Range: checkpoint.Range{Partition: part, Next: 0}}
	if err := f.Restore(t.Context(), []checkpoint.Checkpoint{at}, []batch.RejectedRow{rejected}); err != nil {
		t.Fatal(err)
	}
	var tally batch.Tally
	f.Add(part, []batch.Record{{Offset: 0, Timestamp: 5, Value: []byte("a")}, {Offset: 1, Timestamp: 2 * 86_400_000, Value: []byte("b")}}, &tally)
	want(t, printed(f.Take()), "t: 1970-01-01 00:00:00 1", "t: 1970-01-02 00:00:00 1", "t: 1970-01-03 00:00:00 1")
	if len(tally.Dead) != 1 || tally.Dead[0].Offset != 0 || !tally.Dead[0].Row || tally.Dead[0].Reason != "check" {
		t.Errorf("got dead letters %+v, expected one of kind row at offset 0", tally.Dead)
	}
}

// REPLACE keeps the last record of each window.
func TestHop_replace(t *testing.T) {
	t.Parallel()
	f := plan(t, "raw", "REPLACE INTO t SELECT HOP(_timestamp, INTERVAL 1 DAY, INTERVAL 2 DAY) AS w, body, COUNT(*) AS n FROM events GROUP BY w").NewFold()
	var tally batch.Tally
	const day = 86_400_000
	f.Add(part, []batch.Record{{Offset: 0, Timestamp: day, Value: []byte("a")}, {Offset: 1, Timestamp: 2 * day, Value: []byte("b")}}, &tally)
	rows := f.Take().Tables[0]
	var got []string
	for _, i := range rows.Sorted() {
		got = append(got, strings.Join(rowText(rows, i)[:3], " "))
	}
	want(t, got, "1970-01-01 00:00:00 a 1", "1970-01-02 00:00:00 b 2", "1970-01-03 00:00:00 b 1")
}

// HOP is rejected where a record would count several times in one group, and where its windows are not defined.
func TestHop_rejects(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, want string }{
		{"SELECT HOP(ts, INTERVAL 1 MINUTE, INTERVAL 5 MINUTE) AS w FROM events", "GROUP BY w"},
		{"SELECT host, MAX(HOP(ts, INTERVAL 1 MINUTE, INTERVAL 5 MINUTE)) AS w FROM events GROUP BY host", "GROUP BY w"},
		{"SELECT DATE(HOP(ts, INTERVAL 1 HOUR, INTERVAL 2 HOUR)) AS w, COUNT(*) AS n FROM events GROUP BY w", "GROUP BY w"},
		{"SELECT host, COUNT(*) AS n FROM events WHERE HOP(ts, INTERVAL 1 HOUR, INTERVAL 2 HOUR) > '2020-01-01' GROUP BY host", "GROUP BY w"},
		{"SELECT HOP(ts, INTERVAL 1 MINUTE) AS w, COUNT(*) AS n FROM events GROUP BY w", "expected HOP(time, INTERVAL slide unit, INTERVAL size unit), such as HOP(ts, INTERVAL 1 MINUTE, INTERVAL 5 MINUTE)"},
		{"SELECT HOP(ts, 60, 300) AS w, COUNT(*) AS n FROM events GROUP BY w", "not an INTERVAL"},
		{"SELECT HOP(host, INTERVAL 1 MINUTE, INTERVAL 5 MINUTE) AS w, COUNT(*) AS n FROM events GROUP BY w", "CAST(host AS DATETIME)"},
		{"SELECT HOP(ts, INTERVAL 2 MINUTE, INTERVAL 5 MINUTE) AS w, COUNT(*) AS n FROM events GROUP BY w", "a whole multiple of the slide"},
		{"SELECT HOP(ts, INTERVAL 1 DAY, INTERVAL 1 MONTH) AS w, COUNT(*) AS n FROM events GROUP BY w", "a whole multiple of the slide"},
		{"SELECT HOP(ts, INTERVAL 1 FORTNIGHT, INTERVAL 1 MONTH) AS w, COUNT(*) AS n FROM events GROUP BY w", "expected SECOND, MINUTE"},
		{"SELECT HOP(ts, INTERVAL 1 SECOND, INTERVAL 1001 SECOND) AS w, COUNT(*) AS n FROM events GROUP BY w", "each record would make 1001 rows, but the limit is 1000"},
		{"SELECT HOP(ts, INTERVAL 1 SECOND, INTERVAL 1 MINUTE) AS w, HOP(ts, INTERVAL 1 DAY, INTERVAL 20 DAY) AS v, COUNT(*) AS n FROM events GROUP BY w, v", "each record would make 1200 rows"},
	} {
		o := DefaultOptions()
		o.Format = "combined"
		if _, err := Compile("INSERT INTO t "+c.text, o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s\n  got       %v\n  expected  %q", c.text, err, c.want)
		}
	}
	plan(t, "combined", "INSERT INTO t SELECT HOP(ts, INTERVAL 1 SECOND, INTERVAL 1000 SECOND) AS w, COUNT(*) AS n FROM events GROUP BY w")
}

// The windows of a record are found and written without allocating.
func TestHop_allocatesNothing(t *testing.T) {
	f := plan(t, "combined", `INSERT INTO t SELECT HOP(ts, INTERVAL 1 MINUTE, INTERVAL 1 HOUR) AS w, HOP(_timestamp, INTERVAL 1 DAY, INTERVAL 3 DAY) AS d, status, COUNT(*) AS n, SUM(bytes) AS b
		FROM events WHERE method = 'GET' GROUP BY w, d, status`).NewFold()
	other := strings.Replace(line(200, "5"), "10:05:03", "10:09:03", 1)
	records := []batch.Record{{Value: []byte(line(200, "5"))}, {Value: []byte(other)}}
	var tally batch.Tally
	f.Add(part, records, &tally)
	if n := testing.AllocsPerRun(100, func() { f.Add(part, records, &tally) }); n != 0 || tally.Counted == 0 {
		t.Errorf("got %v allocations, expected none", n)
	}
	if rows := f.Take().Tables[0].Len(); rows != 3*64 {
		t.Errorf("got %d rows, expected %d", rows, 3*64)
	}
}
