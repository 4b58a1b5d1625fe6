package funcs

import (
	"slices"
	"time"

	"github.com/sluice-etl/sluice/fold/window"
	"github.com/sluice-etl/sluice/query/ast"
)

// Floor returns, for an expression that is TUMBLE, DATE or HOP, the function that returns the earliest start of its windows
// that have not ended at an instant. Windows that start before have ended. It returns nil for any other expression. The
// expression must have been compiled, with the same zone.
func Floor(e *ast.Expr, zone *time.Location) func(micros int64) int64 {
	if e == nil || e.Op != ast.OpCall {
		return nil
	}
	unit, n := "day", int64(1)
	switch e.Name {
	case "date":
	case "tumble", hopFunction.Name:
		unit = e.Args[1].Name
		n, _ = wholeInterval(e.Args[1])
	default:
		return nil
	}
	cal := window.NewCalendar(zone, unit, n)
	if e.Name != hopFunction.Name {
		return func(micros int64) int64 { return cal.Find(micros).Start }
	}
	size, _ := wholeInterval(e.Args[2])
	hops := window.NewHop(cal, unit, n, e.Args[2].Name, size)
	return func(micros int64) int64 {
		var w window.Hops
		hops.Find(micros, &w)
		return slices.Min(w.Starts)
	}
}
