package funcs

import (
	"github.com/sluice-etl/sluice/fold"
	"github.com/sluice-etl/sluice/fold/value"
	"github.com/sluice-etl/sluice/fold/window"
	"github.com/sluice-etl/sluice/query/ast"
	"github.com/sluice-etl/sluice/query/expr"
	"github.com/sluice-etl/sluice/row"
)

// tumble compiles TUMBLE(time, INTERVAL n unit): the first instant of the window that the time is in, by the clocks of
// Compiler.Zone.
func tumble(c *expr.Compiler, e *ast.Expr) expr.Compiled {
	iv := e.Args[1]
	if iv.Op != ast.OpInterval {
		return c.Fail(e, "expected TUMBLE(time, INTERVAL n unit), such as TUMBLE(ts, INTERVAL 1 MINUTE)")
	}
	n, whole := value.ParseDigits([]byte(iv.Args[0].Name))
	if (iv.Args[0].Op != ast.OpInt && iv.Args[0].Op != ast.OpText) || !whole || n < 1 || n > 1e6 {
		return c.Fail(e, "expected an INTERVAL of a whole number from 1 to 1000000")
	}
	x := c.Compile(e.Args[0])
	if x.Kind == value.KindJSON {
		x = c.CastTime(c.Text(x), 6)
	}
	x = c.TimeLiteral(x)
	switch x.Kind {
	case value.KindTime:
	case value.KindNull:
		return c.Fail(x.Source, "is NULL, but a time is expected")
	default:
		return c.Fail(x.Source, "is %s, but a time is expected: write FROM_UNIXTIME(%s) for seconds since 1970", x.Kind, x.Source.Text)
	}
	cal := window.NewCalendar(c.Zone, iv.Name, n)
	if cal == nil {
		return c.Fail(e, "the unit %s is not supported: expected SECOND, MINUTE, HOUR, DAY, WEEK, MONTH, QUARTER or YEAR", iv.Name)
	}
	// Most records are in the window of the one before.
	eval, slot := x.Eval, c.Windows
	c.Windows++
	out := expr.Compiled{Type: value.Type{Kind: value.KindTime, Nullable: x.Nullable}, Constant: x.Constant, Source: e}
	out.Eval = func(r *fold.Env) value.Value {
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

// fromUnix compiles FROM_UNIXTIME(seconds): the time of a number of seconds since 1970-01-01 UTC. Digits beyond the sixth
// after the point are cut.
func fromUnix(c *expr.Compiler, e *ast.Expr) expr.Compiled {
	x := c.Number(c.Compile(e.Args[0]))
	if x.Kind == value.KindDouble {
		return c.Fail(e.Args[0], "is a DOUBLE, which cannot hold microseconds: write CAST(%s AS DECIMAL(20,6))", e.Args[0].Text)
	}
	eval, name := x.Eval, e.Text
	out := expr.Compiled{Type: value.Type{Kind: value.KindTime, Nullable: x.Nullable}, Constant: x.Constant, Source: e}
	switch {
	case x.Kind == value.KindDecimal && x.Scale != value.AnyScale:
		out.Scale = min(x.Scale, 6)
	case x.Kind != value.KindInt:
		out.Scale = 6
	}
	out.Eval = func(r *fold.Env) value.Value {
		v := eval(r)
		if !v.Set {
			return value.Null
		}
		n, ok := v.Number, true
		if v.Scale <= 6 {
			n, ok = n.Rescale(int(v.Scale), 6)
		} else {
			n, _ = n.QuoRem(row.Pow10(int(v.Scale) - 6))
		}
		micros, fits := n.Int64()
		if !ok || !fits || v.Number.Sign() < 0 || micros > value.MaxTime {
			return r.Fail("%s: %s is out of range: expected seconds since 1970", name, value.Show(v, value.KindDecimal))
		}
		return value.Time(micros)
	}
	return out
}
