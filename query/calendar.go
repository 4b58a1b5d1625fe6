package query

import (
	"math"
	"time"
)

// calendar finds the windows of one TUMBLE in one zone.
//
// A window is a stretch of local time, from s up to s + n, and its row's key is the first instant at which the zone's
// clocks show a time of that stretch. Three things follow where clocks are set:
//
//   - Forward: where clocks never show s, the window begins at the moment at which they were set.
//   - Back, and n is whole days, months or years: the window is every instant with a date of the window, so that a date
//     has one row, even where its midnight comes twice or comes again after the next date has begun.
//   - Back, and n is something shorter or between: a window is a run of time without interruption. Where clocks are
//     set from within a window back into the same window, it continues and is longer. Else what clocks show again is
//     another window, which begins at the moment at which they were set. An hour that is shown twice from its beginning
//     to its end is two windows, too.
//
// So each record is in [start, start + n) on local clocks, and distinct windows have distinct starts.
type calendar struct {
	zone  *time.Location
	grid  grid
	dates bool // the windows are made of whole days
}

// grid finds the window of a local time on clocks that are never set: from and until, which is not in it.
type grid func(local int64) (from, until int64)

// span is the part of a window in which the zone's offset does not change: [from, until). The window's first instant
// is start, at or before from.
type span struct{ from, until, start int64 }

// newCalendar returns nil for a unit that it does not know.
func newCalendar(zone *time.Location, unit string, n int64) *calendar {
	length, origin := int64(0), int64(0)
	switch unit {
	case "second":
		length = n * second
	case "minute":
		length = n * minute
	case "hour":
		length = n * hour
	case "day":
		length = n * day
	case "week":
		length, origin = n*7*day, 4*day // 1970-01-05 was a Monday
	case "month":
		return &calendar{zone, months(n), true}
	case "quarter":
		return &calendar{zone, months(3 * n), true}
	case "year":
		return &calendar{zone, months(12 * n), true}
	default:
		return nil
	}
	return &calendar{zone, func(local int64) (from, until int64) {
		from = floorDiv(local-origin, length)*length + origin
		return from, from + length
	}, length%day == 0}
}

// months counts n months at a time from January of year 1.
func months(n int64) grid {
	const bound = 12 * 100_000 // far outside of DATETIME, and within 64 bits of microseconds
	begins := func(m int64) int64 {
		m = min(max(m, -bound), bound)
		return civilDays(1+floorDiv(m, 12), 1+modFloor(m, 12), 1) * day
	}
	return func(local int64) (from, until int64) {
		t := time.UnixMicro(local).UTC()
		m := floorDiv(int64(t.Year()-1)*12+int64(t.Month()-1), n) * n
		return begins(m), begins(m + n)
	}
}

// maxOffset is more than any zone's distance from UTC.
const maxOffset = 2 * day

// window finds the window of an instant.
func (c *calendar) window(at int64) span {
	from, until, off := zoneSpan(c.zone, at)
	s, e := c.grid(at + off)
	w := span{from: max(from, s-off), until: min(until, e-off)}
	w.start = w.from
	if c.dates {
		// Every earlier period in which clocks can have shown a time of the window.
		for from > s-maxOffset {
			before, _, off := zoneSpan(c.zone, from-1)
			if before+off < e && from+off > s {
				w.start = max(before, s-off)
			}
			from = before
		}
		return w
	}
	// Earlier periods, while the window was not left between them.
	for from >= s-off {
		before, _, was := zoneSpan(c.zone, from-1)
		left, _ := c.grid(from - 1 + was)
		if left != s || was-off >= e-s {
			break
		}
		from, off = before, was
		w.start = max(from, s-off)
	}
	return w
}

// zoneSpan is the period around an instant in which a zone's distance from UTC does not change, and that distance, all
// in microseconds. until is not in it.
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
	return from, until, offsetAt(zone, at)
}
