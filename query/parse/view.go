package parse

import (
	"errors"
	"fmt"

	"github.com/dolthub/vitess/go/vt/sqlparser"

	"github.com/sluice-etl/sluice/query/ast"
)

var errNoView = errors.New("expected a view of one table")

// View parses the SELECT of a view of one table, and the SELECTs between it and the table, from the outermost to the
// innermost. The innermost one has Schema and Table of the table. A window function is a call of over, of the function, of
// what divides the rows, and of what orders them.
func View(text string) (levels []*ast.Statement, err error) {
	defer func() {
		if p := recover(); p != nil {
			levels, err = nil, fmt.Errorf("the SQL parser failed on this view (%v)", p)
		}
	}()
	tree, err := sqlparser.Parse(text)
	if err != nil {
		return nil, err
	}
	sel, ok := tree.(*sqlparser.Select)
	for ok && len(levels) < maxDepth {
		st, below, err := viewLevel(sel)
		if err != nil {
			return nil, err
		}
		levels = append(levels, st)
		if below == nil {
			return levels, nil
		}
		sel, ok = below.(*sqlparser.Select)
	}
	return nil, errNoView
}

// viewLevel converts one SELECT of a view. below is the SELECT that it reads, nil if it reads the table.
func viewLevel(sel *sqlparser.Select) (st *ast.Statement, below sqlparser.SelectStatement, err error) {
	if len(sel.From) != 1 || sel.With != nil {
		return nil, nil, errNoView
	}
	from, ok := sel.From[0].(*sqlparser.AliasedTableExpr)
	if !ok || from.AsOf != nil || len(from.Partitions) > 0 || from.Lateral {
		return nil, nil, errNoView
	}
	st = &ast.Statement{}
	switch read := from.Expr.(type) {
	case sqlparser.TableName:
		st.Schema, st.Table = read.DbQualifier.String(), read.Name.String()
	case *sqlparser.Subquery:
		if len(read.Columns) > 0 {
			return nil, nil, errNoView
		}
		below = read.Select
	default:
		return nil, nil, errNoView
	}
	if err := rejectClauses(sel, places{}); err != nil {
		return nil, nil, err
	}
	return st, below, converter{windows: true}.fill(st, sel)
}

// window converts a window function, from its call without OVER.
func (c converter) window(call *ast.Expr, over *sqlparser.Over) (*ast.Expr, error) {
	if !over.NameRef.IsEmpty() || over.Frame != nil {
		return nil, fmt.Errorf("%s: expected a window without a name and a frame", call.Text)
	}
	list := func(name string) *ast.Expr { return &ast.Expr{Op: ast.OpCall, Name: name, Precision: -1, Scale: -1} }
	divided, err := c.operands(list("partition by"), over.PartitionBy...)
	if err != nil {
		return nil, err
	}
	ordered := list("order by")
	for _, o := range over.OrderBy {
		if o.Direction != sqlparser.AscScr {
			return nil, fmt.Errorf("%s: expected ascending order", call.Text)
		}
		if ordered, err = c.operands(ordered, o.Expr); err != nil {
			return nil, err
		}
	}
	out := list("over")
	out.Args, out.Text = []*ast.Expr{call, divided, ordered}, call.Text
	return out, nil
}
