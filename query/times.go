package query

import (
	"time"

	"github.com/sluice-etl/sluice/row"
)

const (
	second = int64(1e6) // in microseconds
	minute = 60 * second
	hour   = 60 * minute
	day    = 24 * hour
)

// The range of MySQL's DATETIME, in microseconds since 1970 UTC.
var minTime, maxTime = row.MinDatetime, row.MaxDatetime

// civilDays is the number of days from 1970-01-01 to a date of the Gregorian calendar. The month may be out of its
// range.
func civilDays(y, m, d int64) int64 {
	y += floorDiv(m-1, 12)
	m = m - 1 - floorDiv(m-1, 12)*12 + 1
	// Years begin in March, so that the leap day is the last of its year; eras are 400 years.
	if m <= 2 {
		y--
		m += 12
	}
	era := floorDiv(y, 400)
	yoe := y - era*400
	doy := (153*(m-3)+2)/5 + d - 1
	return era*146097 + yoe*365 + yoe/4 - yoe/100 + doy - 719468
}

// daysIn is the number of days of a month, 1 to 12.
func daysIn(y, m int64) int64 { return civilDays(y, m+1, 1) - civilDays(y, m, 1) }

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// offsetAt is a zone's distance from UTC at an instant, both in microseconds.
func offsetAt(zone *time.Location, micros int64) int64 {
	if zone == time.UTC {
		return 0
	}
	_, off := time.UnixMicro(micros).In(zone).Zone()
	return int64(off) * second
}

// resolve is the instant at which a zone's clocks show local (microseconds since 1970 on these clocks): the first one
// where they show it twice. Where they never show it, it is the instant at which they would, had they not been changed.
func resolve(zone *time.Location, local int64) int64 {
	before, after := offsetAt(zone, local-day), offsetAt(zone, local+day)
	if before == after && offsetAt(zone, local-before) == before {
		return local - before // nearly always
	}
	first, found := int64(0), false
	for _, off := range [...]int64{before, after, offsetAt(zone, local-before), offsetAt(zone, local-after)} {
		if at := local - off; offsetAt(zone, at) == off && (!found || at < first) {
			first, found = at, true
		}
	}
	if !found {
		return local - min(before, after)
	}
	return first
}

// stampCache remembers the last minute that was read: log lines come many to the minute.
type stampCache struct {
	day    [17]byte // 17/May/2015:10:05
	zone   [6]byte  // " +0000"
	micros int64
}

// clfTime reads 17/May/2015:10:05:03 +0000; without the zone it is in r.zone.
func (r *rec) clfTime(b []byte) (micros int64, ok bool) {
	if len(b) != 26 {
		if len(b) != 20 {
			return 0, false
		}
		local, ok := clfMinute(b)
		sec, secOK := twoDigits(b[18:])
		if !ok || !secOK || b[17] != ':' || sec > 60 {
			return 0, false
		}
		local += sec * second
		return resolve(r.zone, local), true
	}
	sec, ok := twoDigits(b[18:])
	if !ok || b[17] != ':' || sec > 60 {
		return 0, false
	}
	c := &r.stamp
	if [17]byte(b) != c.day || [6]byte(b[20:]) != c.zone {
		base, ok := clfMinute(b)
		off, offOK := zoneOffset(b[21:])
		if !ok || !offOK || b[20] != ' ' {
			return 0, false
		}
		c.day, c.zone, c.micros = [17]byte(b), [6]byte(b[20:]), base-off
	}
	return c.micros + sec*second, true
}

// clfMinute reads 17/May/2015:10:05 as if it were UTC.
func clfMinute(b []byte) (micros int64, ok bool) {
	d, ok1 := twoDigits(b)
	m, ok2 := month(b[3:6])
	y1, ok3 := twoDigits(b[7:])
	y2, ok4 := twoDigits(b[9:])
	hh, ok5 := twoDigits(b[12:])
	mm, ok6 := twoDigits(b[15:])
	y := y1*100 + y2
	if !ok1 || !ok2 || !ok3 || !ok4 || !ok5 || !ok6 || b[2] != '/' || b[6] != '/' || b[11] != ':' || b[14] != ':' ||
		hh > 23 || mm > 59 || d < 1 || d > daysIn(y, m) {
		return 0, false
	}
	return civilDays(y, m, d)*day + hh*hour + mm*minute, true
}

func twoDigits(b []byte) (v int64, ok bool) {
	x, y := b[0]-'0', b[1]-'0'
	return int64(x)*10 + int64(y), x < 10 && y < 10
}

func month(b []byte) (m int64, ok bool) {
	for i, name := range [...]string{"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"} {
		if string(b) == name {
			return int64(i + 1), true
		}
	}
	return 0, false
}

// zoneOffset reads +0000 or +00:00.
func zoneOffset(b []byte) (micros int64, ok bool) {
	if len(b) == 6 && b[3] == ':' {
		b = []byte{b[0], b[1], b[2], b[4], b[5]}
	}
	if len(b) != 5 || (b[0] != '+' && b[0] != '-') {
		return 0, false
	}
	h, ok1 := twoDigits(b[1:])
	m, ok2 := twoDigits(b[3:])
	if !ok1 || !ok2 || h > 15 || m > 59 {
		return 0, false
	}
	micros = h*hour + m*minute
	if b[0] == '-' {
		micros = -micros
	}
	return micros, true
}

// parseTime reads a date, or a date and a time: 2015-05-17, 2015-05-17 10:05:03.25, 2015-05-17T10:05:03+02:00. A time
// without a zone is in zone. Digits past the sixth behind the point are cut.
func parseTime(b []byte, zone *time.Location) (micros int64, ok bool) {
	b = trimSpace(b)
	if len(b) < 10 || b[4] != '-' || b[7] != '-' {
		return 0, false
	}
	y1, ok1 := twoDigits(b)
	y2, ok2 := twoDigits(b[2:])
	m, ok3 := twoDigits(b[5:])
	d, ok4 := twoDigits(b[8:])
	y := y1*100 + y2
	if !ok1 || !ok2 || !ok3 || !ok4 || m < 1 || m > 12 || d < 1 || d > daysIn(y, m) {
		return 0, false
	}
	local := civilDays(y, m, d) * day
	b = b[10:]
	if len(b) > 0 {
		if len(b) < 6 || (b[0] != ' ' && b[0] != 'T') || b[3] != ':' {
			return 0, false
		}
		hh, ok1 := twoDigits(b[1:])
		mm, ok2 := twoDigits(b[4:])
		if !ok1 || !ok2 || hh > 23 || mm > 59 {
			return 0, false
		}
		local += hh*hour + mm*minute
		b = b[6:]
		if len(b) >= 3 && b[0] == ':' {
			ss, ok := twoDigits(b[1:])
			if !ok || ss > 60 {
				return 0, false
			}
			local += ss * second
			b = b[3:]
			if len(b) > 1 && (b[0] == '.' || b[0] == ',') {
				unit := second
				for b = b[1:]; len(b) > 0 && b[0]-'0' < 10; b = b[1:] {
					unit /= 10
					local += int64(b[0]-'0') * unit
				}
			}
		}
	}
	switch {
	case len(b) == 0:
		return resolve(zone, local), true
	case len(b) == 1 && b[0] == 'Z':
		return local, true
	}
	off, ok := zoneOffset(trimSpace(b))
	return local - off, ok
}

// appendTime writes an instant as MySQL shows a DATETIME in UTC, with scale digits of the second's fraction.
func appendTime(dst []byte, micros int64, scale int) []byte {
	layout := "2006-01-02 15:04:05.000000"
	if scale == 0 {
		scale = -1
	}
	return time.UnixMicro(micros).UTC().AppendFormat(dst, layout[:len(layout)-6+scale])
}
