package query

// tumble compiles TUMBLE(time, INTERVAL n unit): the first instant of the window that the time is in, by the calendar of
// --time-zone.
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
	switch x.kind {
	case kTime:
	case kNull:
		return c.fail(x.src, "is NULL, and a time is wanted")
	default:
		return c.fail(x.src, "is %s, and a time is wanted: write FROM_UNIXTIME(%s) for seconds since 1970", x.kind, x.src.text)
	}
	cal := newCalendar(c.zone, iv.name, n)
	if cal == nil {
		return c.fail(e, "the unit %s is not supported: want SECOND, MINUTE, HOUR, DAY, WEEK, MONTH, QUARTER or YEAR", iv.name)
	}
	// Most records are in the window of the one before.
	eval, slot := x.eval, c.windows
	c.windows++
	out := compiled{typ: typ{kind: kTime, null: x.null}, constant: x.constant, src: e}
	out.eval = func(r *rec) value {
		v := eval(r)
		if !v.set {
			return v
		}
		if slot >= len(r.windows) {
			return timeValue(cal.window(v.micros()).start) // a constant of the query
		}
		w := &r.windows[slot]
		if at := v.micros(); at < w.from || at >= w.until {
			*w = cal.window(at)
		}
		v.num.Lo = uint64(w.start)
		return v
	}
	return out
}
