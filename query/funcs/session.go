package funcs

import (
	"github.com/sluice-etl/sluice/fold"
	"github.com/sluice-etl/sluice/fold/value"
	"github.com/sluice-etl/sluice/query/ast"
	"github.com/sluice-etl/sluice/query/expr"
)

// Session returns SESSION, which is no function of one row and so not in the Library: a session depends on all events of
// its key. What it computes of one event is the start of the event's part: time is divided, from 1970-01-01 00:00:00 UTC,
// into parts of the length of the gap. Two events of one part are less than the gap apart, so they are in one session
// whatever other events there are.
func Session() *expr.Function { return &sessionFunction }

var sessionFunction = expr.Function{
	Name: "session", Params: []expr.Param{expr.Time.Param("time"), expr.Interval.Param("INTERVAL gap unit")},
	Result: expr.Time, Compile: session, Example: "ts, INTERVAL 30 MINUTE",
	Doc: "the start of the session that the time is in, which ends where no event follows for the gap",
}

// Gap returns the gap of a session in seconds; 0 if the INTERVAL is not one of elapsed time. A day has 24 hours.
func Gap(interval *ast.Expr) (seconds int64) {
	n, ok := wholeInterval(interval)
	if !ok || interval.Name == "microsecond" {
		return 0
	}
	return n * units[interval.Name] / value.Second
}

func session(c *expr.Compiler, x expr.Compiled, args []expr.Compiled) expr.Compiled {
	iv := args[1].Source
	if _, ok := wholeInterval(iv); !ok {
		return c.Fail(x.Source, badInterval)
	}
	gap := Gap(iv) * value.Second
	if gap == 0 {
		return c.Fail(x.Source, "the unit %s is not supported, because a gap is elapsed time: expected SECOND, MINUTE, HOUR, DAY or WEEK", iv.Name)
	}
	eval := timeOf(c, args[0])
	x.Scale, x.Constant = 0, false
	x.Eval = func(r *fold.Env) value.Value {
		v := eval(r)
		if !v.Set {
			return v
		}
		return value.Time(value.FloorDiv(v.Micros(), gap) * gap)
	}
	return x
}
