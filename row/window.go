package row

import (
	"math"
	"sync/atomic"
)

// Window is the column of a table's key by whose values whole windows can be deleted (P36). The rows of a window are
// those with one value of the column, the start of the window.
//
// It also holds the low-water mark as this process knows it. Windows that start before the mark are deleted from the
// table, so nothing is added to them. The mark in MySQL decides; a fold that used another one is found when its rows are
// committed. It is safe for concurrent use.
type Window struct {
	// Column is the column's name.
	Column string
	// Floor returns the earliest start of the windows that have not ended at an instant. Both are microseconds since
	// 1970-01-01 00:00:00 UTC.
	Floor func(micros int64) int64

	low atomic.Int64
}

// NoLow is the low-water mark of a table from which nothing is deleted.
const NoLow = math.MinInt64

// NewWindow returns a window of a table from which nothing is deleted.
func NewWindow(column string, floor func(micros int64) int64) *Window {
	w := &Window{Column: column, Floor: floor}
	w.low.Store(NoLow)
	return w
}

// Low returns the low-water mark, in microseconds since 1970-01-01 00:00:00 UTC.
func (w *Window) Low() int64 { return w.low.Load() }

// SetLow sets the low-water mark to what was read from MySQL.
func (w *Window) SetLow(micros int64) { w.low.Store(micros) }

// Equal reports whether two windows are of the same column. It is for comparisons of tables.
func (w *Window) Equal(o *Window) bool {
	return w == o || w != nil && o != nil && w.Column == o.Column
}

// WindowOf returns the start of the window of row i, which is in r.Table.Window. ok is false if it is NULL.
func (r *Rows) WindowOf(i int) (micros int64, ok bool) {
	key := r.Key(i)
	for k := range r.Table.Columns[:r.Table.Keys] {
		c := &r.Table.Columns[k]
		is := equalFold(c.Name, r.Table.Window.Column)
		switch c.Kind {
		case Int, Decimal:
			_, key = KeyNumber(key)
		case Datetime:
			micros, key = KeyDatetime(key)
		default:
			_, key = KeyBytes(nil, key)
		}
		null := false
		if c.Nullable {
			null, key = KeyNull(key)
		}
		if is {
			return micros, !null
		}
	}
	return 0, false
}
