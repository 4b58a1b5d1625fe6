package lookup

import (
	"slices"
	"sync/atomic"
	"time"

	"github.com/sluice-etl/sluice/fold/value"
	"github.com/sluice-etl/sluice/row"
)

// Table is a table that a query joins. Its definition is not changed after the query was compiled. Its other methods are
// safe for concurrent use.
type Table struct {
	Schema, Name string // Schema is empty for that of the connection
	Columns      []Column
	Indexes      []Index

	current   atomic.Pointer[Version]
	unmatched atomic.Int64
}

// Column is a column of a Table, as the query declares it.
type Column struct {
	Name string
	value.Type
	// Declared is the type in SQL.
	Declared string
	// Bytewise means that the query declares a collation that compares bytes.
	Bytewise bool
	// Read converts the text of a value that is not NULL. The result can be a view on the text. ok is false if the value is
	// not of the column's type.
	Read func(text []byte) (v value.Value, ok bool)
}

// Index is a set of columns by which rows are found. No two rows have the same values in them. A row with NULL in one of
// them is not found.
type Index struct {
	Columns []int // in Table.Columns
	// Network, if not nil, reads the text of the one column as a network, and rows are found by addresses. ok is false if
	// the text is no network.
	Network func(text []byte) (n Network, ok bool)
}

// FullName returns the table's name, with its schema if it has one.
func (t *Table) FullName() string {
	if t.Schema == "" {
		return t.Name
	}
	return t.Schema + "." + t.Name
}

// Index returns the number of an index with these columns that is of networks or not, and adds it if there is none.
func (t *Table) Index(x Index) int {
	for i := range t.Indexes {
		if slices.Equal(t.Indexes[i].Columns, x.Columns) && (t.Indexes[i].Network == nil) == (x.Network == nil) {
			return i
		}
	}
	t.Indexes = append(t.Indexes, x)
	return len(t.Indexes) - 1
}

// Names returns the names of an index's columns.
func (t *Table) Names(x Index) (names []string) {
	for _, c := range x.Columns {
		names = append(names, t.Columns[c].Name)
	}
	return names
}

// Current returns the newest version; nil before the first Set.
func (t *Table) Current() *Version { return t.current.Load() }

// Set makes v the current version. Batches that have begun keep theirs.
func (t *Table) Set(v *Version) { t.current.Store(v) }

// Unmatched returns how often no row was found.
func (t *Table) Unmatched() int64 { return t.unmatched.Load() }

// AddUnmatched adds to Unmatched.
func (t *Table) AddUnmatched(n int64) { t.unmatched.Add(n) }

// AppendKey appends a value to a key, in the encoding of a kind. A number has the scale of its column.
func AppendKey(dst []byte, k value.Kind, v *value.Value) []byte {
	switch k {
	case value.KindInt, value.KindDecimal:
		return row.AppendKeyNumber(dst, v.Number)
	case value.KindTime:
		return row.AppendKeyDatetime(dst, v.Micros())
	}
	return row.AppendKeyBytes(dst, v.Bytes)
}

// Version is the rows of a table as one read returned them. It is immutable.
type Version struct {
	Read   time.Time       // when the read began
	values [][]value.Value // by column, and row: a query reads few of the columns
	rows   int
	// For each index: the rows by their keys, or the networks.
	indexes  []keyIndex
	networks []networks
}

// Row is a row of a Version, or none. It is valid as long as the version.
type Row struct {
	values [][]value.Value
	at     int32
}

// Found reports whether there is a row.
func (r Row) Found() bool { return r.values != nil }

// Value returns the value of a column of a row that was found. The caller must not change its bytes.
func (r Row) Value(column int) value.Value { return r.values[column][r.at] }

// Rows returns the number of rows.
func (v *Version) Rows() int { return v.rows }

// Find returns the row of a key; no row if there is none.
func (v *Version) Find(index int, key []byte) Row {
	i, ok := v.indexes[index].find(key)
	if !ok {
		return Row{}
	}
	return Row{v.values, i}
}

// row returns a row; none for -1.
func (v *Version) row(i int32) Row {
	if i < 0 {
		return Row{}
	}
	return Row{v.values, i}
}
