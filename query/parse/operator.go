package parse

import (
	"fmt"
	"strings"

	"github.com/dolthub/vitess/go/vt/sqlparser"

	"github.com/sluice-etl/sluice/fold/jsonpath"
	"github.com/sluice-etl/sluice/query/ast"
)

func (c converter) unary(x *ast.Expr, e *sqlparser.UnaryExpr) (*ast.Expr, error) {
	switch e.Operator {
	case sqlparser.UMinusStr:
		x.Op = ast.OpNegate
	case sqlparser.UPlusStr:
		return c.expr(e.Expr)
	case sqlparser.BangStr:
		x.Op = ast.OpNot
	case sqlparser.BinaryStr:
		return nil, fmt.Errorf("%s: BINARY is not supported, text is compared by its bytes: leave it out", x.Text)
	case sqlparser.TildaStr:
		x.Op, x.Name = ast.OpBit, "~"
	default:
		return nil, unsupported(x)
	}
	return c.operands(x, e.Expr)
}

// condition converts the operators of truth values that are not comparisons.
func (c converter) condition(x *ast.Expr, e sqlparser.Expr) (*ast.Expr, error) {
	switch e := e.(type) {
	case *sqlparser.AndExpr:
		x.Op = ast.OpAnd
		return c.operands(x, e.Left, e.Right)
	case *sqlparser.OrExpr:
		x.Op = ast.OpOr
		return c.operands(x, e.Left, e.Right)
	case *sqlparser.XorExpr:
		x.Op = ast.OpXor
		return c.operands(x, e.Left, e.Right)
	case *sqlparser.NotExpr:
		x.Op = ast.OpNot
		return c.operands(x, e.Expr)
	case *sqlparser.RangeCond:
		x.Op, x.Not = ast.OpBetween, e.Operator == sqlparser.NotBetweenStr
		return c.operands(x, e.Left, e.From, e.To)
	case *sqlparser.IsExpr:
		x.Op = ast.OpIs
		x.Name = strings.TrimPrefix(strings.TrimPrefix(e.Operator, "is "), "not ")
		x.Not = strings.HasPrefix(e.Operator, "is not ")
		return c.operands(x, e.Expr)
	}
	return nil, reject(x, e)
}

func (c converter) comparison(x *ast.Expr, e *sqlparser.ComparisonExpr) (*ast.Expr, error) {
	left, err := c.expr(e.Left)
	if err != nil {
		return nil, err
	}
	x.Args = []*ast.Expr{left}
	if tuple, ok := e.Right.(sqlparser.ValTuple); ok {
		for _, t := range tuple {
			v, err := c.expr(t)
			if err != nil {
				return nil, err
			}
			x.Args = append(x.Args, v)
		}
	} else {
		right, err := c.expr(e.Right)
		if err != nil {
			return nil, err
		}
		x.Args = append(x.Args, right)
	}
	switch e.Operator {
	case sqlparser.InStr, sqlparser.NotInStr:
		x.Op, x.Not = ast.OpIn, e.Operator == sqlparser.NotInStr
	case sqlparser.LikeStr, sqlparser.NotLikeStr, iLike, notILike:
		return c.like(x, e)
	case "=", "<", "<=", ">", ">=", "<=>":
		x.Op, x.Name = ast.OpCompare, e.Operator
	case "!=", "<>":
		x.Op, x.Name = ast.OpCompare, "<>"
	case sqlparser.RegexpStr, sqlparser.NotRegexpStr:
		x.Op, x.Name = ast.OpCall, "regexp_like"
		if e.Operator == sqlparser.NotRegexpStr {
			return &ast.Expr{Op: ast.OpNot, Args: []*ast.Expr{x}, Precision: -1, Scale: -1, Text: x.Text}, nil
		}
	default:
		return nil, unsupported(x)
	}
	return x, nil
}

func (c converter) binary(x *ast.Expr, e *sqlparser.BinaryExpr) (*ast.Expr, error) {
	left, err := c.expr(e.Left)
	if err != nil {
		return nil, err
	}
	switch e.Operator {
	case sqlparser.JSONExtractOp, sqlparser.JSONUnquoteExtractOp:
		lit, ok := e.Right.(*sqlparser.SQLVal)
		if !ok || lit.Type != sqlparser.StrVal || left.Op != ast.OpColumn || left.JSONPath {
			return nil, fmt.Errorf("%s: expected field->>'$.name.name'", x.Text)
		}
		if x.Steps, err = jsonpath.Parse(string(lit.Val)); err != nil {
			return nil, fmt.Errorf("%s: %w", x.Text, err)
		}
		x.Op, x.Path, x.JSONPath, x.Quoted = ast.OpColumn, left.Path, true, e.Operator == sqlparser.JSONExtractOp
		return x, nil
	case sqlparser.PlusStr, sqlparser.MinusStr, sqlparser.MultStr, sqlparser.DivStr:
		x.Name = e.Operator
	case sqlparser.IntDivStr:
		x.Name = "div"
	case sqlparser.ModStr, "mod":
		x.Name = "%"
	case sqlparser.BitAndStr, sqlparser.BitOrStr, sqlparser.BitXorStr, sqlparser.ShiftLeftStr, sqlparser.ShiftRightStr:
		x.Op, x.Name = ast.OpBit, e.Operator
		return c.operands(x, e.Left, e.Right)
	default:
		return nil, unsupported(x)
	}
	right, err := c.expr(e.Right)
	if err != nil {
		return nil, err
	}
	switch {
	case right.Op == ast.OpInterval && x.Name == sqlparser.PlusStr:
		x.Op, x.Name = ast.OpCall, "date_add"
	case right.Op == ast.OpInterval && x.Name == sqlparser.MinusStr:
		x.Op, x.Name = ast.OpCall, "date_sub"
	case left.Op == ast.OpInterval && x.Name == sqlparser.PlusStr:
		x.Op, x.Name, left, right = ast.OpCall, "date_add", right, left
	default:
		x.Op = ast.OpArith
	}
	x.Args = []*ast.Expr{left, right}
	return x, nil
}
