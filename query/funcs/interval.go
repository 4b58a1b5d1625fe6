package funcs

import (
	"time"

	"github.com/sluice-etl/sluice/fold"
	"github.com/sluice-etl/sluice/fold/value"
	"github.com/sluice-etl/sluice/fold/window"
	"github.com/sluice-etl/sluice/query/expr"
	"github.com/sluice-etl/sluice/row"
)

// intervals are the functions that add to times and subtract them. Units of a day and more are those of the clocks of
// --time-zone, on which a day can have 23 or 25 hours; shorter ones are elapsed time.
var intervals = []expr.Function{
	{
		Name: "date_add", Params: []expr.Param{expr.Time.Param("time"), expr.Interval.Param("INTERVAL n unit")}, Result: expr.Time, Compile: dateAdd,
		Example: "ts, INTERVAL 1 DAY", Doc: "the time that is so much later; also `time + INTERVAL n unit`",
	},
	{
		Name: "adddate", Params: []expr.Param{expr.Time.Param("time"), expr.Interval.Param("INTERVAL n unit")}, Result: expr.Time, Compile: dateAdd,
		Example: "ts, INTERVAL 1 DAY", Doc: "the same as `DATE_ADD`",
	},
	{
		Name: "date_sub", Params: []expr.Param{expr.Time.Param("time"), expr.Interval.Param("INTERVAL n unit")}, Result: expr.Time, Compile: dateSub,
		Example: "ts, INTERVAL 1 DAY", Doc: "the time that is so much earlier; also `time - INTERVAL n unit`",
	},
	{
		Name: "subdate", Params: []expr.Param{expr.Time.Param("time"), expr.Interval.Param("INTERVAL n unit")}, Result: expr.Time, Compile: dateSub,
		Example: "ts, INTERVAL 1 DAY", Doc: "the same as `DATE_SUB`",
	},
	{
		Name: "timestampdiff", Params: []expr.Param{expr.Text.Param("unit").Const(), expr.Time.Param("from"), expr.Time.Param("to")}, Result: expr.Integer, Compile: timestampDiff,
		Syntax: "TIMESTAMPDIFF(unit, from, to)", Example: "SECOND, ts, _timestamp", Doc: "the whole units between two times",
	},
	{
		Name: "datediff", Params: []expr.Param{expr.Time.Param("to"), expr.Time.Param("from")}, Result: expr.Integer, Eval2: dateDiff,
		Example: "_timestamp, ts", Doc: "the number of days between two dates",
	},
	{
		Name: "unix_timestamp", Params: []expr.Param{expr.Time.Param("time")}, Result: expr.Number, Compile: unixTimestamp,
		Example: "ts", Doc: "the seconds since 1970-01-01 UTC, with the time's fraction",
	},
	{
		Name: "last_day", Params: []expr.Param{expr.Time.Param("time")}, Result: expr.Time, Compile: lastDay,
		Example: "ts", Doc: "the start of the last day of the month",
	},
	{
		Name: "time_to_sec", Params: []expr.Param{expr.Time.Param("time")}, Result: expr.Integer, Eval1: timeToSec,
		Example: "ts", Doc: "the seconds of the day that clocks show",
	},
}

// units are the lengths of units in microseconds. Those of months are in unitMonths.
var units = map[string]int64{
	"microsecond": 1, "second": value.Second, "minute": value.Minute, "hour": value.Hour, "day": value.Day, "week": 7 * value.Day,
}

var unitMonths = map[string]int64{"month": 1, "quarter": 3, "year": 12}

// local is a time as microseconds since 1970-01-01 on the clocks of the zone.
func local(r *fold.Env, v value.Value) int64 {
	return v.Micros() + value.OffsetAt(r.Times.Zone, v.Micros())
}

func dateAdd(c *expr.Compiler, x expr.Compiled, args []expr.Compiled) expr.Compiled {
	return shifted(c, x, args, 1)
}

func dateSub(c *expr.Compiler, x expr.Compiled, args []expr.Compiled) expr.Compiled {
	return shifted(c, x, args, -1)
}

// shifted adds an interval, or subtracts it if the sign is negative.
func shifted(c *expr.Compiler, x expr.Compiled, args []expr.Compiled, sign int64) expr.Compiled {
	iv := args[1].Source
	if compoundParts[iv.Name] != nil {
		return shiftedByCompound(c, x, args, sign)
	}
	unit, months := units[iv.Name], unitMonths[iv.Name]
	if unit == 0 && months == 0 {
		return c.Fail(x.Source, "the unit %s is not supported: expected MICROSECOND, SECOND, MINUTE, HOUR, DAY, WEEK, MONTH, QUARTER, YEAR, or a unit such as DAY_SECOND", iv.Name)
	}
	n := c.IntervalNumber(iv)
	if c.Err != nil {
		return x
	}
	x.Scale, x.Nullable, x.Constant = args[0].Scale, args[0].Nullable || n.Nullable, args[0].Constant && n.Constant
	if iv.Name == "microsecond" {
		x.Scale = 6
	}
	name := x.Source.Text
	x.Eval = expr.NotNull(args[0].Eval, n.Eval, func(r *fold.Env, v, n value.Value) value.Value {
		at, ok := int64(0), false
		if k, fits := n.Number.Int64(); fits && k > -maxInterval && k < maxInterval {
			at, ok = shift(r, v, k*sign, unit, months)
		}
		if !ok || at < value.MinTime || at > value.MaxTime {
			return r.Fail(outOfYears, name)
		}
		return value.Time(at)
	})
	return x
}

// maxInterval is more than the microseconds of 9000 years.
const maxInterval = int64(3e17)

// shift returns a time plus n units, or plus n times so many months. ok is false if that is far out of range.
func shift(r *fold.Env, v value.Value, n, unit, months int64) (at int64, ok bool) {
	if months == 0 {
		if limit := maxInterval / unit; n > limit || n < -limit {
			return 0, false
		}
		if unit < value.Day {
			return v.Micros() + n*unit, true
		}
		return value.Resolve(r.Times.Zone, local(r, v)+n*unit), true
	}
	if n > 12e4 || n < -12e4 {
		return 0, false
	}
	was := local(r, v)
	year, month, day := time.UnixMicro(was).UTC().Date()
	m := int64(year)*12 + int64(month) - 1 + n*months
	first := value.CivilDays(0, m+1, 1)
	last := value.CivilDays(0, m+2, 1) - first
	return value.Resolve(r.Times.Zone, (first+min(int64(day), last)-1)*value.Day+value.FloorMod(was, value.Day)), true
}

// timestampDiff compiles TIMESTAMPDIFF. It cuts to whole units, of elapsed time up to an hour, and of what clocks show from a day.
func timestampDiff(c *expr.Compiler, x expr.Compiled, args []expr.Compiled) expr.Compiled {
	name := string(args[0].Eval(nil).Bytes)
	unit, months := units[name], unitMonths[name]
	if unit == 0 && months == 0 {
		return c.Fail(x.Source, "the unit %s is not supported: expected MICROSECOND, SECOND, MINUTE, HOUR, DAY, WEEK, MONTH, QUARTER or YEAR", name)
	}
	x.Eval = expr.NotNull(args[1].Eval, args[2].Eval, func(r *fold.Env, p, q value.Value) value.Value {
		a, b := p.Micros(), q.Micros()
		if unit >= value.Day || months > 0 {
			a, b = local(r, p), local(r, q)
		}
		if months == 0 {
			return value.Int((b - a) / unit)
		}
		return value.Int(monthsBetween(a, b) / months)
	})
	return x
}

// monthsBetween is the number of whole months from a to b.
func monthsBetween(a, b int64) int64 {
	if b < a {
		return -monthsBetween(b, a)
	}
	y1, m1, d1 := time.UnixMicro(a).UTC().Date()
	y2, m2, d2 := time.UnixMicro(b).UTC().Date()
	n := int64(y2-y1)*12 + int64(m2-m1)
	if d2 < d1 || d2 == d1 && value.FloorMod(b, value.Day) < value.FloorMod(a, value.Day) {
		n--
	}
	return n
}

func dateDiff(r *fold.Env, to, from value.Value) value.Value {
	return value.Int(value.FloorDiv(local(r, to), value.Day) - value.FloorDiv(local(r, from), value.Day))
}

// unixTimestamp is an integer for whole seconds, and otherwise a decimal with the digits of the time.
func unixTimestamp(_ *expr.Compiler, x expr.Compiled, args []expr.Compiled) expr.Compiled {
	digits := args[0].Scale
	x.Scale, x.Precision = digits, 12+digits
	if digits == 0 {
		x.Kind = value.KindInt
	}
	unit := value.Second
	for range digits {
		unit /= 10
	}
	return strict(x, args[0], func(v value.Value) value.Value {
		return value.Value{Number: row.FromInt(value.FloorDiv(v.Micros(), unit)), Scale: uint8(digits), Set: true}
	})
}

// lastDay is the first instant of a day, as DATE is.
func lastDay(c *expr.Compiler, x expr.Compiled, args []expr.Compiled) expr.Compiled {
	zone, days := c.Zone, window.NewCalendar(c.Zone, "day", 1)
	return notNull(x, args[0], func(r *fold.Env, v value.Value) value.Value {
		year, month, _ := time.UnixMicro(local(r, v)).UTC().Date()
		noon := value.CivilDays(int64(year), int64(month)+1, 1)*value.Day - value.Day/2
		return value.Time(days.Find(value.Resolve(zone, noon)).Start)
	})
}

func timeToSec(r *fold.Env, v value.Value) value.Value {
	return value.Int(value.FloorMod(local(r, v), value.Day) / value.Second)
}
