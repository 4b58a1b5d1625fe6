package query

import (
	"slices"
	"time"

	"github.com/sluice-etl/sluice/fold"
	"github.com/sluice-etl/sluice/fold/value"
	"github.com/sluice-etl/sluice/internal/option"
	"github.com/sluice-etl/sluice/query/ast"
	"github.com/sluice-etl/sluice/query/expr"
)

// A record whose window is too far from the record's timestamp in Kafka is a dead letter, if Options have limits. The
// clock would decide otherwise when a batch is folded again, or replayed; the timestamp is stored with the record.

// checkLateness returns an error if there are limits and no window to which they apply.
func (p *Plan) checkLateness() error {
	if slices.ContainsFunc(p.programs, func(prog *program) bool { return prog.checksTime }) {
		return nil
	}
	const want = "needs a window over a time of the event in GROUP BY, to compare with the record's timestamp in Kafka: group by TUMBLE(ts, INTERVAL 1 HOUR), or leave the option out"
	switch {
	case p.options.MaxLateness > 0:
		return option.Conflict("max-lateness", want)
	case p.options.MaxAhead > 0:
		return option.Conflict("max-ahead", want)
	}
	return nil
}

// windowTimes returns Compiler.WindowTime for a column of the key; nil if there are no limits.
func (c *builder) windowTimes() func(expr.Compiled) expr.Compiled {
	if c.maxLateness == 0 && c.maxAhead == 0 {
		return nil
	}
	return c.windowTime
}

// windowTime makes the time of a window fail outside of the limits. A window of windows is compared by the time of the
// inner one, because the start of a window is earlier than its records.
func (c *builder) windowTime(x expr.Compiled) expr.Compiled {
	e := x.Source
	isKafkas := e.Op == ast.OpColumn && !e.JSONPath && len(e.Path) == 1 && e.Path[0] == "_timestamp" // qualified, it can be a field
	if x.Constant || isKafkas || e.Calls("tumble") || e.Calls("date") {
		return x
	}
	c.checksTime = true
	kafka, _ := expr.RecordColumn("_timestamp", true)
	before, after := c.maxLateness.Microseconds(), c.maxAhead.Microseconds()
	eval, name, late, ahead := x.Eval, e.Text, c.maxLateness, c.maxAhead
	x.Eval = func(r *fold.Env) value.Value {
		v := eval(r)
		if !v.Set {
			return v
		}
		k := kafka.Eval(r)
		switch {
		case !k.Set: // it has failed if the timestamp is out of range
			return r.Fail("%s is compared with the record's timestamp in Kafka, but the record has none: a producer for Kafka 0.10 or later writes it", name)
		case late > 0 && v.Micros() < k.Micros()-before:
			return tooFar(r, name, v, k, "before", "max-lateness", late)
		case ahead > 0 && v.Micros() > k.Micros()+after:
			return tooFar(r, name, v, k, "after", "max-ahead", ahead)
		}
		return v
	}
	return x
}

// tooFar makes a record a dead letter because of the time of its window.
func tooFar(r *fold.Env, name string, v, kafka value.Value, side, opt string, limit time.Duration) value.Value {
	return r.Fail("%s is %s, more than %s (%s) %s the record's timestamp in Kafka, %s",
		name, value.RecordTime(v.Micros()), limit, option.Ref(opt), side, value.RecordTime(kafka.Micros()))
}
