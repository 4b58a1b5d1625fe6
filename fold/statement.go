package fold

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/sluice-etl/sluice/fold/aggregate"
	"github.com/sluice-etl/sluice/fold/format"
	"github.com/sluice-etl/sluice/fold/lookup"
	"github.com/sluice-etl/sluice/fold/value"
	"github.com/sluice-etl/sluice/internal/option"
	"github.com/sluice-etl/sluice/row"
)

// Config is the program of a fold. All of it but the Parser can be shared by several folds, if its functions can.
type Config struct {
	Statements []Statement
	// Tables returns the tables as they are now, which hold every column of the statements. A fold adopts them when it
	// is created and at each Restore. What it returns is never changed; new tables are a new slice.
	Tables func() *[]row.Table
	// Parser reads bodies into Slots fields. It belongs to this fold alone.
	Parser format.Parser
	Slots  int
	// Schemas, if not nil, reads the schemas that the parser did not know (format.ErrSchemaUnread).
	Schemas interface{ Read(context.Context) error }
	// Zone is for times that are written without one.
	Zone *time.Location
	// Joined are the joined tables. A version of each must be current before records are added. A fold adopts the current
	// versions with the first records of a batch, and keeps them until Take or Restore: all records of a batch see the same
	// rows. Records that are folded again, because their batch was not committed, may see newer ones.
	Joined []*lookup.Table
	Sizes
	// Open finds the event in Env.Record and sets Env.Body and Env.Headers. Its error is why the record holds no event, as
	// that of format.Parser is. If Open is nil, the record's value is the body.
	Open func(*Env) error
	// DeadLetterMaxBytes is how much of a dead letter's value is kept, in bytes.
	DeadLetterMaxBytes int
}

// Sizes are the lengths of the fields of Env with these names.
type Sizes struct{ Windows, Hops, Elements, Row, JoinedRows int }

// Rows calls row once for each row of the table that the record's row makes. Between the calls it changes what the
// columns' functions read of Env: Env.Row and Env.JoinedRows. It returns early once the record has failed.
type Rows func(e *Env, row func())

// Statement computes rows of one table. Its functions are called once for each row of a record; they must not allocate,
// and report what cannot be evaluated by Env.Fail.
type Statement struct {
	Number int    // for dead letters
	Table  string // the table's full name
	// Where reports whether the row is selected; nil selects every row.
	Where func(*Env) value.Truth
	// Rows makes several rows of one, which is how a record can be in several windows. If Rows is nil, there is one row.
	Rows Rows
	// Keys and Cells are the columns, in any order. Keys have no Aggregate.
	Keys, Cells []Column
}

// Column computes one column of a statement's rows.
type Column struct {
	Name      string
	Aggregate aggregate.Func
	Kind      value.Kind             // of what Eval returns
	Eval      func(*Env) value.Value // nil if the aggregate has no argument
}

// boundStatement is a statement with the columns of its table.
type boundStatement struct {
	*Statement
	table int // in Fold.rows
	keys  []keyColumn
	cells []cellColumn

	window int   // which of keys is the table's Window, -1 if it has none
	low    int64 // the low-water mark of the open batch, if there is a window
}

type keyColumn struct {
	limits
	eval func(*Env) value.Value
	kind value.Kind
}

type cellColumn struct {
	limits
	aggregate aggregate.Func
	cell      int  // its place in the row's cells
	total     bool // the cells merge by row.Add
	eval      func(*Env) value.Value
	kind      value.Kind

	// Of a row.Selective column; selective is nil for others.
	selective  row.Selective
	order      int // the place of its order in the row's cells
	orderValue int // the place of the order's argument among those of the statement
}

// bindStatement finds the columns of a statement in the tables: its keys in the table's order, and the place of each
// cell.
func bindStatement(s *Statement, tables []row.Table) boundStatement {
	b := boundStatement{Statement: s, window: -1}
	b.table = slices.IndexFunc(tables, func(t row.Table) bool { return t.FullName() == s.Table })
	t := &tables[b.table]
	for i := range t.Columns[:t.Keys] {
		c := &t.Columns[i]
		k := &s.Keys[slices.IndexFunc(s.Keys, func(k Column) bool { return strings.EqualFold(k.Name, c.Name) })]
		b.keys = append(b.keys, keyColumn{newLimits(c), k.Eval, k.Kind})
		if t.Window != nil && strings.EqualFold(c.Name, t.Window.Column) {
			b.window = i
		}
	}
	for _, k := range s.Cells {
		at := slices.IndexFunc(t.Columns[t.Keys:], func(c row.Column) bool { return strings.EqualFold(k.Name, c.Name) })
		c := &t.Columns[t.Keys+at]
		total := c.Merge == row.Add && k.Aggregate.Merge() == row.Add
		b.cells = append(b.cells, cellColumn{limits: newLimits(c), aggregate: k.Aggregate, cell: at, total: total, eval: k.Eval, kind: k.Kind})
	}
	b.bindOrders(t)
	return b
}

// failDeleted makes the record a dead letter, because v, the start of a window, is before the low-water mark: the rows of
// the window were deleted, and a new row would look like all of it.
func (b *boundStatement) failDeleted(e *Env, k *keyColumn, v *value.Value) {
	e.Fail("%s is %s, before %s: earlier windows of %s are deleted (%s)",
		k.Name, value.RecordTime(v.Micros()), value.RecordTime(b.low), b.Table, option.Ref("retain"))
}

// bindOrders finds the order of each Selective column. Orders come last, so that they are folded after the columns that
// they choose.
func (b *boundStatement) bindOrders(t *row.Table) {
	orders := map[int]int{} // 1 for the cell of an order
	for i := range t.Columns {
		if at := t.OrderOf(&t.Columns[i]); at >= 0 {
			orders[at-t.Keys] = 1
		}
	}
	slices.SortStableFunc(b.cells, func(x, y cellColumn) int { return orders[x.cell] - orders[y.cell] })
	argument := 0
	arguments := map[int]int{} // of each cell, the place of its argument
	for i := range b.cells {
		if c := &b.cells[i]; c.aggregate.HasArgument() {
			arguments[c.cell] = argument
			argument++
		}
	}
	for i := range b.cells {
		c := &b.cells[i]
		if selective, ok := c.Merge.(row.Selective); ok {
			c.selective, c.order = selective, t.OrderOf(c.Column)-t.Keys
			c.orderValue = arguments[c.order]
		}
	}
}
