package funcs

import (
	"time"

	"github.com/sluice-etl/sluice/fold"
	"github.com/sluice-etl/sluice/fold/value"
	"github.com/sluice-etl/sluice/query/expr"
)

// clocks holds the functions that return a part of a time, such as its hour, in the zone of --time-zone.
var clocks = []expr.Function{
	clock("year", "the year", time.Time.Year),
	clock("quarter", "the quarter of the year, 1 to 4", func(t time.Time) int { return (int(t.Month()) + 2) / 3 }),
	clock("month", "the month, 1 to 12", func(t time.Time) int { return int(t.Month()) }),
	clock("day", "the day of the month, 1 to 31", time.Time.Day),
	clock("dayofmonth", "the same as `DAY`", time.Time.Day),
	clock("dayofyear", "the day of the year, 1 to 366", time.Time.YearDay),
	clock("dayofweek", "the day of the week, 1 for Sunday to 7 for Saturday", func(t time.Time) int { return int(t.Weekday()) + 1 }),
	clock("weekday", "the day of the week, 0 for Monday to 6 for Sunday", func(t time.Time) int { return (int(t.Weekday()) + 6) % 7 }),
	clock("hour", "the hour, 0 to 23", time.Time.Hour),
	clock("minute", "the minute, 0 to 59", time.Time.Minute),
	clock("second", "the second, 0 to 59", time.Time.Second),
	clock("microsecond", "the fraction of the second, 0 to 999999", func(t time.Time) int { return t.Nanosecond() / 1000 }),
	{
		Name: "dayname", Params: []expr.Param{expr.Time.Param("time")}, Result: expr.Text, Type: chars(9), Example: "ts", Doc: "Monday to Sunday",
		Eval1: func(r *fold.Env, v value.Value) value.Value { return name(r, shown(r, v).Weekday().String()) },
	},
	{
		Name: "monthname", Params: []expr.Param{expr.Time.Param("time")}, Result: expr.Text, Type: chars(9), Example: "ts", Doc: "January to December",
		Eval1: func(r *fold.Env, v value.Value) value.Value { return name(r, shown(r, v).Month().String()) },
	},
}

// clock returns a function of the query that computes a number from a time in the zone of --time-zone.
func clock(name, doc string, of func(time.Time) int) expr.Function {
	return expr.Function{
		Name: name, Params: []expr.Param{expr.Time.Param("time")}, Result: expr.Integer, Example: "ts", Doc: doc,
		Eval1: func(r *fold.Env, v value.Value) value.Value { return value.Int(int64(of(shown(r, v)))) },
	}
}

// shown converts v, a time, to the time zone of the query.
func shown(r *fold.Env, v value.Value) time.Time { return time.UnixMicro(v.Micros()).In(r.Times.Zone) }

func name(r *fold.Env, s string) value.Value {
	from := len(r.Text)
	r.Text = append(r.Text, s...)
	return made(r, from)
}
