package funcs

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sluice-etl/sluice/fold"
	"github.com/sluice-etl/sluice/fold/value"
	"github.com/sluice-etl/sluice/query/expr"
)

// compound is an interval of several units, such as '1 12:30' DAY_MINUTE.
type compound struct{ months, days, micros int64 }

// compoundParts holds the units of intervals such as '1 12:30' DAY_MINUTE, in the order in which their numbers stand.
var compoundParts = map[string][]string{
	"year_month": {"year", "month"}, "day_hour": {"day", "hour"}, "day_minute": {"day", "hour", "minute"},
	"day_second": {"day", "hour", "minute", "second"}, "day_microsecond": {"day", "hour", "minute", "second", "microsecond"},
	"hour_minute": {"hour", "minute"}, "hour_second": {"hour", "minute", "second"}, "hour_microsecond": {"hour", "minute", "second", "microsecond"},
	"minute_second": {"minute", "second"}, "minute_microsecond": {"minute", "second", "microsecond"}, "second_microsecond": {"second", "microsecond"},
}

// CompoundUnits returns the units of intervals of several numbers, sorted.
func CompoundUnits() []string { return slices.Sorted(maps.Keys(compoundParts)) }

// parseCompound reads numbers that anything but digits separates. As in MySQL, a minus sign in front is that of all of
// them, the first units are 0 if there are fewer numbers than units, and the digits of a microsecond are those after a
// point.
func parseCompound(text string, parts []string) (c compound, err error) {
	digits := func(r rune) bool { return r >= '0' && r <= '9' }
	text = strings.TrimSpace(text)
	unsigned := strings.TrimPrefix(text, "-")
	groups := strings.FieldsFunc(unsigned, func(r rune) bool { return !digits(r) })
	if len(groups) == 0 || !digits(rune(unsigned[0])) || !digits(rune(unsigned[len(unsigned)-1])) || len(groups) > len(parts) {
		return c, fmt.Errorf("expected %d numbers, for %s, with a point, a space or the like between them", len(parts), strings.ToUpper(strings.Join(parts, ", ")))
	}
	for i, group := range groups {
		unit := parts[len(parts)-len(groups)+i]
		if unit == "microsecond" {
			if len(group) > 6 {
				return c, errors.New("a second has at most 6 digits after its point")
			}
			group += "000000"[len(group):]
		}
		n, ok := value.ParseDigits([]byte(group))
		if !ok || n > maxInterval/max(units[unit], unitMonths[unit]) {
			return c, fmt.Errorf("%s %s is out of range", group, unit)
		}
		switch {
		case unitMonths[unit] > 0:
			c.months += n * unitMonths[unit]
		case unit == "day":
			c.days += n
		default:
			c.micros += n * units[unit]
		}
	}
	if text != unsigned {
		c = compound{-c.months, -c.days, -c.micros}
	}
	return c, nil
}

// after returns the time that is this interval later, or earlier if the sign is negative. First it adds the days, which
// are those of clocks, and then what is shorter. ok is false if that is far out of range.
func (c compound) after(r *fold.Env, v value.Value, sign int64) (at int64, ok bool) {
	if c.months != 0 {
		return shift(r, v, sign*c.months, 0, 1)
	}
	at, ok = v.Micros(), true
	if c.days != 0 {
		at, ok = shift(r, v, sign*c.days, value.Day, 0)
	}
	return at + sign*c.micros, ok
}

// shiftedByCompound adds an interval of several units, which must be a constant.
func shiftedByCompound(c *expr.Compiler, x expr.Compiled, args []expr.Compiled, sign int64) expr.Compiled {
	iv := args[1].Source
	number := c.Text(c.Compile(iv.Args[0]))
	if c.Err != nil {
		return x
	}
	if !number.Constant || number.Nullable {
		return c.Fail(x.Source, "an interval of several units must be a constant, such as INTERVAL '1 12' DAY_HOUR")
	}
	by, err := parseCompound(string(number.Eval(fold.Constant(c.Zone)).Bytes), compoundParts[iv.Name])
	if err != nil {
		return c.Fail(iv, "%w", err)
	}
	x.Scale, x.Nullable, x.Constant = args[0].Scale, args[0].Nullable, args[0].Constant
	if strings.HasSuffix(iv.Name, "_microsecond") {
		x.Scale = 6
	}
	name := x.Source.Text
	return notNull(x, args[0], func(r *fold.Env, v value.Value) value.Value {
		at, ok := by.after(r, v, sign)
		if !ok || at < value.MinTime || at > value.MaxTime {
			return r.Fail(outOfYears, name)
		}
		return value.Time(at)
	})
}
