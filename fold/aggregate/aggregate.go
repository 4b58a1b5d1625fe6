package aggregate

import (
	"github.com/sluice-etl/sluice/fold/value"
	"github.com/sluice-etl/sluice/row"
)

// Func is an aggregate function, in the form in which a fold computes it: what one record adds to a cell.
type Func uint8

// The functions.
const (
	Count         Func = iota // COUNT(*): every row counts
	CountValues               // COUNT(x): a value that is not NULL counts
	BitAnd                    // BIT_AND(x), of the 64 bits of x
	BitOr                     // BIT_OR(x)
	BitXor                    // BIT_XOR(x)
	Sum                       // SUM(x)
	Min                       // MIN(x)
	Max                       // MAX(x)
	Keep                      // x itself, in a row that one record writes
	Last                      // x of the last record, which LastPosition finds
	LastPosition              // the position of the last record
	First                     // x of the first record, which FirstPosition finds
	FirstPosition             // the position of the first record
	Chosen                    // x of MIN_BY(x, y) and MAX_BY(x, y), whose merge is that of the table's column
	Order                     // the order of a row, by which Chosen values are chosen
	Sketch                    // an element of a sketch, whose merge is that of the table's column
)

// Merge returns how values of the function merge in a cell and in the table. There are several sketches, so that of
// Sketch is not known here, and neither are those of Chosen and Order, because there are the lowest and the highest.
func (f Func) Merge() row.Merge {
	switch f {
	case Count, CountValues, Sum:
		return row.Add
	case BitAnd:
		return row.BitAnd
	case BitOr:
		return row.BitOr
	case BitXor:
		return row.BitXor
	case Min:
		return row.Min
	case Max:
		return row.Max
	case Last:
		return row.Replace
	case LastPosition:
		return row.Latest
	case First:
		return row.First
	case FirstPosition:
		return row.Earliest
	}
	return row.Plain
}

// HasArgument reports whether the function has an argument, which is evaluated for each row.
func (f Func) HasArgument() bool { return f != Count }

// WritesArgument reports whether the argument's own value is written to the column. If so, it must fit the column.
func (f Func) WritesArgument() bool { return f >= Sum && f != Sketch }

// Input returns what one row adds to a cell. v is the row's argument, which is ignored if the function has none. The
// result is a view of v.
func (f Func) Input(v *value.Value) (in row.Value) {
	switch f {
	case Count, CountValues, Sum:
		in.Number, in.Set = f.Added(v)
		return in
	}
	return row.Value{Number: v.Number, Bytes: v.Bytes, Set: v.Set}
}

// Added is Input for the functions that compute totals ([row.Add]): it returns the number that one row adds. ok is
// false if the row adds nothing.
func (f Func) Added(v *value.Value) (n row.Number, ok bool) {
	switch {
	case f == Count:
		return row.Number{Lo: 1}, true
	case f == Sum:
		return v.Number, v.Set
	case v.Set:
		n.Lo = 1
	}
	return n, true // a total of values is 0, not NULL, if all are NULL
}
