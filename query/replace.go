package query

import (
	"errors"
	"slices"
	"strings"

	"github.com/sluice-etl/sluice/fold"
	"github.com/sluice-etl/sluice/fold/aggregate"
	"github.com/sluice-etl/sluice/fold/value"
	"github.com/sluice-etl/sluice/query/ast"
	"github.com/sluice-etl/sluice/query/expr"
	"github.com/sluice-etl/sluice/row"
)

// REPLACE INTO t SELECT … GROUP BY keeps a row for each group, whose items are those of the group's last record, except
// for aggregates, which add as usual. GROUP BY is the key because the query must define it: it is checked, and the table
// is created, without a server. So the statement means what MySQL's SELECT without ONLY_FULL_GROUP_BY allows, one row of
// each group, with the row defined.
//
// Which record is the last, the state decides: a hidden column that holds the positions of records (row.Latest).

// stateColumn is the name of the hidden column of the state. A hidden column of an aggregate ends in a number.
const stateColumn = "etl__last"

// keylessReplace rejects REPLACE without GROUP BY.
func keylessReplace(st *ast.Statement) error {
	if st.Replace && len(st.Group) == 0 {
		return errors.New("REPLACE needs GROUP BY, which names the key: the table keeps, for each group, the values of its last record")
	}
	return nil
}

// state adds the state of REPLACE to a statement's columns.
func (c *builder) state(p *program, names []string) {
	st := c.Statement
	if !slices.ContainsFunc(p.cells, func(o output) bool { return o.aggregate == aggregate.Last }) {
		c.Fail(st.Group[0], "each item is in GROUP BY or an aggregate, so REPLACE has no value to replace: select one, or write INSERT INTO and an aggregate")
	}
	if i := slices.IndexFunc(names, func(n string) bool { return strings.EqualFold(n, stateColumn) }); i >= 0 {
		c.Fail(st.Items[i].Expr, "its column is %s, in which REPLACE keeps the position of the last record: give it another alias", stateColumn)
	}
	x := expr.Compiled{Type: value.Type{Kind: value.KindText}, Eval: position}
	p.cells = append(p.cells, output{name: stateColumn, aggregate: aggregate.LastPosition, x: x, kind: row.Bytes, hidden: true})
}

// position is the state of one record.
func position(e *fold.Env) value.Value {
	from := len(e.Text)
	e.Text = row.AppendPosition(e.Text, e.TopicID, e.Partition.ID, e.Record.Offset, e.Record.Timestamp)
	return value.Text(e.Text[from:len(e.Text):len(e.Text)])
}

// replaces reports whether a table keeps the values of the last record.
func replaces(t *row.Table) bool {
	return slices.ContainsFunc(t.Columns, func(c row.Column) bool { return c.Merge == row.Latest })
}

// holdsValue reports whether the column contains the value of one record, unchanged.
func (o *output) holdsValue() bool {
	return o.aggregate == aggregate.Keep || o.aggregate == aggregate.Last || o.aggregate == aggregate.Chosen
}
