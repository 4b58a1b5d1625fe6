package funcs

import (
	"github.com/sluice-etl/sluice/fold"
	"github.com/sluice-etl/sluice/fold/value"
	"github.com/sluice-etl/sluice/fold/window"
	"github.com/sluice-etl/sluice/query/ast"
	"github.com/sluice-etl/sluice/query/expr"
	"github.com/sluice-etl/sluice/row"
)

var times = []expr.Function{
	{
		Name: "tumble", Params: []expr.Param{expr.Time.Param("time"), expr.Interval.Param("INTERVAL n unit")}, Result: expr.Time, Compile: tumble,
		Example: "ts, INTERVAL 1 MINUTE", Doc: "the start of the window that the time is in",
	},
	{
		Name: "from_unixtime", Params: []expr.Param{expr.Number.Param("seconds")}, Result: expr.Time, Compile: fromUnix,
		Example: "1431857103", Doc: "the time of a number of seconds since 1970-01-01 UTC",
	},
	{
		Name: "date", Params: []expr.Param{expr.Time.Param("time")}, Result: expr.Time, Compile: date,
		Example: "ts", Doc: "the start of the day, as `TUMBLE` of one day",
	},
}

// tumble compiles TUMBLE, which returns the first instant of the window that contains the time, by the clocks of
// Compiler.Zone.
func tumble(c *expr.Compiler, x expr.Compiled, args []expr.Compiled) expr.Compiled {
	cal, _ := calendar(c, x, args[1])
	if cal == nil {
		return x
	}
	return windowOf(c, x, args[0], cal)
}

// calendar returns the windows of an INTERVAL, and the number of its units; nil after an error.
func calendar(c *expr.Compiler, x, interval expr.Compiled) (cal *window.Calendar, n int64) {
	iv := interval.Source
	n, ok := wholeInterval(iv)
	if !ok {
		c.Fail(x.Source, badInterval)
		return nil, 0
	}
	if cal = window.NewCalendar(c.Zone, iv.Name, n); cal == nil {
		c.Fail(x.Source, "the unit %s is not supported: expected SECOND, MINUTE, HOUR, DAY, WEEK, MONTH, QUARTER or YEAR", iv.Name)
	}
	return cal, n
}

// badInterval is the error for an INTERVAL that is not a wholeInterval.
const badInterval = "expected an INTERVAL of a whole number from 1 to 1000000"

// wholeInterval returns the number of units of an INTERVAL of a window.
func wholeInterval(interval *ast.Expr) (n int64, ok bool) {
	arg := interval.Args[0]
	n, whole := value.ParseDigits([]byte(arg.Name))
	return n, (arg.Op == ast.OpInt || arg.Op == ast.OpText) && whole && n >= 1 && n <= 1e6
}

func date(c *expr.Compiler, x expr.Compiled, args []expr.Compiled) expr.Compiled {
	return windowOf(c, x, args[0], window.NewCalendar(c.Zone, "day", 1))
}

// windowOf compiles a function that returns the start of the window of a time. Most records are in the window of the
// previous one, which is therefore tried first.
func windowOf(c *expr.Compiler, x, time expr.Compiled, cal *window.Calendar) expr.Compiled {
	eval, slot := timeOf(c, time), c.Windows
	c.Windows++
	x.Eval = func(r *fold.Env) value.Value {
		v := eval(r)
		if !v.Set {
			return v
		}
		if slot >= len(r.Windows) {
			return value.Time(cal.Find(v.Micros()).Start) // a constant, which is evaluated without a fold
		}
		w := &r.Windows[slot]
		if at := v.Micros(); at < w.From || at >= w.Until {
			*w = cal.Find(at)
		}
		v.Number.Lo = uint64(w.Start)
		return v
	}
	return x
}

// timeOf returns the function that computes the time of a window.
func timeOf(c *expr.Compiler, time expr.Compiled) func(*fold.Env) value.Value {
	if c.WindowTime == nil {
		return time.Eval
	}
	return c.WindowTime(time).Eval
}

// fromUnix converts seconds since 1970 to a time. Digits beyond the sixth after the point are cut.
func fromUnix(c *expr.Compiler, x expr.Compiled, args []expr.Compiled) expr.Compiled {
	seconds := args[0]
	if seconds.Kind == value.KindDouble {
		return c.Fail(seconds.Source, "is a DOUBLE, which cannot hold microseconds: write CAST(%s AS DECIMAL(20,6))", seconds.Source.Text)
	}
	switch {
	case seconds.Kind == value.KindDecimal && seconds.Scale != value.AnyScale:
		x.Scale = min(seconds.Scale, 6)
	case seconds.Kind != value.KindInt:
		x.Scale = 6
	}
	eval, name := seconds.Eval, x.Source.Text
	x.Eval = func(r *fold.Env) value.Value {
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
	return x
}
