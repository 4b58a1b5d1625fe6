package query

import (
	"fmt"
	"slices"

	"github.com/sluice-etl/sluice/fold/aggregate"
	"github.com/sluice-etl/sluice/query/ast"
	"github.com/sluice-etl/sluice/row"
)

// A SELECT item that contains aggregates, but is not one, is a computed column: SUM(bytes) / COUNT(*). A quotient
// cannot be added to, so the table stores the aggregates, each in a column that merges as usual, and the server
// computes the quotient from them whenever the column is read. An aggregate that is an item of its own has a column
// already; the others get hidden ones.

// computed is a column that the server computes.
type computed struct {
	name string
	// x is the expression over the columns of the table: in place of aggregates and items of the key it has columns,
	// whose path is the column's name and whose text is what they stand for.
	x *ast.Expr
}

// maxHidden is the maximum number of hidden columns of one computed column.
const maxHidden = 99

// computed compiles the i-th item of SELECT as a computed column, and adds the hidden columns that it needs. names are
// the columns of all items, and keyOf says which of these are the key.
func (c *builder) computed(p *program, names []string, keyOf []bool, i int) {
	hidden := 0
	var over func(e *ast.Expr) *ast.Expr
	over = func(e *ast.Expr) *ast.Expr {
		if e == nil {
			return nil
		}
		for k, it := range c.Statement.Items {
			if keyOf[k] && c.sameValue(it.Expr, e) {
				return columnFor(names[k], e)
			}
		}
		if e.IsAggregate() {
			return columnFor(c.cellOf(p, names, names[i], e, &hidden), e)
		}
		if e.Op == ast.OpColumn {
			c.Fail(e, "it is neither in GROUP BY nor in an aggregate, so a group has no single value for it: add it to GROUP BY, or write MIN(%s) or MAX(%s)", e.Text, e.Text)
		}
		out := *e
		out.Args = make([]*ast.Expr, len(e.Args))
		for k, a := range e.Args {
			out.Args[k] = over(a)
		}
		return &out
	}
	p.computed = append(p.computed, computed{names[i], over(c.Statement.Items[i].Expr)})
}

func columnFor(name string, e *ast.Expr) *ast.Expr {
	return &ast.Expr{Op: ast.OpColumn, Path: []string{name}, Text: e.Text, From: e.From, To: e.To, Precision: -1, Scale: -1}
}

// sameValue reports whether two expressions have the same value for each record.
func (c *builder) sameValue(a, b *ast.Expr) bool {
	if a.Op == ast.OpColumn && b.Op == ast.OpColumn && !a.JSONPath && !b.JSONPath {
		return slices.Equal(c.Statement.Unqualified(a.Path), c.Statement.Unqualified(b.Path))
	}
	return a.Equal(b)
}

// cellOf returns the name of the column that holds an aggregate. If there is none yet, it adds a hidden one, named
// after the computed column.
func (c *builder) cellOf(p *program, names []string, visible string, e *ast.Expr, hidden *int) string {
	if isEstimate(e) {
		c.Fail(e, "it is an estimate, which an expression would show as if it were exact: give it a column of its own, and compute with it when you select")
		return visible
	}
	o := c.aggregate("", e)
	if c.Err != nil {
		return visible
	}
	if o.kind != row.Int && o.kind != row.Decimal {
		c.Fail(e, "its values are %s, but a column is computed from numbers only, because %s differ from server to server and from session to session: give it a column of its own, and compute with it when you select", o.kind, o.kind)
		return visible
	}
	for i := range p.cells {
		if have := &p.cells[i]; have.source.Equal(e) || have.aggregate == aggregate.Count && o.aggregate == aggregate.Count {
			have.keepScale = have.keepScale || c.keepsScale(e)
			return have.name
		}
	}
	if *hidden++; *hidden > maxHidden {
		c.Fail(e, "column %s contains more than %d aggregates", visible, maxHidden)
		return visible
	}
	o.keepScale = c.keepsScale(e)
	o.name, o.hidden = fmt.Sprintf("%s__%d", visible, *hidden), true
	c.checkName(e, "its column would be", visible, o.name, names)
	c.addCell(p, names, o)
	return o.name
}
