package query

import (
	"github.com/sluice-etl/sluice/fold/value"
	"github.com/sluice-etl/sluice/fold/window"
)

// tumble compiles TUMBLE(time, INTERVAL n unit): the first instant of the window that the time is in, by the calendar of
// --time-zone.
func (c *compiler) tumble(e *expr) compiled {
	iv := e.args[1]
	if iv.op != opInterval {
		return c.fail(e, "want TUMBLE(time, INTERVAL n unit), such as TUMBLE(ts, INTERVAL 1 MINUTE)")
	}
	n, whole := value.ParseDigits([]byte(iv.args[0].name))
	if (iv.args[0].op != opInt && iv.args[0].op != opText) || !whole || n < 1 || n > 1e6 {
		return c.fail(e, "want an INTERVAL of a whole number from 1 to 1000000")
	}
	x := c.expr(e.args[0])
	if x.Kind == value.KindJSON {
		x = c.castTime(c.text(x), 6)
	}
	x = c.timeLiteral(x)
	switch x.Kind {
	case value.KindTime:
	case value.KindNull:
		return c.fail(x.src, "is NULL, and a time is wanted")
	default:
		return c.fail(x.src, "is %s, and a time is wanted: write FROM_UNIXTIME(%s) for seconds since 1970", x.Kind, x.src.text)
	}
	cal := window.NewCalendar(c.zone, iv.name, n)
	if cal == nil {
		return c.fail(e, "the unit %s is not supported: want SECOND, MINUTE, HOUR, DAY, WEEK, MONTH, QUARTER or YEAR", iv.name)
	}
	// Most records are in the window of the one before.
	eval, slot := x.eval, c.windows
	c.windows++
	out := compiled{Type: value.Type{Kind: value.KindTime, Nullable: x.Nullable}, constant: x.constant, src: e}
	out.eval = func(r *rec) value.Value {
		v := eval(r)
		if !v.Set {
			return v
		}
		if slot >= len(r.windows) {
			return value.Time(cal.Find(v.Micros()).Start) // a constant of the query
		}
		w := &r.windows[slot]
		if at := v.Micros(); at < w.From || at >= w.Until {
			*w = cal.Find(at)
		}
		v.Number.Lo = uint64(w.Start)
		return v
	}
	return out
}
