package mysqlout

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/pool"
	"github.com/sluice-etl/sluice/row"
)

// share is which totals are joined, additive columns and sketches: those of all rows, as a commit does, or fewer, to find
// out which of them MySQL rejects.
type share struct {
	rows map[int]bool // the rows of the batch whose totals are joined; nil is all
	own  bool         // the sketches of these rows are not joined with the stored ones
}

func (s share) has(i int) bool { return s.rows == nil || s.rows[i] }

// joinStored locks the rows of order that are in the table and joins them with the batch's.
func (s *Sink) joinStored(ctx context.Context, tx *pool.Tx, p *tableRows, order []int, totals share) (joinedRows, error) {
	states, err := s.lockRows(ctx, tx, p, order, (*row.Column).IsState)
	if err != nil {
		return joinedRows{}, fmt.Errorf("lock rows of %s: %w", p.table.FullName(), err)
	}
	joined, err := p.join(order, states, totals)
	if err != nil || len(joined.kept) == 0 {
		return joined, err
	}
	out := *p
	out.rows = joined.rows
	values, err := s.lockRows(ctx, tx, &out, joined.kept, isFollower)
	if err != nil {
		return joined, fmt.Errorf("read rows of %s: %w", p.table.FullName(), err)
	}
	joined.keep(values)
	return joined, nil
}

func isFollower(c *row.Column) bool { return c.Traits().Follows }

// joinedRows is a batch's rows joined with the states in the table: one row for each key.
type joinedRows struct {
	rows     *row.Rows
	fresh    []int // rows whose key is not in the table
	replaced []int // rows that replace the values of their key's last record, if their table has such values
	kept     []int // rows whose key has a later record in the table: only states and additive columns change
	// stored is rows for the INSERT of those that are kept, with the stored values of Follows columns.
	stored *row.Rows
	// winners is, for each of rows, the batch's row whose values it holds, -1 if there is none.
	winners []int
}

// join joins the rows of the batch, in order of key, with the states of the table, by encoded key.
func (p *tableRows) join(order []int, stored map[string]storedValues, totals share) (joinedRows, error) {
	out := joinedRows{rows: row.NewRows(p.rows.Table)}
	for from := 0; from < len(order); {
		key := p.rows.Key(order[from])
		states, present := stored[string(key)]
		i, _ := out.rows.Find(key)
		winner := -1
		for end := p.endOfKey(order, from); from < end; from++ {
			replaces, err := p.joinRow(out.rows, i, order[from], states, totals)
			if err != nil {
				return out, err
			}
			if replaces {
				winner = order[from]
			}
		}
		out.rows.Derive(i)
		out.winners = append(out.winners, winner)
		switch {
		case !present:
			out.fresh = append(out.fresh, i)
		case winner >= 0 || !p.follows:
			out.replaced = append(out.replaced, i)
		default:
			out.kept = append(out.kept, i)
		}
	}
	return out, nil
}

// joinRow joins row from of the batch to row i of into. States that the row does not hold yet are those of the table.
func (p *tableRows) joinRow(into *row.Rows, i, from int, stored storedValues, totals share) (replaces bool, err error) {
	cells, added := into.Cells(i), p.rows.Cells(from)
	columns := p.rows.Table.Columns[p.rows.Table.Keys:]
	n := 0
	for j := range columns {
		merge, ok := columns[j].Merge.(row.Stateful)
		if !ok {
			continue
		}
		sketch := columns[j].Traits().Total
		before := storedState(stored, n)
		n++
		switch {
		case cells[j].Set:
			before = into.Bytes(&cells[j])
		case sketch && totals.own:
			before = nil
		}
		if sketch && !totals.has(from) {
			continue
		}
		state, wins, err := merge.Join(nil, before, merge.AppendState(nil, p.rows, &added[j]))
		if err != nil {
			return false, p.stateError(&columns[j], err)
		}
		if most := p.table.Columns[p.table.Keys+j].MaxBytes; most > 0 && len(state) > most {
			return false, &checkpoint.Error{
				Class: checkpoint.ErrBlocked,
				Err: fmt.Errorf("column %s of table %s: a state needs %d bytes, the column takes %d",
					columns[j].Name, p.table.FullName(), len(state), most),
				Hint: "make the column wider (ALTER TABLE … MODIFY to MEDIUMBLOB NOT NULL or LONGBLOB NOT NULL), and the task resumes automatically",
			}
		}
		into.SetBytes(&cells[j], state)
		replaces = replaces || wins
	}
	value := func(j int) row.Value {
		return row.Value{Number: added[j].Number, Bytes: p.rows.Bytes(&added[j]), Set: added[j].Set}
	}
	for _, orders := range []bool{false, true} { // orders after the columns that they choose
		for j := range columns {
			c := &columns[j]
			t := c.Traits()
			if t.Orders != orders || c.IsState() || c.IsDerived() || t.Follows && !replaces || !t.Follows && !totals.has(from) {
				continue
			}
			if chosen, ok := c.Merge.(row.Chosen); ok {
				at := p.rows.Table.OrderOf(c) - p.rows.Table.Keys
				if !chosen.Takes(into, &cells[at], value(at)) {
					continue
				}
			}
			c.Merge.Fold(into, &cells[j], c.Kind, value(j))
		}
	}
	return replaces, nil
}

// storedState returns the n-th state of a stored row, nil if there is no row. NULL is an empty state.
func storedState(stored storedValues, n int) []byte {
	switch {
	case stored == nil:
		return nil
	case stored[n] == nil:
		return []byte{}
	}
	return stored[n]
}

// stateError returns the error of a state that cannot be joined.
func (p *tableRows) stateError(c *row.Column, err error) error {
	out := &checkpoint.Error{
		Class: checkpoint.ErrBlocked, Err: fmt.Errorf("column %s of table %s: %w", c.Name, p.table.FullName(), err),
		Hint: "another program has written to the table; restore the column from a backup, or empty the table and replay the topic",
	}
	if full, ok := errors.AsType[*row.FullError](err); ok {
		out.Hint = full.Do
	}
	return out
}

// keep makes the rows for the INSERT of those that are kept: the joined ones, with the Follows values that the table
// holds. The numbers in kept are those of the new rows from then on. Values other than bytes are text as the server
// printed it, which it reads back as the same value. The server only checks them; it does not store them.
func (j *joinedRows) keep(values map[string]storedValues) {
	t := *j.rows.Table
	t.Columns = slices.Clone(t.Columns)
	for c := range t.Columns {
		if isFollower(&t.Columns[c]) && t.Columns[c].Kind != row.Bytes {
			t.Columns[c].Kind = row.Text
		}
	}
	j.stored = row.NewRows(&t)
	for n, from := range j.kept {
		key := j.rows.Key(from)
		i, _ := j.stored.Find(key)
		cells, joined, follows := j.stored.Cells(i), j.rows.Cells(from), values[string(key)]
		for c := range cells {
			column := &t.Columns[t.Keys+c]
			switch {
			case !isFollower(column):
				cells[c] = row.Cell{}
				if b := j.rows.Bytes(&joined[c]); joined[c].Set && (column.Kind == row.Text || column.Kind == row.Bytes) {
					j.stored.SetBytes(&cells[c], b)
				} else {
					cells[c].Number, cells[c].Set = joined[c].Number, joined[c].Set
				}
			case len(follows) > 0:
				if follows[0] != nil {
					j.stored.SetBytes(&cells[c], follows[0])
				}
				follows = follows[1:]
			}
		}
		j.kept[n] = i
	}
}
