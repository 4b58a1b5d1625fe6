package value

import (
	"time"

	"github.com/sluice-etl/sluice/row"
)

// Durations in microseconds.
const (
	Second = int64(1e6)
	Minute = 60 * Second
	Hour   = 60 * Minute
	Day    = 24 * Hour
)

// The range of MySQL's DATETIME, in microseconds since 1970-01-01 UTC, inclusive.
var (
	MinTime = row.MinDatetime
	MaxTime = row.MaxDatetime
)

// CivilDays returns the number of days from 1970-01-01 to a date of the Gregorian calendar. Months below 1 or above 12
// are in the years before or after y.
func CivilDays(y, m, d int64) int64 {
	y += FloorDiv(m-1, 12)
	m = m - 1 - FloorDiv(m-1, 12)*12 + 1
	// Years begin in March, so that the leap day is the last of its year; eras are 400 years.
	if m <= 2 {
		y--
		m += 12
	}
	era := FloorDiv(y, 400)
	yoe := y - era*400
	doy := (153*(m-3)+2)/5 + d - 1
	return era*146097 + yoe*365 + yoe/4 - yoe/100 + doy - 719468
}

// daysIn returns the number of days of a month, 1 to 12.
func daysIn(y, m int64) int64 { return CivilDays(y, m+1, 1) - CivilDays(y, m, 1) }

// FloorDiv returns a / b rounded down; b must be positive.
func FloorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// OffsetAt returns a zone's offset from UTC at an instant, both in microseconds.
func OffsetAt(zone *time.Location, micros int64) int64 {
	if zone == time.UTC {
		return 0
	}
	_, off := time.UnixMicro(micros).In(zone).Zone()
	return int64(off) * Second
}

// Resolve returns the instant, in microseconds since 1970-01-01 UTC, at which the clocks of a zone show local, which is
// in microseconds since 1970-01-01 on these clocks. If the clocks show it twice, it returns the first of the two
// instants. If they never show it, it returns the instant at which they would have shown it without the change.
func Resolve(zone *time.Location, local int64) int64 {
	before, after := OffsetAt(zone, local-Day), OffsetAt(zone, local+Day)
	if before == after && OffsetAt(zone, local-before) == before {
		return local - before // nearly always
	}
	first, found := int64(0), false
	for _, off := range [...]int64{before, after, OffsetAt(zone, local-before), OffsetAt(zone, local-after)} {
		if at := local - off; OffsetAt(zone, at) == off && (!found || at < first) {
			first, found = at, true
		}
	}
	if !found {
		return local - min(before, after)
	}
	return first
}

// AppendTime appends an instant as MySQL shows a DATETIME in UTC, with scale digits (0 to 6) of the second's fraction.
func AppendTime(dst []byte, micros int64, scale int) []byte {
	layout := "2006-01-02 15:04:05.000000"
	if scale == 0 {
		scale = -1
	}
	return time.UnixMicro(micros).UTC().AppendFormat(dst, layout[:len(layout)-6+scale])
}

// FloorMod returns the remainder of FloorDiv, from 0 to b-1; b must be positive.
func FloorMod(a, b int64) int64 { return a - FloorDiv(a, b)*b }
