package row

// A sketch is a Stateful column, which is hidden, and one or more Derived columns, which show what its state says: the
// number of distinct values, a percentile, a list. The sink writes both together, so a Derived column is always that of the
// state beside it.

// Derived is a Merge whose values are computed from the state of another column of the same row, Column.State. Nothing
// is folded into such a column.
type Derived interface {
	Merge
	// Value returns the column's value for a state. It depends on the state alone.
	Value(state []byte) Value
}

// IsDerived reports whether the column is computed from a state.
func (c *Column) IsDerived() bool {
	_, ok := c.Merge.(Derived)
	return ok
}

// Derive sets the Derived cells of row i from the states that row i holds in encoded form, as the sink joins them.
func (r *Rows) Derive(i int) {
	r.derive(i, func(_ Stateful, c *Cell) []byte { return r.Bytes(c) })
}

// DeriveFolded sets the Derived cells of all rows from what was folded, as if the table had been empty. It is for
// printing a batch.
func (r *Rows) DeriveFolded() {
	for i := range r.Len() {
		r.derive(i, func(m Stateful, c *Cell) []byte { return m.AppendState(nil, r, c) })
	}
}

func (r *Rows) derive(i int, state func(Stateful, *Cell) []byte) {
	columns, cells := r.Table.Columns[r.Table.Keys:], r.Cells(i)
	for j := range columns {
		m, ok := columns[j].Merge.(Derived)
		if !ok {
			continue
		}
		for k := range columns {
			if of, ok := columns[k].Merge.(Stateful); ok && columns[k].Name == columns[j].State {
				if held := state(of, &cells[k]); len(held) > 0 {
					v := m.Value(held)
					if cells[j] = (Cell{Number: v.Number, Set: v.Set}); v.Bytes != nil {
						r.SetBytes(&cells[j], v.Bytes)
					}
				}
			}
		}
	}
}

// FullError is the error of Stateful.Join if the joined state would exceed its limit: what was seen, and what to do.
type FullError struct{ Seen, Do string }

// Error implements error.
func (e *FullError) Error() string { return e.Seen }
