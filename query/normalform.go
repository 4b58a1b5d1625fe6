package query

import (
	"fmt"
	"strings"

	"github.com/sluice-etl/sluice/fold/value"
	"github.com/sluice-etl/sluice/query/ast"
	"github.com/sluice-etl/sluice/query/parse"
)

// sameSQL reports whether two texts of the expression of a computed column mean the same: ours, and the form in which a
// server shows it. MariaDB leaves out parentheses that are not needed, MySQL adds some around each operator; both write
// names and functions in lower case, and MariaDB writes MOD for %.
func sameSQL(ours, stored string) bool {
	a, err := parse.Expression(ours)
	if err != nil {
		return false
	}
	b, err := parse.Expression(stored)
	return err == nil && normalForm(a) == normalForm(b)
}

// normalForm returns a text that is equal for two trees if and only if they are the same expression. Chains of AND and
// of OR have no inner parentheses.
func normalForm(e *ast.Expr) string {
	if e == nil {
		return "none"
	}
	if text := literalSQL(e, false); text != "" {
		return text
	}
	name := e.Name
	switch e.Op {
	case ast.OpColumn:
		return fmt.Sprintf("%q", strings.ToLower(strings.Join(e.Path, "`.`"))) + fmt.Sprint(e.Steps, e.Quoted)
	case ast.OpAnd, ast.OpOr:
		return fmt.Sprintf("%d(%s)", e.Op, strings.Join(chain(e, e.Op), " "))
	case ast.OpText, ast.OpDouble:
		name = fmt.Sprintf("%q", name)
	}
	args := make([]string, len(e.Args))
	for i, a := range e.Args {
		args[i] = normalForm(a)
	}
	return fmt.Sprintf("%d %s %v %v %v %d %d(%s)", e.Op, name, e.Not, e.Star, e.Distinct, e.Precision, max(e.Scale, 0), strings.Join(args, " "))
}

// chain returns the operands of AND or OR, with those of its operands that are the same operator.
func chain(e *ast.Expr, op ast.Op) []string {
	if e.Op != op {
		return []string{normalForm(e)}
	}
	return append(chain(e.Args[0], op), chain(e.Args[1], op)...)
}

// literalSQL returns a literal's normal form, "" if e is no literal.
func literalSQL(e *ast.Expr, negative bool) string {
	switch e.Op {
	case ast.OpInt, ast.OpDecimal:
		n, scale, ok := value.ParseDecimal([]byte(e.Name))
		if !ok {
			return ""
		}
		if negative {
			n = n.Neg()
		}
		return string(n.AppendText(nil, scale))
	case ast.OpNull:
		return "NULL"
	case ast.OpBool:
		switch {
		case e.Not:
			return "0"
		case negative:
			return "-1"
		}
		return "1"
	case ast.OpNegate:
		return literalSQL(e.Args[0], !negative)
	}
	return ""
}
