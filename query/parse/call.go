package parse

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dolthub/vitess/go/vt/sqlparser"

	"github.com/sluice-etl/sluice/query/ast"
)

func (c converter) call(x *ast.Expr, e *sqlparser.FuncExpr) (*ast.Expr, error) {
	x.Op, x.Name, x.Distinct = ast.OpCall, e.Name.Lowered(), e.Distinct
	if e.Over != nil && !c.windows {
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
	if (x.Name == "adddate" || x.Name == "subdate") && len(x.Args) == 2 && x.Args[1].Op != ast.OpInterval {
		x.Args[1] = interval(x.Args[1], "day")
	}
	if e.Over != nil {
		return c.window(x, e.Over)
	}
	return x, nil
}

func interval(n *ast.Expr, unit string) *ast.Expr {
	return &ast.Expr{Op: ast.OpInterval, Name: unit, Args: []*ast.Expr{n}, Precision: -1, Scale: -1, Text: "interval " + n.Text + " " + unit}
}

// timestamp converts TIMESTAMPADD(unit, n, time) into DATE_ADD(time, INTERVAL n unit), and the unit of TIMESTAMPDIFF into a
// text.
func (c converter) timestamp(x *ast.Expr, e *sqlparser.TimestampFuncExpr) (*ast.Expr, error) {
	unit := strings.ToLower(e.Unit)
	x, err := c.operands(x, e.Expr1, e.Expr2)
	if err != nil {
		return nil, err
	}
	x.Op, x.Name = ast.OpCall, strings.ToLower(e.Name)
	if x.Name == "timestampadd" {
		x.Name, x.Args = "date_add", []*ast.Expr{x.Args[1], interval(x.Args[0], unit)}
		return x, nil
	}
	x.Args = append([]*ast.Expr{{Op: ast.OpText, Name: unit, Text: unit}}, x.Args...)
	return x, nil
}

// groupConcat converts GROUP_CONCAT(DISTINCT text ORDER BY text SEPARATOR separator) into group_concat(text, separator).
func (c converter) groupConcat(x *ast.Expr, e *sqlparser.GroupConcatExpr) (*ast.Expr, error) {
	x.Op, x.Name, x.Distinct = ast.OpCall, "group_concat", e.Distinct != ""
	var exprs []sqlparser.Expr
	for _, s := range e.Exprs {
		if a, ok := s.(*sqlparser.AliasedExpr); ok {
			exprs = append(exprs, a.Expr)
		}
	}
	if len(exprs) != 1 || len(e.Exprs) != 1 {
		return nil, fmt.Errorf("%s: GROUP_CONCAT takes one text: join several with CONCAT or CONCAT_WS", x.Text)
	}
	x, err := c.operands(x, exprs...)
	if err != nil {
		return nil, err
	}
	for _, o := range e.OrderBy {
		by, err := c.expr(o.Expr)
		if err != nil {
			return nil, err
		}
		if len(e.OrderBy) > 1 || !by.Equal(x.Args[0]) || o.Direction == sqlparser.DescScr {
			return nil, fmt.Errorf("%s: the texts are in ascending order of their bytes: write GROUP_CONCAT(DISTINCT %s ORDER BY %s)", x.Text, x.Args[0].Text, x.Args[0].Text)
		}
	}
	separator := e.Separator.SeparatorString
	if e.Separator.DefaultSeparator {
		separator = ","
	}
	x.Args = append(x.Args, &ast.Expr{Op: ast.OpText, Name: separator, Text: separator})
	return x, nil
}

// extracted are the units of EXTRACT that have a function of their name.
var extracted = []string{"microsecond", "second", "minute", "hour", "day", "month", "quarter", "year"}

// extract converts EXTRACT(unit FROM time) into unit(time).
func (c converter) extract(x *ast.Expr, e *sqlparser.ExtractFuncExpr) (*ast.Expr, error) {
	x.Op, x.Name = ast.OpCall, strings.ToLower(e.Unit)
	if !slices.Contains(extracted, x.Name) {
		return nil, fmt.Errorf("%s: the unit %s is not supported: expected %s", x.Text, e.Unit, strings.ToUpper(strings.Join(extracted, ", ")))
	}
	return c.operands(x, e.Expr)
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
