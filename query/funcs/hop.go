package funcs

import (
	"github.com/sluice-etl/sluice/fold"
	"github.com/sluice-etl/sluice/fold/value"
	"github.com/sluice-etl/sluice/fold/window"
	"github.com/sluice-etl/sluice/query/expr"
)

// Hop returns HOP, which is no function of one row and so not in the Library: it makes a row for each window that the
// time is in, and its value is the start of the row's window. It can only be an item of GROUP BY.
func Hop() *expr.Function { return &hopFunction }

var hopFunction = expr.Function{
	Name: "hop", Params: []expr.Param{expr.Time.Param("time"), expr.Interval.Param("INTERVAL slide unit"), expr.Interval.Param("INTERVAL size unit")},
	Result: expr.Time, Compile: hop, Example: "ts, INTERVAL 1 MINUTE, INTERVAL 5 MINUTE",
	Doc: "the start of each window of the size that the time is in; windows begin at each slide",
}

// maxWindows is the maximum number of windows that a record can be in. With several HOPs it is the product of theirs.
const maxWindows = 1000

// hop compiles HOP. A time that is NULL makes one row, in which HOP is NULL.
func hop(c *expr.Compiler, x expr.Compiled, args []expr.Compiled) expr.Compiled {
	cal, slide := calendar(c, x, args[1])
	_, size := calendar(c, x, args[2])
	if c.Err != nil {
		return x
	}
	windows := window.NewHop(cal, args[1].Source.Name, slide, args[2].Source.Name, size)
	if windows == nil {
		return c.Fail(x.Source, "the size must be a whole multiple of the slide: SECOND to WEEK are multiples of each other, and so are MONTH, QUARTER and YEAR")
	}
	if c.InWindows = max(c.InWindows, 1) * windows.Len(); c.InWindows > maxWindows {
		return c.Fail(x.Source, "each record would make %d rows, but the limit is %d: write a longer slide", c.InWindows, maxWindows)
	}
	eval, cache, slot := timeOf(c, args[0]), c.Hops, c.Row
	c.Hops++
	c.Row++
	c.RowMakers = append(c.RowMakers, func(next fold.Rows) fold.Rows {
		return func(r *fold.Env, row func()) {
			v := eval(r)
			if !v.Set {
				r.Row[slot] = v
				next(r, row)
				return
			}
			w := &r.Hops[cache]
			if at := v.Micros(); at < w.From || at >= w.Until {
				windows.Find(at, w)
			}
			for _, start := range w.Starts {
				if r.Reason != "" {
					return
				}
				r.Row[slot] = value.Time(start)
				next(r, row)
			}
		}
	})
	x.Constant = false
	x.Eval = func(r *fold.Env) value.Value { return r.Row[slot] }
	return x
}
