package query

import (
	"github.com/sluice-etl/sluice/fold"
	"github.com/sluice-etl/sluice/fold/value"
	"github.com/sluice-etl/sluice/fold/window"
	"github.com/sluice-etl/sluice/query/ast"
)

// tumble compiles TUMBLE(time, INTERVAL n unit): the first instant of the window that the time is in, by the calendar of
// --time-zone.
func (c *compiler) tumble(e *ast.Expr) compiled {
	iv := e.Args[1]
	if iv.Op != ast.OpInterval {
		return c.fail(e, "expected TUMBLE(time, INTERVAL n unit), such as TUMBLE(ts, INTERVAL 1 MINUTE)")
	}
	n, whole := value.ParseDigits([]byte(iv.Args[0].Name))
	if (iv.Args[0].Op != ast.OpInt && iv.Args[0].Op != ast.OpText) || !whole || n < 1 || n > 1e6 {
		return c.fail(e, "expected an INTERVAL of a whole number from 1 to 1000000")
	}
	x := c.expr(e.Args[0])
	if x.Kind == value.KindJSON {
		x = c.castTime(c.text(x), 6)
	}
	x = c.timeLiteral(x)
	switch x.Kind {
	case value.KindTime:
	case value.KindNull:
		return c.fail(x.src, "is NULL, but a time is expected")
	default:
		return c.fail(x.src, "is %s, but a time is expected: write FROM_UNIXTIME(%s) for seconds since 1970", x.Kind, x.src.Text)
	}
	cal := window.NewCalendar(c.zone, iv.Name, n)
	if cal == nil {
		return c.fail(e, "the unit %s is not supported: expected SECOND, MINUTE, HOUR, DAY, WEEK, MONTH, QUARTER or YEAR", iv.Name)
	}
	// Most records are in the window of the one before.
	eval, slot := x.eval, c.windows
	c.windows++
	out := compiled{Type: value.Type{Kind: value.KindTime, Nullable: x.Nullable}, constant: x.constant, src: e}
	out.eval = func(r *fold.Env) value.Value {
		v := eval(r)
		if !v.Set {
			return v
		}
		if slot >= len(r.Windows) {
			return value.Time(cal.Find(v.Micros()).Start) // a constant of the query
		}
		w := &r.Windows[slot]
		if at := v.Micros(); at < w.From || at >= w.Until {
			*w = cal.Find(at)
		}
		v.Number.Lo = uint64(w.Start)
		return v
	}
	return out
}
