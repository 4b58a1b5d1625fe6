package query

import (
	"slices"

	"github.com/sluice-etl/sluice/fold"
	"github.com/sluice-etl/sluice/fold/value"
	"github.com/sluice-etl/sluice/query/ast"
	"github.com/sluice-etl/sluice/query/expr"
)

// FROM events CROSS JOIN JSON_TABLE(…) AS x makes a row for each element of a value of the record, and JOIN of a table of
// MySQL makes one of the record and the row that it finds, if any. The rows of a
// statement are made in the order of SQL: for each row of the tables in FROM, outermost first, WHERE is evaluated, and
// then the row is in each window of its HOPs.

// elements compiles the tables of FROM beside events.
func (c *builder) elements() {
	for _, t := range c.Statement.Elements {
		c.tables = append(c.tables, c.Elements(t))
		c.numbered = c.numbered || t.Joined == nil
	}
	if c.numbered {
		c.number = c.Row
		c.Row++
	}
}

// where compiles WHERE: it returns the condition on the record, and keeps that on the rows of elements in late. Operands
// of AND are conditions of the record up to the first that reads an element, so that what is filtered by a type, say, is
// filtered before its elements are read, and no operand is evaluated that one before it rules out.
func (c *builder) where() func(*fold.Env) value.Truth {
	if c.Statement.Where == nil {
		return nil
	}
	c.InWhere = true
	defer func() { c.InWhere = false }()
	if len(c.tables) == 0 {
		return c.Truth(c.Compile(c.Statement.Where))
	}
	var early []func(*fold.Env) value.Truth
	for _, e := range operands(c.Statement.Where, nil) {
		c.UsesElements = false
		if test := c.Truth(c.Compile(e)); c.UsesElements || len(c.late) > 0 {
			c.late = append(c.late, test)
		} else {
			early = append(early, test)
		}
	}
	if len(early) == 0 {
		return nil
	}
	return func(r *fold.Env) value.Truth { return all(early, r) }
}

// operands appends the operands of a chain of AND.
func operands(e *ast.Expr, list []*ast.Expr) []*ast.Expr {
	if e.Op != ast.OpAnd {
		return append(list, e)
	}
	return operands(e.Args[1], operands(e.Args[0], list))
}

func all(conditions []func(*fold.Env) value.Truth, r *fold.Env) value.Truth {
	for _, c := range conditions {
		if c(r) != value.Yes {
			return value.No
		}
	}
	return value.Yes
}

// rows returns the function that makes the rows of a statement; nil if it makes one of each row of the record.
func (c *builder) rows() fold.Rows {
	if len(c.RowMakers)+len(c.tables) == 0 || c.Err != nil {
		return nil
	}
	rows := func(_ *fold.Env, row func()) { row() }
	for _, maker := range c.RowMakers {
		rows = maker(rows)
	}
	if len(c.tables) == 0 {
		return rows
	}
	number, late, each := c.number, c.late, rows
	rows = func(r *fold.Env, row func()) {
		if all(late, r) == value.Yes && r.Reason == "" {
			each(r, row)
		}
	}
	if c.numbered {
		selected := rows
		rows = func(r *fold.Env, row func()) {
			selected(r, row)
			r.Row[number].Number.Lo++
		}
	}
	for _, table := range slices.Backward(c.tables) {
		rows = table(rows)
	}
	if !c.numbered {
		return rows
	}
	first := rows
	return func(r *fold.Env, row func()) {
		r.Row[number] = value.Int(0)
		first(r, row)
	}
}

// elementNumber is the column of the key of a row per record that numbers the rows of FROM.
const elementNumber = "_element"

// elementKey returns this column, the number of the row among those that FROM makes of a row of the record, from 0.
func (c *builder) elementKey() output {
	slot := c.number
	x := expr.Compiled{Type: value.Type{Kind: value.KindInt}, Eval: func(r *fold.Env) value.Value { return r.Row[slot] }}
	x.Source = &ast.Expr{Op: ast.OpColumn, Path: []string{elementNumber}, Text: elementNumber}
	return output{name: elementNumber, key: true, x: x, kind: x.Column()}
}
