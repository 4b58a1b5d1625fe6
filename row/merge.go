package row

import (
	"bytes"
	"cmp"
	"math"
)

// Merge defines how the values of one column are combined: a record's value with the cell of a batch's row, and that
// cell with the column of the stored row. Everything that depends on the kind of merge is in its implementation: the
// fold, the checks of a table, the DDL and the sink call it.
//
// A Merge is Additive, Stateful, Derived or Chosen. An implementation is a small comparable value, so == compares kinds,
// and is safe for concurrent use. A nil Merge in a Column means Key.
type Merge interface {
	// String is the kind's name, for messages.
	String() string
	// Traits is what the checks of a table and the DDL must know.
	Traits() Traits
	// Fold combines a record's value with a cell of a batch. It is called for each record and allocates nothing except
	// when the arena grows. It cannot fail, because the Fit functions of the column have checked v. k is the column's
	// kind.
	Fold(rows *Rows, to *Cell, k Kind, v Value)
}

// Additive is a Merge whose result the server can compute from the stored value and the batch's value: SQL text in the
// upsert. Nothing is read.
type Additive interface {
	Merge
	// AppendUpsert appends the SQL expression of the column's new value. stored and added are SQL expressions of the
	// column's value in the table and in the batch's row. If the column is nullable, a NULL on either side leaves the
	// other, because NULL means that there is no value yet (P15).
	AppendUpsert(dst []byte, stored, added string, nullable bool) []byte
}

// Stateful is a Merge whose result cannot be written as SQL text. The column is of kind Bytes and holds a state. In the
// transaction of the batch, the sink reads the state of each row with a locking read, joins it in Go and writes it
// back.
type Stateful interface {
	Merge
	// AppendState appends the state of a cell that was folded.
	AppendState(dst []byte, rows *Rows, c *Cell) []byte
	// Join joins the state of a batch's row to the stored one and appends the result to dst. replaces reports whether
	// the row's Replace columns take the values of the batch's row; else they keep the stored values. An error means
	// that the stored state cannot be decoded, or that the result would be too large (FullError); the other state was
	// made by AppendState. stored is nil if there is no row yet, and empty if there is one without a state. The result
	// must not depend on how records are divided into batches, nor on the order in which tasks commit them.
	Join(dst, stored, added []byte) (state []byte, replaces bool, err error)
	// MaxBytes is the maximum length of a state in bytes, 0 if it has no limit of its own.
	MaxBytes() int
}

// Traits is what a table check, the DDL and the Fit functions must know of a Merge.
type Traits struct {
	// Key identifies the row. Such a column is never NULL.
	Key bool
	// Total means that values are combined into one that no record has, such as a sum or a sketch. A sum grows with every
	// record and may leave the range in which each value fits. So the column must be wide, no record is the cause of a
	// result out of range, and the order must not matter.
	Total bool
	// Bits means that values are 64 bits, so the column is a BIGINT UNSIGNED.
	Bits bool
	// Ordered means that values are compared: the column must distinguish any two values, so it has a binary collation
	// and no padding.
	Ordered bool
	// Once means that the row is written once, by a plain INSERT: nothing is merged, and a value may be as long as a
	// record.
	Once bool
	// Follows means that the column takes the value of the row that a Stateful column of the same row chooses. Other
	// Stateful columns do not affect it.
	Follows bool
	// Orders means that the column holds the order by which Chosen columns take their values (Column.Order).
	Orders bool
	// ByPartition means that a batch must keep a row for each partition of one key (Rows.FindIn).
	ByPartition bool
}

// Value is a record's value for a cell, in the representation of Cell. Bytes is a view that Fold copies.
type Value struct {
	Number
	Bytes []byte
	Set   bool // false is NULL
}

// The merges that a query's functions use. They have no fields, so each equals only itself.
var (
	Key   Merge = keyMerge{}   // identifies the row; never NULL
	Add   Merge = addMerge{}   // COUNT, SUM
	Min   Merge = minMerge{}   // the smallest
	Max   Merge = maxMerge{}   // the largest
	Last  Merge = lastMerge{}  // the newest that is not NULL, in the order in which batches commit
	Plain Merge = plainMerge{} // a value of a row that is written once
)

type keyMerge struct{}

func (keyMerge) String() string                 { return "key" }
func (keyMerge) Traits() Traits                 { return Traits{Key: true, Ordered: true} }
func (keyMerge) Fold(*Rows, *Cell, Kind, Value) { panic("BUG: a key column has no cell") }
func (keyMerge) AppendUpsert(dst []byte, stored, _ string, _ bool) []byte {
	return append(dst, stored...)
}

type addMerge struct{}

func (addMerge) String() string { return "total" }
func (addMerge) Traits() Traits { return Traits{Total: true} }

func (addMerge) Fold(_ *Rows, to *Cell, _ Kind, v Value) {
	if v.Set {
		to.Add(v.Number)
	}
}

func (addMerge) AppendUpsert(dst []byte, stored, added string, nullable bool) []byte {
	if !nullable {
		return append(dst, stored+" + "+added...)
	}
	return appendNullSafe(dst, stored+" + "+added, stored, added)
}

type minMerge struct{}

func (minMerge) String() string { return "minimum" }
func (minMerge) Traits() Traits { return Traits{Ordered: true} }

func (minMerge) Fold(rows *Rows, to *Cell, k Kind, v Value) {
	if v.Set && (!to.Set || compare(rows, to, k, v) < 0) {
		set(rows, to, k, v)
	}
}

func (minMerge) AppendUpsert(dst []byte, stored, added string, _ bool) []byte {
	return appendNullSafe(dst, "LEAST("+stored+", "+added+")", stored, added)
}

type maxMerge struct{}

func (maxMerge) String() string { return "maximum" }
func (maxMerge) Traits() Traits { return Traits{Ordered: true} }

func (maxMerge) Fold(rows *Rows, to *Cell, k Kind, v Value) {
	if v.Set && (!to.Set || compare(rows, to, k, v) > 0) {
		set(rows, to, k, v)
	}
}

func (maxMerge) AppendUpsert(dst []byte, stored, added string, _ bool) []byte {
	return appendNullSafe(dst, "GREATEST("+stored+", "+added+")", stored, added)
}

type lastMerge struct{}

func (lastMerge) String() string { return "last value" }
func (lastMerge) Traits() Traits { return Traits{} }

func (lastMerge) Fold(rows *Rows, to *Cell, k Kind, v Value) {
	if v.Set {
		set(rows, to, k, v)
	}
}

func (lastMerge) AppendUpsert(dst []byte, stored, added string, _ bool) []byte {
	return append(dst, "COALESCE("+added+", "+stored+")"...)
}

type plainMerge struct{ lastMerge }

func (plainMerge) String() string { return "plain value" }
func (plainMerge) Traits() Traits { return Traits{Once: true} }

// appendNullSafe appends joined, which is NULL if either side is, such that a NULL on one side leaves the other side.
func appendNullSafe(dst []byte, joined, stored, added string) []byte {
	return append(dst, "COALESCE("+joined+", "+stored+", "+added+")"...)
}

// set stores a value that is not NULL in a cell.
func set(rows *Rows, to *Cell, k Kind, v Value) {
	if k == Text || k == Bytes {
		rows.SetBytes(to, v.Bytes)
		return
	}
	to.Number, to.Set = v.Number, true
}

// compare compares a value with the value of a cell; neither is NULL.
func compare(rows *Rows, to *Cell, k Kind, v Value) int {
	switch k {
	case Text, Bytes:
		return bytes.Compare(v.Bytes, rows.Bytes(to))
	case Datetime:
		return cmp.Compare(int64(v.Lo), int64(to.Lo))
	case Double:
		return cmp.Compare(math.Float64frombits(v.Lo), math.Float64frombits(to.Lo))
	}
	return v.Compare(to.Number)
}
