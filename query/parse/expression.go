package parse

import (
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"strings"

	"github.com/dolthub/vitess/go/vt/sqlparser"

	"github.com/sluice-etl/sluice/query/ast"
)

// maxDepth is the maximum nesting depth of an expression. It bounds the recursion of everything that walks the tree.
const maxDepth = 200

// converter converts the expressions of a statement.
type converter struct {
	places  places
	depth   int
	windows bool // window functions are accepted, as views have them
}

// expr converts an expression, with its place. An error is placed at the innermost expression that has it.
func (c converter) expr(e sqlparser.Expr) (*ast.Expr, error) {
	if c.depth++; c.depth > maxDepth {
		return nil, fmt.Errorf("an expression is nested more than %d deep", maxDepth)
	}
	x, err := c.convert(e)
	if err != nil {
		return nil, c.places.at(e, err)
	}
	if isPointer(e) && x.To == 0 {
		place := c.places[e]
		x.From, x.To = place[0], place[1]
	}
	return x, nil
}

func (c converter) convert(e sqlparser.Expr) (*ast.Expr, error) {
	x := &ast.Expr{Precision: -1, Scale: -1}
	if _, interval := e.(*sqlparser.IntervalExpr); !interval {
		x.Text = sqlparser.String(e)
	}
	switch e := e.(type) {
	case *sqlparser.ParenExpr:
		return c.expr(e.Expr)
	case *sqlparser.ColName:
		return column(x, e), nil
	case *sqlparser.SQLVal:
		return literal(x, e)
	case sqlparser.BoolVal:
		x.Op, x.Not = ast.OpBool, !bool(e)
		return x, nil
	case *sqlparser.NullVal:
		x.Op = ast.OpNull
		return x, nil
	case *sqlparser.ComparisonExpr:
		return c.comparison(x, e)
	case *sqlparser.BinaryExpr:
		return c.binary(x, e)
	case *sqlparser.UnaryExpr:
		return c.unary(x, e)
	case *sqlparser.CaseExpr:
		x.Op = ast.OpCase
		operands := []sqlparser.Expr{e.Expr}
		for _, w := range e.Whens {
			operands = append(operands, w.Cond, w.Val)
		}
		return c.operands(x, append(operands, e.Else)...)
	case *sqlparser.ConvertExpr:
		x.Op, x.Name = ast.OpCast, strings.ToLower(e.Type.Type)
		if e.Type.Charset != "" {
			return nil, fmt.Errorf("%s: a character set cannot be chosen, text is UTF-8: leave it out", x.Text)
		}
		x.Precision, x.Scale = number(e.Type.Length), number(e.Type.Scale)
		x, err := c.operands(x, e.Expr)
		if err == nil && x.Name == "date" {
			x = dateOf(x)
		}
		return x, err
	case *sqlparser.IntervalExpr:
		x.Op, x.Name = ast.OpInterval, strings.ToLower(e.Unit)
		x.Text = "interval " + sqlparser.String(e.Expr) + " " + x.Name
		return c.operands(x, e.Expr)
	case *sqlparser.FuncExpr:
		return c.call(x, e)
	case *sqlparser.TimestampFuncExpr:
		return c.timestamp(x, e)
	case *sqlparser.ExtractFuncExpr:
		return c.extract(x, e)
	case *sqlparser.TrimExpr:
		return c.trim(x, e)
	case *sqlparser.SubstrExpr:
		return c.substring(x, e)
	case *sqlparser.GroupConcatExpr:
		return c.groupConcat(x, e)
	}
	return c.condition(x, e)
}

// dateOf converts CAST(x AS DATE) into DATE(CAST(x AS DATETIME(6))).
func dateOf(cast *ast.Expr) *ast.Expr {
	cast.Name, cast.Precision = "datetime", 6
	return &ast.Expr{Op: ast.OpCall, Name: "date", Args: []*ast.Expr{cast}, Precision: -1, Scale: -1, Text: cast.Text}
}

// operands converts the operands of x and appends them to x.Args. A nil stays nil.
func (c converter) operands(x *ast.Expr, es ...sqlparser.Expr) (*ast.Expr, error) {
	for _, e := range es {
		var arg *ast.Expr
		if e != nil {
			var err error
			if arg, err = c.expr(e); err != nil {
				return nil, err
			}
		}
		x.Args = append(x.Args, arg)
	}
	return x, nil
}

func column(x *ast.Expr, e *sqlparser.ColName) *ast.Expr {
	x.Op = ast.OpColumn
	for _, id := range []sqlparser.TableIdent{e.Qualifier.SchemaQualifier, e.Qualifier.DbQualifier, e.Qualifier.Name} {
		if !id.IsEmpty() {
			x.Path = append(x.Path, id.String())
		}
	}
	x.Path = append(x.Path, e.Name.String())
	return x
}

func literal(x *ast.Expr, v *sqlparser.SQLVal) (*ast.Expr, error) {
	x.Name = string(v.Val)
	switch v.Type {
	case sqlparser.StrVal:
		x.Op = ast.OpText
	case sqlparser.IntVal:
		x.Op = ast.OpInt
	case sqlparser.FloatVal:
		x.Op = ast.OpDecimal
		if strings.ContainsAny(x.Name, "eE") {
			x.Op = ast.OpDouble
		}
	case sqlparser.ValArg:
		return nil, errors.New("placeholders (? and :name) are not supported: write the value")
	default:
		b, err := literalBytes(v)
		if err != nil {
			return nil, fmt.Errorf("%s: expected a hexadecimal or bit literal such as 0x4D, x'4D' or b'01'", x.Text)
		}
		x.Op, x.Name = ast.OpBytes, string(b)
	}
	return x, nil
}

// literalBytes returns the bytes of 0x4D, x'4D' or b'01'.
func literalBytes(v *sqlparser.SQLVal) ([]byte, error) {
	n, base := new(big.Int), 16
	digits := strings.TrimPrefix(string(v.Val), "0x")
	size := (len(digits) + 1) / 2
	if v.Type == sqlparser.BitVal {
		base, size = 2, (len(digits)+7)/8
	}
	if digits == "" {
		return nil, nil
	}
	if _, ok := n.SetString(digits, base); !ok || n.Sign() < 0 {
		return nil, errors.New("not digits")
	}
	return n.FillBytes(make([]byte, size)), nil
}

func number(v *sqlparser.SQLVal) int {
	if v == nil {
		return -1
	}
	n, err := strconv.Atoi(string(v.Val))
	if err != nil {
		return -2
	}
	return n
}

func unsupported(x *ast.Expr) error {
	return fmt.Errorf("%s: not supported; docs/query.md lists what is", x.Text)
}

// reject returns the error for an expression that the tree cannot represent.
func reject(x *ast.Expr, e sqlparser.Expr) error {
	switch e := e.(type) {
	case *sqlparser.Subquery, *sqlparser.ExistsExpr:
		return fmt.Errorf("%s: subqueries are not supported: join when you select from the table", x.Text)
	case *sqlparser.CollateExpr:
		return collated(x, e)
	case *sqlparser.ConvertUsingExpr:
		return fmt.Errorf("%s: character sets cannot be converted, text is UTF-8: leave it out", x.Text)
	}
	return unsupported(x)
}

// collated returns the error for COLLATE. Collations that ignore case ignore accents too, and differ between servers.
func collated(x *ast.Expr, e *sqlparser.CollateExpr) error {
	if text := sqlparser.String(e.Expr); !strings.HasSuffix(strings.ToLower(e.Collation), "_bin") && !strings.EqualFold(e.Collation, "binary") {
		return fmt.Errorf("%s: COLLATE is not supported, text is compared by its bytes, and servers differ on which letters are equal in %s: write LOWER(%s) on both sides of the comparison to ignore case", x.Text, e.Collation, text)
	}
	return fmt.Errorf("%s: COLLATE is not supported, text is compared by its bytes: leave it out", x.Text)
}

// reserved reports whether a word cannot be the name of a column, by parsing a statement that uses it as one.
func reserved(word string) bool {
	_, err := sqlparser.Parse("select " + word + " from t")
	return err != nil
}
