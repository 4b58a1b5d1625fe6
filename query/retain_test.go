package query

import (
	"strings"
	"testing"
	"time"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/internal/option"
	"github.com/sluice-etl/sluice/row"
)

// retention parses the value of --retain.
func retention(t testing.TB, text string) (r option.Retention) {
	t.Helper()
	if err := r.UnmarshalText([]byte(text)); err != nil {
		t.Fatal(err)
	}
	return r
}

// A table can be retained if the start of a window is a column of its key, and what clients read is whole windows.
func TestRetained(t *testing.T) {
	t.Parallel()
	const minute = "INSERT INTO t SELECT TUMBLE(ts, INTERVAL 1 MINUTE) AS m, k, COUNT(*) AS n FROM events GROUP BY k, m"
	const plain = "INSERT INTO u SELECT k, COUNT(*) AS n FROM events GROUP BY k"
	for name, c := range map[string]struct{ query, retain, want string }{
		"one":                    {minute, "90d", "t=2160h0m0s"},
		"named":                  {minute + ";" + plain, "T=90d", "t=2160h0m0s"},
		"HOP":                    {"INSERT INTO t SELECT HOP(ts, INTERVAL 1 HOUR, INTERVAL 1 DAY) AS h, COUNT(*) AS n FROM events GROUP BY h", "1h", "t=1h0m0s"},
		"DATE":                   {"INSERT INTO t SELECT DATE(ts) AS d, COUNT(*) AS n FROM events GROUP BY d", "1h", "t=1h0m0s"},
		"a window of a subquery": {"INSERT INTO t SELECT m, COUNT(*) AS n FROM (SELECT TUMBLE(ts, INTERVAL 1 HOUR) AS m FROM events) AS x GROUP BY m", "1h", "t=1h0m0s"},
		"HAVING":                 {minute + " HAVING COUNT(*) > 5", "t=90d", "t__groups=2160h0m0s"},
		"kept values":            {"REPLACE INTO t SELECT TUMBLE(ts, INTERVAL 1 DAY) AS d, k FROM events GROUP BY d", "90d", "t=2160h0m0s"},
		"off":                    {plain, "0s", ""},
		"one without a window":   {minute + ";" + plain, "90d", "!got u: its key has no window"},
		"unknown":                {minute, "hits=90d", "!got hits, expected one of t"},
		"named without a window": {minute + ";" + plain, "t=1d,u=1d", "!got u: its key has no window"},
		"a row for each record":  {"INSERT INTO t SELECT ts, k FROM events", "1d", "!got t: it has a row for each record"},
		"a window as a value":    {"INSERT INTO t SELECT k, MAX(TUMBLE(ts, INTERVAL 1 DAY)) AS d FROM events GROUP BY k", "1d", "!got t: its key has no window"},
		"a time of no window":    {"INSERT INTO t SELECT ts, COUNT(*) AS n FROM events GROUP BY ts", "1d", "!got t: its key has no window"},
		"sessions":               {"INSERT INTO t SELECT SESSION(ts, INTERVAL 30 MINUTE) AS s, COUNT(*) AS n FROM events GROUP BY s", "1d", "!got t: a session has no fixed end"},
		"merged groups":          {"INSERT INTO t SELECT TUMBLE(s, INTERVAL 1 DAY) AS d, MAX(n) AS peak FROM (SELECT TUMBLE(ts, INTERVAL 1 HOUR) AS s, COUNT(*) AS n FROM events GROUP BY s) AS x GROUP BY d", "1d", "!got t: its outer SELECT merges groups"},
		"two statements": {"INSERT INTO t SELECT TUMBLE(ts, INTERVAL 1 DAY) AS w, COUNT(*) AS n FROM events GROUP BY w; " +
			"INSERT INTO t SELECT TUMBLE(ts, INTERVAL 1 MONTH) AS w, COUNT(*) AS n FROM events GROUP BY w", "1h", "t=1h0m0s"},
		"two statements, one without": {"INSERT INTO t SELECT TUMBLE(ts, INTERVAL 1 DAY) AS w, COUNT(*) AS n FROM events GROUP BY w; " +
			"INSERT INTO t SELECT CAST(ts AS DATETIME) AS w, COUNT(*) AS n FROM events GROUP BY w", "1h", "!got t: its key has no window"},
	} {
		got, err := lateness(t, "json", c.query, 0, 0).Retained(retention(t, c.retain))
		if part, fails := strings.CutPrefix(c.want, "!"); fails {
			if err == nil || !strings.Contains(err.Error(), part) {
				t.Errorf("%s: got %v, %v; expected an error with %q", name, got, err, part)
			}
			continue
		}
		text := ""
		for table, keep := range got {
			text += table + "=" + keep.String()
		}
		if err != nil || text != c.want {
			t.Errorf("%s: got %s, %v; expected %s", name, text, err, c.want)
		}
	}
}

// The floor of an instant is the earliest start of a window that has not ended by then. So every window that starts before
// it has ended, and the ones that follow may grow.
func TestP36_windowFloor(t *testing.T) {
	t.Parallel()
	const by = " AS w, COUNT(*) AS n FROM events GROUP BY w"
	for name, c := range map[string]struct{ zone, query, at, want string }{
		"minute":                 {"UTC", "INSERT INTO t SELECT TUMBLE(ts, INTERVAL 5 MINUTE)" + by, "2026-11-28 10:04:59", "2026-11-28 10:00:00"},
		"at a start":             {"UTC", "INSERT INTO t SELECT TUMBLE(ts, INTERVAL 5 MINUTE)" + by, "2026-11-28 10:05:00", "2026-11-28 10:05:00"},
		"month":                  {"UTC", "INSERT INTO t SELECT TUMBLE(ts, INTERVAL 1 MONTH)" + by, "2026-02-28 23:59:59", "2026-02-01 00:00:00"},
		"day of a zone":          {"Europe/Vienna", "INSERT INTO t SELECT DATE(ts)" + by, "2026-11-28 22:59:59", "2026-11-27 23:00:00"},
		"day with 25 hours":      {"Europe/Vienna", "INSERT INTO t SELECT DATE(ts)" + by, "2026-10-25 22:30:00", "2026-10-24 22:00:00"},
		"HOP":                    {"UTC", "INSERT INTO t SELECT HOP(ts, INTERVAL 1 HOUR, INTERVAL 1 DAY)" + by, "2026-11-28 10:30:00", "2026-11-27 11:00:00"},
		"statements into one":    {"UTC", "INSERT INTO t SELECT DATE(ts)" + by + "; INSERT INTO t SELECT TUMBLE(ts, INTERVAL 1 MONTH)" + by, "2026-11-28 10:30:00", "2026-11-01 00:00:00"},
		"the first of two":       {"UTC", "INSERT INTO t SELECT DATE(ts) AS d, TUMBLE(ts, INTERVAL 1 HOUR) AS h, COUNT(*) AS n FROM events GROUP BY h, d", "2026-11-28 10:30:00", "2026-11-28 10:00:00"},
		"windows of windows":     {"UTC", "INSERT INTO t SELECT TUMBLE(DATE(ts), INTERVAL 1 WEEK)" + by, "2026-11-28 10:30:00", "2026-11-23 00:00:00"},
		"a number from a string": {"UTC", "INSERT INTO t SELECT TUMBLE(ts, INTERVAL '2' HOUR)" + by, "2026-11-28 11:30:00", "2026-11-28 10:00:00"},
	} {
		zone, err := time.LoadLocation(c.zone)
		if err != nil {
			t.Fatal(err)
		}
		o := DefaultOptions()
		o.Format, o.TimeZone = "json", zone
		p, err := Compile(c.query, o)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		at, err := time.Parse(time.DateTime, c.at)
		if err != nil {
			t.Fatal(err)
		}
		got := time.UnixMicro(p.Tables()[0].Window.Floor(at.UnixMicro())).UTC().Format(time.DateTime)
		if got != c.want {
			t.Errorf("%s: got %s, expected %s", name, got, c.want)
		}
	}
}

// A record of a window before the low-water mark is a dead letter, whole and for all statements. The mark is that of the
// batch: a fold adopts a new one with the next.
func TestP36_recordsBelowTheMarkAreDead(t *testing.T) {
	t.Parallel()
	p := lateness(t, "json", "INSERT INTO t SELECT k, TUMBLE(ts, INTERVAL 1 HOUR) AS h, COUNT(*) AS n FROM events GROUP BY k, h; "+
		"INSERT INTO u SELECT k, COUNT(*) AS n FROM events GROUP BY k", 0, 0)
	w := p.Tables()[0].Window
	hour := func(h int) int64 { return time.Date(2026, 11, 28, h, 0, 0, 0, time.UTC).UnixMicro() }
	f := p.NewFold()
	var offset int64
	add := func(body string) string {
		t.Helper()
		var tally batch.Tally
		offset++
		f.Add(part, []batch.Record{{Offset: offset, Value: []byte(body)}}, &tally)
		if len(tally.Dead) > 0 {
			return tally.Dead[0].Reason + "|" + tally.Dead[0].Detail
		}
		return []string{"filtered", "counted"}[tally.Counted]
	}
	expect := func(what, got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("%s: got %s, expected %s", what, got, want)
		}
	}
	const nine, ten = `{"k":"a","ts":"2026-11-28 09:59:59"}`, `{"k":"a","ts":"2026-11-28 10:00:00"}`
	expect("without a mark", add(nine), "counted")
	w.SetLow(hour(10))
	expect("within the batch that began without a mark", add(nine), "counted")
	d := f.Take()
	if low := d.Tables[0].Low; low != row.NoLow || d.Tables[1].Low != 0 {
		t.Errorf("the first batch has the marks %d and %d, expected none", low, d.Tables[1].Low)
	}
	const dead = "h is …, before …: earlier windows of t are deleted (option 'retain')|2026-11-28 09:00:00.000000, 2026-11-28 10:00:00.000000"
	expect("before the mark", add(nine), dead)
	expect("at the mark", add(ten), "counted")
	expect("without a time", add(`{"k":"a"}`), "counted")
	d = f.Take()
	if low := d.Tables[0].Low; low != hour(10) {
		t.Errorf("the second batch has the mark %d, expected %d", low, hour(10))
	}
	if n := d.Tables[1].Len(); n != 1 || d.Tables[1].Cells(0)[0].Number != row.FromInt(2) {
		t.Errorf("the other table has %d rows; expected one that counts the two records that are not dead", n)
	}
	for i := range d.Tables[0].Len() {
		if at, ok := d.Tables[0].WindowOf(i); ok && at != hour(10) || !ok && i == 0 {
			t.Errorf("row %d is of the window %d, %v; expected %d, or NULL in the second row", i, at, ok, hour(10))
		}
	}
	expect("again", add(ten), "counted")
	w.SetLow(hour(11))
	if err := f.Restore(t.Context(), []checkpoint.Checkpoint{{Range: checkpoint.Range{Partition: part}}}, nil); err != nil {
		t.Fatal(err)
	}
	expect("after a discard, which adopts the new mark", add(ten), strings.ReplaceAll(strings.ReplaceAll(dead, "10:00", "11:00"), "09:00", "10:00"))
}

// A record of overlapping windows is dead if one of them is deleted, so that its fate is the same in all of them.
func TestP36_oneOfSeveralWindows(t *testing.T) {
	t.Parallel()
	p := lateness(t, "json", "INSERT INTO t SELECT HOP(ts, INTERVAL 1 HOUR, INTERVAL 3 HOUR) AS h, COUNT(*) AS n FROM events GROUP BY h", 0, 0)
	p.Tables()[0].Window.SetLow(time.Date(2026, 11, 28, 10, 0, 0, 0, time.UTC).UnixMicro())
	for body, want := range map[string]string{`{"ts":"2026-11-28 11:59:59"}`: "dead", `{"ts":"2026-11-28 12:00:00"}`: "counted"} {
		got := fate(p, batch.Record{Value: []byte(body)})
		if strings.Contains(got, "option 'retain'") {
			got = "dead"
		}
		if got != want {
			t.Errorf("%s: got %s, expected %s", body, got, want)
		}
	}
}
