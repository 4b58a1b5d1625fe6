package funcs

import (
	"github.com/sluice-etl/sluice/fold"
	"github.com/sluice-etl/sluice/fold/value"
	"github.com/sluice-etl/sluice/fold/window"
	"github.com/sluice-etl/sluice/query/expr"
)

// days are the functions that number days and seconds from the year 0, as MySQL does, on the clocks of --time-zone.
var days = []expr.Function{
	{
		Name: "to_days", Params: []expr.Param{expr.Time.Param("time")}, Result: expr.Integer, Example: "ts", Doc: "the number of days from the year 0",
		Eval1: func(r *fold.Env, v value.Value) value.Value {
			return value.Int(value.FloorDiv(local(r, v), value.Day) + yearZero)
		},
	},
	{
		Name: "to_seconds", Params: []expr.Param{expr.Time.Param("time")}, Result: expr.Integer, Example: "ts", Doc: "the number of seconds from the year 0",
		Eval1: func(r *fold.Env, v value.Value) value.Value {
			return value.Int(value.FloorDiv(local(r, v)+yearZero*value.Day, value.Second))
		},
	},
	{
		Name: "from_days", Params: []expr.Param{expr.Integer.Param("days")}, Result: expr.Time, Compile: fromDays,
		Example: "736100", Doc: "the start of the day of this number of days from the year 0",
	},
	{
		Name: "makedate", Params: []expr.Param{expr.Integer.Param("year"), expr.Integer.Param("day")}, Result: expr.Time, Compile: makeDate,
		Example: "2015, 137", Doc: "the start of a day of the year; NULL if it is not 1 or more",
	},
}

// yearZero is the number of days from MySQL's day 0 to 1970-01-01.
const yearZero = 719528

// dayStart returns a function that returns the first instant of a day, in days since 1970-01-01, or makes the record a
// dead letter.
func dayStart(c *expr.Compiler, name string) func(r *fold.Env, days int64) value.Value {
	zone, calendar := c.Zone, window.NewCalendar(c.Zone, "day", 1)
	return func(r *fold.Env, days int64) value.Value {
		if days >= firstDay && days <= lastDayOfAll {
			noon := days*value.Day + value.Day/2
			if at := calendar.Find(value.Resolve(zone, noon)).Start; at >= value.MinTime && at <= value.MaxTime {
				return value.Time(at)
			}
		}
		return r.Fail(outOfYears, name)
	}
}

// firstDay and lastDayOfAll are days that are in the range of DATETIME in some zone.
const firstDay, lastDayOfAll = -354286, 2932897

const outOfYears = "%s: the time is out of range: it must be from 1000-01-01 to 9999-12-31"

func fromDays(c *expr.Compiler, x expr.Compiled, args []expr.Compiled) expr.Compiled {
	start := dayStart(c, x.Source.Text)
	return notNull(x, args[0], func(r *fold.Env, v value.Value) value.Value {
		n, ok := v.Number.Int64()
		if !ok || n < 0 || n > 1e7 {
			n = 0 // as far out of range
		}
		return start(r, n-yearZero)
	})
}

// makeDate reads years below 100 as MySQL does: 69 is 2069, and 70 is 1970.
func makeDate(c *expr.Compiler, x expr.Compiled, args []expr.Compiled) expr.Compiled {
	x.Nullable = true
	start := dayStart(c, x.Source.Text)
	x.Eval = expr.NotNull(args[0].Eval, args[1].Eval, func(r *fold.Env, year, day value.Value) value.Value {
		y, ok1 := year.Number.Int64()
		d, ok2 := day.Number.Int64()
		if !ok1 || !ok2 || y < 0 || y > 9999 || d < 1 || d > 1e7 {
			return value.Null
		}
		days := value.CivilDays(fullYear(y), 1, 1) + d - 1
		if days >= value.CivilDays(10000, 1, 1) {
			return value.Null
		}
		return start(r, days)
	})
	return x
}

// fullYear returns the year that MySQL reads from one of two digits, and any other year unchanged.
func fullYear(y int64) int64 {
	switch {
	case y < 70:
		return y + 2000
	case y < 100:
		return y + 1900
	}
	return y
}
