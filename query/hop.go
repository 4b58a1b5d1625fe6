package query

import (
	"github.com/sluice-etl/sluice/query/ast"
	"github.com/sluice-etl/sluice/query/expr"
	"github.com/sluice-etl/sluice/query/funcs"
)

// A record is in several windows of HOP(time, slide, size), and adds to each of them. HOP is an item of GROUP BY and
// nothing else, because only then each of these rows is in a group of its own: within another expression, or beside the
// key, the aggregates of one group would count a record several times.

// hop is one HOP of a statement.
type hop struct {
	source *ast.Expr
	x      expr.Compiled
}

// keyValue compiles an expression that is a column of the group's key. HOPs of the same arguments are one, and of SESSION
// it is the part.
func (c *builder) keyValue(e *ast.Expr) expr.Compiled {
	if isSession(e) {
		return c.Call(e, funcs.Session())
	}
	if e.Op != ast.OpCall || e.Name != funcs.Hop().Name {
		return c.Compile(e)
	}
	for _, h := range c.hops {
		if h.source.Equal(e) {
			return h.x
		}
	}
	x := c.Call(e, funcs.Hop())
	c.hops = append(c.hops, hop{e, x})
	return x
}
