package value

import "time"

// LogTimes reads the times of access logs. It remembers the minute that it read last, because many log lines have the
// same minute. It is unsafe for concurrent use.
type LogTimes struct {
	// Zone is for times that are written without one. It must not be nil.
	Zone *time.Location

	minute [17]byte // 17/May/2015:10:05
	suffix [6]byte  // " +0000"
	micros int64    // of second 0
}

// Parse reads 17/May/2015:10:05:03 +0000, or the same without the zone, as microseconds since 1970-01-01 UTC.
func (t *LogTimes) Parse(b []byte) (micros int64, ok bool) {
	if len(b) != 26 {
		if len(b) != 20 {
			return 0, false
		}
		local, ok := clfMinute(b)
		sec, secOK := twoDigits(b[18:])
		if !ok || !secOK || b[17] != ':' || sec > 60 {
			return 0, false
		}
		local += sec * Second
		return Resolve(t.Zone, local), true
	}
	sec, ok := twoDigits(b[18:])
	if !ok || b[17] != ':' || sec > 60 {
		return 0, false
	}
	if [17]byte(b) != t.minute || [6]byte(b[20:]) != t.suffix {
		base, ok := clfMinute(b)
		off, offOK := zoneOffset(b[21:])
		if !ok || !offOK || b[20] != ' ' {
			return 0, false
		}
		t.minute, t.suffix, t.micros = [17]byte(b), [6]byte(b[20:]), base-off
	}
	return t.micros + sec*Second, true
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
	return CivilDays(y, m, d)*Day + hh*Hour + mm*Minute, true
}

// twoDigits reads the two digits that b begins with.
func twoDigits(b []byte) (v int64, ok bool) {
	x, y := b[0]-'0', b[1]-'0'
	return int64(x)*10 + int64(y), x < 10 && y < 10
}

// month reads the English abbreviation of a month.
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
	micros = h*Hour + m*Minute
	if b[0] == '-' {
		micros = -micros
	}
	return micros, true
}

// ParseTime reads a date, or a date and a time, as microseconds since 1970-01-01 UTC: 2015-05-17, 2015-05-17
// 10:05:03.25, 2015-05-17T10:05:03+02:00. A time without a zone is in zone. Digits beyond the sixth of a second's
// fraction are cut.
func ParseTime(b []byte, zone *time.Location) (micros int64, ok bool) {
	b = TrimSpace(b)
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
	local := CivilDays(y, m, d) * Day
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
		local += hh*Hour + mm*Minute
		b = b[6:]
		if len(b) >= 3 && b[0] == ':' {
			ss, ok := twoDigits(b[1:])
			if !ok || ss > 60 {
				return 0, false
			}
			local += ss * Second
			b = b[3:]
			if len(b) > 1 && (b[0] == '.' || b[0] == ',') {
				unit := Second
				for b = b[1:]; len(b) > 0 && b[0]-'0' < 10; b = b[1:] {
					unit /= 10
					local += int64(b[0]-'0') * unit
				}
			}
		}
	}
	switch {
	case len(b) == 0:
		return Resolve(zone, local), true
	case len(b) == 1 && b[0] == 'Z':
		return local, true
	}
	off, ok := zoneOffset(TrimSpace(b))
	return local - off, ok
}
