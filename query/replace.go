package query

import (
	"fmt"
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
// each group, with the row defined. INSERT IGNORE INTO does the same with the first record, and has no aggregates, because
// it changes no row that exists.
//
// Which record is the last or the first, the state decides: a hidden column that holds the positions of records
// (row.Latest, row.Earliest).

// keeping is what a statement does that keeps one record of each group.
type keeping struct {
	words, which string // REPLACE, last
	// state is the name of the hidden column of the state. A hidden column of an aggregate ends in a number.
	state             string
	value, statePlace aggregate.Func
}

var (
	keepsLast  = keeping{"REPLACE", "last", "etl__last", aggregate.Last, aggregate.LastPosition}
	keepsFirst = keeping{"INSERT IGNORE", "first", "etl__first", aggregate.First, aggregate.FirstPosition}
)

// keptBy returns which record of each group a statement keeps, nil for an ordinary INSERT.
func keptBy(st *ast.Statement) *keeping {
	switch {
	case st.Replace:
		return &keepsLast
	case st.Ignore:
		return &keepsFirst
	}
	return nil
}

// checkKept rejects what a statement that keeps one record of each group cannot have.
func checkKept(st *ast.Statement) error {
	k := keptBy(st)
	switch {
	case k == nil:
	case len(st.Group) == 0:
		return fmt.Errorf("%s needs GROUP BY, which names the key: the table keeps, for each group, the values of its %s record", k.words, k.which)
	case st.Ignore:
		for _, it := range st.Items {
			if it.HasAggregate() {
				return it.Errorf("it is an aggregate, which changes with each record, but INSERT IGNORE changes no row that exists: write INSERT INTO, and FIRST(x) for the values of the first record")
			}
		}
	}
	return nil
}

// state adds the state of REPLACE or INSERT IGNORE to a statement's columns.
func (c *builder) state(p *program, names []string) {
	st, k := c.Statement, keptBy(c.Statement)
	kept := func(o output) bool { return o.aggregate == k.value }
	switch {
	case slices.ContainsFunc(p.cells, kept):
	case st.Replace:
		c.Fail(st.Group[0], "each item is in GROUP BY or an aggregate, so REPLACE has no value to replace: select one, or write INSERT INTO and an aggregate")
	default:
		return // a row for each group, and nothing that a record could change
	}
	if i := slices.IndexFunc(names, func(n string) bool { return strings.EqualFold(n, k.state) }); i >= 0 {
		c.Fail(st.Items[i].Expr, "its column is %s, in which %s keeps the position of the %s record: give it another alias", k.state, k.words, k.which)
	}
	x := expr.Compiled{Type: value.Type{Kind: value.KindText}, Eval: position}
	o := output{name: k.state, aggregate: k.statePlace, x: x, kind: row.Bytes, hidden: true}
	for i := range p.cells {
		if st.Ignore && kept(p.cells[i]) {
			p.cells[i].order = &o
		}
	}
	p.cells = append(p.cells, o)
}

// position is the state of one record.
func position(e *fold.Env) value.Value {
	from := len(e.Text)
	e.Text = row.AppendPosition(e.Text, e.TopicID, e.Partition.ID, e.Record.Offset, e.Record.Timestamp)
	return value.Text(e.Text[from:len(e.Text):len(e.Text)])
}

// keeps returns the words of the statements that write a table that keeps one record of each group; INSERT for others.
func keeps(t *row.Table) string {
	for i := range t.Columns {
		switch t.Columns[i].Merge {
		case row.Latest:
			return keepsLast.words
		case row.Earliest:
			return keepsFirst.words
		}
	}
	return "INSERT"
}

// holdsValue reports whether the column contains the value of one record, unchanged.
func (o *output) holdsValue() bool {
	switch o.aggregate {
	case aggregate.Keep, aggregate.Last, aggregate.First, aggregate.Chosen:
		return true
	}
	return false
}
