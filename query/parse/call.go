package parse

import (
	"fmt"

	"github.com/dolthub/vitess/go/vt/sqlparser"

	"github.com/sluice-etl/sluice/query/ast"
)

func (c converter) call(x *ast.Expr, e *sqlparser.FuncExpr) (*ast.Expr, error) {
	x.Op, x.Name, x.Distinct = ast.OpCall, e.Name.Lowered(), e.Distinct
	if e.Over != nil {
		return nil, fmt.Errorf("%s: window functions are not supported because they look at other rows: group with TUMBLE(time, INTERVAL n unit); _topic, _partition, _offset and _index number the records", x.Text)
	}
	if !e.Qualifier.IsEmpty() {
		return nil, unsupported(x)
	}
	for _, s := range e.Exprs {
		switch s := s.(type) {
		case *sqlparser.StarExpr:
			x.Star = true
		case *sqlparser.AliasedExpr:
			a, err := c.expr(s.Expr)
			if err != nil {
				return nil, err
			}
			x.Args = append(x.Args, a)
		default:
			return nil, unsupported(x)
		}
	}
	if x.Name == "mod" && len(x.Args) == 2 && !x.Star {
		x.Op, x.Name = ast.OpArith, "%"
	}
	return x, nil
}

// trimDirections maps the parser's names of TRIM's directions to the words in SQL.
var trimDirections = map[string]string{sqlparser.Leading: "leading", sqlparser.Trailing: "trailing", sqlparser.Both: "both"}

// trim converts TRIM(direction pattern FROM text) into trim(text, pattern, direction).
func (c converter) trim(x *ast.Expr, e *sqlparser.TrimExpr) (*ast.Expr, error) {
	x.Op, x.Name = ast.OpCall, "trim"
	x, err := c.operands(x, e.Str, e.Pattern)
	if err == nil {
		x.Args = append(x.Args, &ast.Expr{Op: ast.OpText, Name: trimDirections[string(e.Dir)], Text: trimDirections[string(e.Dir)]})
	}
	return x, err
}

// substring converts SUBSTRING(text FROM position FOR length).
func (c converter) substring(x *ast.Expr, e *sqlparser.SubstrExpr) (*ast.Expr, error) {
	x.Op, x.Name = ast.OpCall, "substring"
	var text sqlparser.Expr = e.StrVal
	if e.Name != nil {
		text = e.Name
	}
	if e.To == nil {
		return c.operands(x, text, e.From)
	}
	return c.operands(x, text, e.From, e.To)
}
