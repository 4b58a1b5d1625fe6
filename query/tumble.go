package query

import (
	"time"
)

// tumble compiles TUMBLE(time, INTERVAL n unit): the beginning of the window that the time is in. Windows are those of
// the calendar in --time-zone: n seconds, minutes or hours count from midnight of 1970-01-01 there (so that 15 minutes
// or 6 hours count from every midnight), days from that day, weeks from Mondays, months and years from January of year
// 1. Where clocks are set, a window that holds the moment is shorter or longer; an hour that clocks show twice is two
// windows.
func (c *compiler) tumble(e *expr) compiled {
	iv := e.args[1]
	if iv.op != opInterval {
		return c.fail(e, "want TUMBLE(time, INTERVAL n unit), such as TUMBLE(ts, INTERVAL 1 MINUTE)")
	}
	n, whole := parseSmall([]byte(iv.args[0].name))
	if (iv.args[0].op != opInt && iv.args[0].op != opText) || !whole || n < 1 || n > 1e6 {
		return c.fail(e, "want an INTERVAL of a whole number from 1 to 1000000")
	}
	x := c.expr(e.args[0])
	if x.kind == kJSON {
		x = c.castTime(c.text(x), 6)
	}
	x = c.timeLiteral(x)
	if x.kind != kTime {
		return c.fail(e, "%s is %s, and a time is wanted: write CAST(… AS DATETIME), or FROM_UNIXTIME(seconds)", e.args[0].text, x.kind)
	}
	floor := localFloor(iv.name, n)
	if floor == nil {
		return c.fail(e, "the unit %s is not supported: want SECOND, MINUTE, HOUR, DAY, WEEK, MONTH, QUARTER or YEAR", iv.name)
	}
	eval, zone := x.eval, c.zone
	out := compiled{typ: typ{kind: kTime, null: x.null}, constant: x.constant, src: e}
	if zone == time.UTC {
		out.eval = func(r *rec) value {
			v := eval(r)
			if v.set {
				v.num.Lo = uint64(floor(v.micros()))
			}
			return v
		}
		return out
	}
	out.eval = func(r *rec) value {
		v := eval(r)
		if v.set {
			v.num.Lo = uint64(windowStart(zone, v.micros(), floor))
		}
		return v
	}
	return out
}

// windowStart is the instant at which the window of another instant began.
func windowStart(zone *time.Location, micros int64, floor func(int64) int64) int64 {
	off := offsetAt(zone, micros)
	return resolve(zone, floor(micros+off), off)
}

// localFloor makes the function that finds the beginning of a window on clocks that are never set. It returns nil for
// a unit that it does not know.
func localFloor(unit string, n int64) func(local int64) int64 {
	multiple := func(length, origin int64) func(int64) int64 {
		return func(local int64) int64 { return floorDiv(local-origin, length)*length + origin }
	}
	months := func(n int64) func(int64) int64 {
		return func(local int64) int64 {
			t := time.UnixMicro(local).UTC()
			m := floorDiv(int64(t.Year()-1)*12+int64(t.Month()-1), n) * n
			return civilDays(1+floorDiv(m, 12), 1+modFloor(m, 12), 1) * day
		}
	}
	switch unit {
	case "second":
		return multiple(n*second, 0)
	case "minute":
		return multiple(n*minute, 0)
	case "hour":
		return multiple(n*hour, 0)
	case "day":
		return multiple(n*day, 0)
	case "week":
		return multiple(n*7*day, 4*day) // 1970-01-05 was a Monday
	case "month":
		return months(n)
	case "quarter":
		return months(3 * n)
	case "year":
		return months(12 * n)
	}
	return nil
}
