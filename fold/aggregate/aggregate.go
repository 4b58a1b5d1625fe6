package aggregate

import (
	"github.com/sluice-etl/sluice/fold/value"
	"github.com/sluice-etl/sluice/row"
)

// Func is a function of several values, in the form in which a fold computes it: what one record adds to a cell.
type Func uint8

// The functions.
const (
	Count       Func = iota // COUNT(*): every row counts
	CountValues             // COUNT(x): a value that is not NULL counts
	Sum                     // SUM(x)
	Min                     // MIN(x)
	Max                     // MAX(x)
	Keep                    // x itself, in a row that one record writes
)

// Merge is how values of the function join in a cell and in the table.
func (f Func) Merge() row.Merge {
	switch f {
	case Count, CountValues, Sum:
		return row.Add
	case Min:
		return row.Min
	case Max:
		return row.Max
	}
	return row.Plain
}

// HasArgument reports whether the function has an argument, which is evaluated for each row.
func (f Func) HasArgument() bool { return f != Count }

// WritesArgument reports whether the argument's own value goes into the column, which it must fit then.
func (f Func) WritesArgument() bool { return f >= Sum }

// Input is what one row adds to a cell: v is its argument, which is ignored where the function has none. What is returned
// is a view on v.
func (f Func) Input(v *value.Value) (in row.Value) {
	switch f {
	case Count:
		in.Lo, in.Set = 1, true
	case CountValues:
		if in.Set = true; v.Set {
			in.Lo = 1
		}
	default:
		in.Number, in.Bytes, in.Set = v.Number, v.Bytes, v.Set
	}
	return in
}
