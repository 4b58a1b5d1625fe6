package funcs

import (
	"fmt"
	"time"

	"github.com/sluice-etl/sluice/fold"
	"github.com/sluice-etl/sluice/fold/value"
	"github.com/sluice-etl/sluice/query/expr"
)

var zones = []expr.Function{{
	Name: "convert_tz", Params: []expr.Param{expr.Time.Param("time"), expr.Text.Param("from").Const(), expr.Text.Param("to").Const()}, Result: expr.Time, Compile: convertZone,
	Example: "ts, 'UTC', 'Europe/Berlin'", Doc: "what clocks in one zone show when those in another show `time`",
}}

// convertZone compiles CONVERT_TZ, which in MySQL converts what clocks show. Its result is not the same instant, unless
// the zone of the query is UTC: so any other zone is rejected, in which the result may not even exist.
func convertZone(c *expr.Compiler, x expr.Compiled, args []expr.Compiled) expr.Compiled {
	from, err := zoneOf(string(args[1].Eval(nil).Bytes))
	if err != nil {
		return c.Fail(args[1].Source, "%w", err)
	}
	to, err := zoneOf(string(args[2].Eval(nil).Bytes))
	if err != nil {
		return c.Fail(args[2].Source, "%w", err)
	}
	if name := c.Zone.String(); name != "UTC" {
		return c.Fail(x.Source, "the zone of the query is %s, in which functions show times already: leave CONVERT_TZ out, or run the query in UTC", name)
	}
	x.Scale = args[0].Scale
	name := x.Source.Text
	return notNull(x, args[0], func(r *fold.Env, v value.Value) value.Value {
		at := instantOf(from, v.Micros())
		if at += value.OffsetAt(to, at); at < value.MinTime || at > value.MaxTime {
			return r.Fail(outOfYears, name)
		}
		return value.Time(at)
	})
}

// instantOf returns the instant at which the clocks of a zone show a time, as CONVERT_TZ defines it: the first of two,
// and the second of the change if they never show it.
func instantOf(zone *time.Location, local int64) int64 {
	at := value.Resolve(zone, local)
	if at+value.OffsetAt(zone, at) != local {
		change, _ := time.UnixMicro(at).In(zone).ZoneBounds()
		return change.UnixMicro() + value.FloorMod(local, value.Second)
	}
	return at
}

// zoneOf returns the zone of an IANA name or of an offset such as +02:00.
func zoneOf(name string) (*time.Location, error) {
	if t, err := time.Parse("-07:00", name); err == nil {
		_, seconds := t.Zone()
		if seconds < -14*3600 || seconds > 14*3600 {
			return nil, fmt.Errorf("the offset is out of range: expected -14:00 to +14:00")
		}
		return time.FixedZone(name, seconds), nil
	}
	if name != "" && name != "Local" {
		if zone, err := time.LoadLocation(name); err == nil {
			return zone, nil
		}
	}
	return nil, fmt.Errorf("expected the name of a time zone, such as 'Europe/Berlin' or 'UTC', or an offset such as '+02:00'")
}
