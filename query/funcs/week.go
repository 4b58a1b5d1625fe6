package funcs

import (
	"time"

	"github.com/sluice-etl/sluice/fold"
	"github.com/sluice-etl/sluice/fold/value"
	"github.com/sluice-etl/sluice/query/expr"
)

// weeks are the functions that number the weeks of a year, by the clocks of --time-zone.
var weeks = []expr.Function{
	{
		Name: "week", Params: []expr.Param{expr.Time.Param("time"), expr.Integer.Param("mode").Const().Or(0)}, Result: expr.Integer, Compile: week,
		Example: "ts, 3", Doc: "the number of the week; MySQL's modes are 0 to 7",
	},
	{
		Name: "yearweek", Params: []expr.Param{expr.Time.Param("time"), expr.Integer.Param("mode").Const().Or(0)}, Result: expr.Integer, Compile: yearWeek,
		Example: "ts, 3", Doc: "the year of the week, and its number, such as 201520",
	},
	{
		Name: "weekofyear", Params: []expr.Param{expr.Time.Param("time")}, Result: expr.Integer, Example: "ts", Doc: "the number of the week in ISO 8601, as `WEEK(time, 3)`",
		Eval1: func(r *fold.Env, v value.Value) value.Value {
			return value.Int(int64(isoWeeks.of(dateOf(r, v)).number))
		},
	},
}

// weekMode says how the weeks of a year are numbered.
type weekMode struct {
	monday bool // weeks begin on Monday, not on Sunday
	whole  bool // week 1 is the first that has all of its days in the year, not the first with four days or more
	own    bool // a day before week 1 is in the last week of the year before, not in week 0
}

// weekModes are MySQL's modes 0 to 7.
var weekModes = [8]weekMode{
	{whole: true}, {monday: true}, {whole: true, own: true}, {monday: true, own: true}, {}, {monday: true, whole: true}, {own: true}, {monday: true, whole: true, own: true},
}

var isoWeeks = weekModes[3]

// numberedWeek is a week: its number in a year.
type numberedWeek struct{ year, number int }

// civilDate is a date of the Gregorian calendar. days counts from 1970-01-01.
type civilDate struct {
	year, month, day int
	days             int64
}

// dateOf returns the date that the clocks of --time-zone show.
func dateOf(r *fold.Env, v value.Value) civilDate { return dateAt(local(r, v)) }

// dateAt returns the date of a time in microseconds since 1970-01-01 on the same clocks.
func dateAt(local int64) civilDate {
	year, month, day := time.UnixMicro(local).UTC().Date()
	return civilDate{year, int(month), day, value.FloorDiv(local, value.Day)}
}

// begin returns the first day of week 1 of a year, in days since 1970-01-01.
func (m weekMode) begin(year int) int64 {
	newYear := value.CivilDays(int64(year), 1, 1)
	weekday := value.FloorMod(newYear+4, 7) // 0 for Sunday
	if m.monday {
		weekday = value.FloorMod(newYear+3, 7)
	}
	begin := newYear - weekday
	if m.whole && weekday > 0 || weekday > 3 {
		begin += 7
	}
	return begin
}

// of returns the week of a date.
func (m weekMode) of(d civilDate) numberedWeek {
	year, begin := d.year, m.begin(d.year)
	switch {
	case d.days < begin && !m.own:
		return numberedWeek{year, 0}
	case d.days < begin:
		year--
		begin = m.begin(year)
	case m.own:
		if next := m.begin(year + 1); d.days >= next {
			year, begin = year+1, next
		}
	}
	return numberedWeek{year, int((d.days-begin)/7) + 1}
}

// modeOf returns the mode of WEEK and YEARWEEK.
func modeOf(c *expr.Compiler, x expr.Compiled, args []expr.Compiled) weekMode {
	n := clamp(args[1].Eval(nil))
	if n < 0 || n >= len(weekModes) {
		c.Fail(x.Source, "expected a mode from 0 to 7, such as 3, the weeks of ISO 8601")
		return weekMode{}
	}
	return weekModes[n]
}

func week(c *expr.Compiler, x expr.Compiled, args []expr.Compiled) expr.Compiled {
	mode := modeOf(c, x, args)
	return notNull(x, args[0], func(r *fold.Env, v value.Value) value.Value { return value.Int(int64(mode.of(dateOf(r, v)).number)) })
}

func yearWeek(c *expr.Compiler, x expr.Compiled, args []expr.Compiled) expr.Compiled {
	mode := modeOf(c, x, args)
	mode.own = true
	return notNull(x, args[0], func(r *fold.Env, v value.Value) value.Value {
		w := mode.of(dateOf(r, v))
		return value.Int(int64(w.year)*100 + int64(w.number))
	})
}
