package window

import (
	"math"
	"time"

	"github.com/sluice-etl/sluice/fold/value"
)

// Calendar divides time into windows of one length, by the clocks of one zone. It is safe for concurrent use.
//
// A window is a range of local time, from s up to but not including s + n. It is identified by its start: the first
// instant at which the zone's clocks show a time of that range. If clocks change, this means:
//
//   - Clocks are set forward and never show s: the window starts at the moment of the change.
//   - Clocks are turned back, and n is whole days, months or years: the window is every instant that has a date of the
//     window. So a date is in one window, even where its midnight comes twice or comes again after the next date has
//     begun.
//   - Clocks are turned back, and n is shorter than a day or not a whole number of days: a window is an uninterrupted
//     run of time. If clocks are turned back to a time of the same window, the window continues and is longer.
//     Otherwise the times that clocks show again are in another window, which starts at the moment of the change. An
//     hour that is shown twice from its beginning to its end is two windows, too.
//
// So every instant is in [start, start + n) on local clocks, and distinct windows have distinct starts.
type Calendar struct {
	zone  *time.Location
	grid  grid
	dates bool // each window is a number of whole days
}

// grid finds the window of a local time on clocks that never change: from its first microsecond up to but not including
// until.
type grid func(local int64) (from, until int64)

// Span is a part of a window in which the zone's offset does not change: [From, Until). Start is the first instant of
// the whole window, at or before From. All are microseconds since 1970-01-01 UTC.
type Span struct{ From, Until, Start int64 }

// fixed holds the units that have a fixed length on clocks that never change, in microseconds, and monthsOf the others,
// in months.
var (
	fixed    = map[string]int64{"second": value.Second, "minute": value.Minute, "hour": value.Hour, "day": value.Day, "week": 7 * value.Day}
	monthsOf = map[string]int64{"month": 1, "quarter": 3, "year": 12}
)

// NewCalendar creates the calendar of windows of n units each: second, minute, hour, day, week, month, quarter or year.
// n must be at least 1. It returns nil for any other unit.
func NewCalendar(zone *time.Location, unit string, n int64) *Calendar {
	if m := monthsOf[unit]; m > 0 {
		return &Calendar{zone, months(m * n), true}
	}
	length, origin := fixed[unit]*n, int64(0)
	if length == 0 {
		return nil
	}
	if unit == "week" {
		origin = 4 * value.Day // 1970-01-05 was a Monday
	}
	return &Calendar{zone, func(local int64) (from, until int64) {
		from = value.FloorDiv(local-origin, length)*length + origin
		return from, from + length
	}, length%value.Day == 0}
}

// months returns the grid of windows of n months, counted from January of year 1.
func months(n int64) grid {
	const bound = 12 * 100_000 // far outside the range of DATETIME, and within 64 bits of microseconds
	begins := func(m int64) int64 {
		m = min(max(m, -bound), bound)
		return value.CivilDays(1+value.FloorDiv(m, 12), 1+value.FloorMod(m, 12), 1) * value.Day
	}
	return func(local int64) (from, until int64) {
		t := time.UnixMicro(local).UTC()
		m := value.FloorDiv(int64(t.Year()-1)*12+int64(t.Month()-1), n) * n
		return begins(m), begins(m + n)
	}
}

// maxOffset is larger than any zone's offset from UTC.
const maxOffset = 2 * value.Day

// Find finds the window of an instant, and the part of the window around it in which the zone's offset does not change.
func (c *Calendar) Find(at int64) Span {
	from, until, off := zoneSpan(c.zone, at)
	s, e := c.grid(at + off)
	w := Span{From: max(from, s-off), Until: min(until, e-off)}
	w.Start = w.From
	if c.dates {
		// Look at every earlier period in which clocks can have shown a time of the window.
		for from > s-maxOffset {
			before, _, off := zoneSpan(c.zone, from-1)
			if before+off < e && from+off > s {
				w.Start = max(before, s-off)
			}
			from = before
		}
		return w
	}
	// Look at earlier periods for as long as the window was not left between them.
	for from >= s-off {
		before, _, was := zoneSpan(c.zone, from-1)
		left, _ := c.grid(from - 1 + was)
		if left != s || was-off >= e-s {
			break
		}
		from, off = before, was
		w.Start = max(from, s-off)
	}
	return w
}

// zoneSpan returns the period around an instant in which a zone's offset from UTC does not change (until is exclusive),
// and that offset, all in microseconds.
func zoneSpan(zone *time.Location, at int64) (from, until, off int64) {
	from, until = math.MinInt64/2, math.MaxInt64/2 // offsets are added to both
	if zone == time.UTC {
		return from, until, 0
	}
	t := time.UnixMicro(at).In(zone)
	begin, end := t.ZoneBounds()
	if !begin.IsZero() {
		from = begin.UnixMicro()
	}
	if !end.IsZero() {
		until = end.UnixMicro()
	}
	return from, until, value.OffsetAt(zone, at)
}
