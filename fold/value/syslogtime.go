package value

import "time"

// SyslogTimeLength returns the length of the time of RFC 3164 with which b begins, such as May 17 10:05:03; 0 if there
// is none. One or two spaces precede a day of one digit. The numbers are checked when the time is parsed.
func SyslogTimeLength(b []byte) int {
	const n = len("May 17 10:05:03")
	if len(b) < n-1 || b[3] != ' ' {
		return 0
	}
	if _, ok := month(b[:3]); !ok {
		return 0
	}
	length := n
	if b[4] != ' ' && b[5] == ' ' {
		length-- // May 7 10:05:03
	}
	if len(b) < length || b[length-9] != ' ' || b[length-6] != ':' || b[length-3] != ':' {
		return 0
	}
	return length
}

// ParseSyslogTime reads a time of RFC 3164 in a zone, as microseconds since 1970-01-01 UTC. Its year is the last in which
// the time is at most 31 days after near, so that a sender's clock may be ahead.
func ParseSyslogTime(b []byte, near int64, zone *time.Location) (micros int64, ok bool) {
	if len(b) == 0 || SyslogTimeLength(b) != len(b) {
		return 0, false
	}
	m, _ := month(b[:3])
	clock := b[len(b)-8:]
	var d int64
	if day := b[4 : len(b)-9]; len(day) == 1 || day[0] == ' ' {
		d = int64(day[len(day)-1] - '0')
		ok = d <= 9
	} else {
		d, ok = twoDigits(day)
	}
	hh, ok1 := twoDigits(clock)
	mm, ok2 := twoDigits(clock[3:])
	ss, ok3 := twoDigits(clock[6:])
	if !ok || !ok1 || !ok2 || !ok3 || hh > 23 || mm > 59 || ss > 60 || d < 1 {
		return 0, false
	}
	y := int64(time.UnixMicro(near).In(zone).Year()) + 1
	for range 10 { // February 29 may be eight years ago
		if d <= daysIn(y, m) {
			micros = Resolve(zone, CivilDays(y, m, d)*Day+hh*Hour+mm*Minute+ss*Second)
			if micros <= near+31*Day {
				return micros, true
			}
		}
		y--
	}
	return 0, false
}
