package mysqlout

import (
	"slices"

	"github.com/sluice-etl/sluice/mysqlout/internal/sqltext"
	"github.com/sluice-etl/sluice/row"
)

// target is a table to write, as Prepare found it.
type target struct {
	table row.Table
	head  string // INSERT INTO … VALUES
	tail  string // ON DUPLICATE KEY UPDATE …, empty for tables that are not grouped
	// totals is tail for the columns of totals alone.
	totals string
	// keep is tail for a row whose key has a later record in the table; empty for tables without a state.
	keep string
	// states is the number of state columns, and index the name of the key's unique index, for the locking read of states.
	states int
	index  string
	// sketches means that a state can be large, and follows that columns take the values of a record that a state chooses.
	sketches, follows bool
	// definition is the table's definition when it was checked, "" if it is not compared.
	definition string
	// view is the definition of the table's view, "" if it has none or is not compared.
	view string
}

func newTarget(t row.Table) *target {
	head := sqltext.AppendTableName([]byte("INSERT INTO "), &t)
	head = append(head, " ("...)
	for i, name := range storedColumns(&t, func(*row.Column) bool { return true }) {
		if i > 0 {
			head = append(head, ", "...)
		}
		head = sqltext.AppendName(head, name)
	}
	head = append(head, ") VALUES "...)
	out := &target{table: t, head: string(head)}
	if t.Grouped {
		out.tail = upsertOf(t, func(row.Traits) bool { return true })
		out.totals = upsertOf(t, func(c row.Traits) bool { return c.Total })
		for i := range t.Columns {
			if state, ok := t.Columns[i].Merge.(row.Stateful); ok {
				out.states++
				out.sketches = out.sketches || state.MaxBytes() > maxStates/maxLocked
			}
			out.follows = out.follows || isFollower(&t.Columns[i])
		}
		if out.states > 0 {
			out.keep = upsertOf(t, func(c row.Traits) bool { return !c.Follows })
		}
	}
	return out
}

// InsertSQL returns the statement that writes rows to a table, with … in place of the rows.
func InsertSQL(t *row.Table) string {
	out := newTarget(*t)
	return out.head + "(…), …" + out.tail
}

// storedColumns returns the names of the columns that hold the key, and of those outside of it that are wanted.
func storedColumns(t *row.Table, wanted func(*row.Column) bool) (names []string) {
	for i := range t.Columns {
		if c := &t.Columns[i]; i < t.Keys {
			names = append(names, c.StoredKey()...)
		} else if wanted(c) {
			names = append(names, c.Name)
		}
	}
	return names
}

// upsertOf returns the ON DUPLICATE KEY UPDATE clause of the columns that merges chooses. Servers assign the columns from
// left to right, and an expression sees what was assigned before. So orders come last, behind the columns that they
// choose: once an order is assigned, it is no longer the stored one, and in MariaDB 10.11 VALUES() of a BLOB then returns
// what was assigned, in place of the value of the batch's row.
func upsertOf(t row.Table, merges func(row.Traits) bool) string {
	t.Columns = slices.DeleteFunc(slices.Clone(t.Columns), func(c row.Column) bool {
		return !c.Traits().Key && !merges(c.Traits())
	})
	orders := func(c row.Column) int {
		if c.Traits().Orders {
			return 1
		}
		return 0
	}
	slices.SortStableFunc(t.Columns, func(a, b row.Column) int { return orders(a) - orders(b) })
	return string(appendMerge([]byte(" ON DUPLICATE KEY UPDATE "), &t))
}

// appendMerge appends how a row merges into the stored one. VALUES() is deprecated in MySQL 8, but the row alias that
// replaces it is a syntax error in MariaDB; this text is valid in both.
func appendMerge(dst []byte, t *row.Table) []byte {
	if t.Keys == len(t.Columns) {
		// There are only key columns: an existing row does not change.
		name := t.Columns[0].StoredKey()[0]
		return sqltext.AppendName(append(sqltext.AppendName(dst, name), " = "...), name)
	}
	for i := t.Keys; i < len(t.Columns); i++ {
		if i > t.Keys {
			dst = append(dst, ", "...)
		}
		c := &t.Columns[i]
		name := string(sqltext.AppendName(nil, c.Name))
		dst = append(append(dst, name...), " = "...)
		switch merge := c.Merge.(type) {
		case row.Additive:
			dst = merge.AppendUpsert(dst, name, "VALUES("+name+")", c.Nullable)
			continue
		case row.Chosen:
			order := string(sqltext.AppendName(nil, c.Order))
			dst = merge.AppendChoice(dst, name, "VALUES("+name+")", order, "VALUES("+order+")")
			continue
		}
		dst = append(dst, "VALUES("+name+")"...) // a state, and what follows it, were merged before
	}
	return dst
}

// appendRow appends the values of row i. scratch is for texts with zero bytes in keys.
func (t *target) appendRow(dst []byte, r *row.Rows, i int, scratch []byte) []byte {
	dst = append(dst, '(')
	key := r.Key(i)
	for k := range t.table.Keys {
		if k > 0 {
			dst = append(dst, ',')
		}
		column := &r.Table.Columns[k]
		dst, key = sqltext.AppendKeyPart(dst, column, key, scratch)
		if column.Nullable {
			dst, key = sqltext.AppendKeyNull(append(dst, ','), key)
		}
	}
	cells := r.Cells(i)
	for c := range cells {
		if c > 0 || t.table.Keys > 0 {
			dst = append(dst, ',')
		}
		dst = sqltext.AppendCell(dst, r, &r.Table.Columns[t.table.Keys+c], &cells[c])
	}
	return append(dst, ')')
}

// misfit describes why the values of a row do not fit their columns; it is empty if all fit. It does not check what is
// added: a sum that does not fit is a total, however few records it has (P19).
func (t *target) misfit(r *row.Rows, i int) string {
	key := r.Key(i)
	for k := range t.table.Keys {
		c := &t.table.Columns[k]
		switch c.Kind {
		case row.Int, row.Decimal:
			var n row.Number
			n, key = row.KeyNumber(key)
			if _, why := c.FitNumber(n, r.Table.Columns[k].Scale); why != row.Fits {
				return "out of range for key column " + c.Name
			}
		case row.Datetime:
			_, key = row.KeyDatetime(key)
		default:
			_, key = row.KeyBytes(nil, key)
		}
		if r.Table.Columns[k].Nullable {
			_, key = row.KeyNull(key)
		}
	}
	for j, cell := range r.Cells(i) {
		c := &t.table.Columns[t.table.Keys+j]
		number := c.Kind == row.Int || c.Kind == row.Decimal
		if !cell.Set || !number || c.Traits().Total {
			continue
		}
		if _, why := c.FitNumber(cell.Number, r.Table.Columns[t.table.Keys+j].Scale); why != row.Fits {
			return "out of range for column " + c.Name
		}
	}
	return ""
}
