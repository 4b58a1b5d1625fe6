package funcs

import (
	"github.com/sluice-etl/sluice/fold"
	"github.com/sluice-etl/sluice/fold/value"
	"github.com/sluice-etl/sluice/query/ast"
	"github.com/sluice-etl/sluice/query/expr"
)

// header compiles HEADER('name'): the value of a header of the event.
func header(c *expr.Compiler, e *ast.Expr) expr.Compiled {
	if e.Args[0].Op != ast.OpText {
		return c.Fail(e, "header takes a name in quotes, such as header('host')")
	}
	name := e.Args[0].Name
	return expr.Compiled{Type: value.Type{Kind: value.KindText, Nullable: true}, Source: e, Eval: func(r *fold.Env) value.Value { return r.Header(name) }}
}
