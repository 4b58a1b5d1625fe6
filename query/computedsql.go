package query

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sluice-etl/sluice/fold"
	"github.com/sluice-etl/sluice/fold/value"
	"github.com/sluice-etl/sluice/query/ast"
	"github.com/sluice-etl/sluice/query/expr"
	"github.com/sluice-etl/sluice/row"
)

// The SQL of a computed column must give one value on every server and in every session, because a session that reads
// the table may have settings of its own, and servers keep a table's expressions as the session that opened it
// understood them. So it has only what depends on no setting:
//
//   - A quotient has as many digits as div_precision_increment says, by default four more than the dividend. So the
//     dividend gets the digits of the result before the division, and what exceeds them is cut.
//   - x / 0 is an error in the modes that MySQL has by default, in a statement that writes: NULLIF makes it NULL.
//   - Integers overflow at 64 bits, and a difference of UNSIGNED columns cannot be negative unless
//     NO_UNSIGNED_SUBTRACTION is set: writing the row fails then, or reading it yields 0. An existing table may have
//     integers, or more digits, where the query has a DECIMAL. So each column is read as the DECIMAL that it is in the
//     query, and arithmetic is that of DECIMAL.
//   - CAST changes a value that its type cannot hold. So ROUND rounds in its place.
//
// And it must be the same text again when a server shows it, so it has only operators that servers store unchanged: no
// BETWEEN, IN, NOT, XOR, IS TRUE or CASE with a value, and no number as a condition. Constants are computed here.

// maxSQL is the maximum length of the SQL of a computed column, in bytes.
const maxSQL = 8 << 10

// wide is the type of each computed value.
const wide = "DECIMAL(65,%d)"

// sql returns a compiled expression in SQL. It is in parentheses if it has an operator.
func (c *computation) sql(e *ast.Expr) string {
	text := c.write(e)
	if len(text) > maxSQL {
		c.large = true
		return "0"
	}
	return text
}

func (c *computation) write(e *ast.Expr) string {
	switch x := c.Compile(e); {
	case x.Kind == value.KindNull:
		return "NULL"
	case x.Constant: // servers compute some constants, and show their values
		return constantSQL(x)
	}
	switch e.Op {
	case ast.OpColumn:
		return c.cellSQL(e, scaleOf(c.Compile(e)))
	case ast.OpNegate:
		return "(0 - " + c.operand(e.Args[0]) + ")" // two minus signs in a row begin a comment
	case ast.OpArith:
		return c.arithmetic(e)
	case ast.OpCompare:
		return "(" + c.compared(e.Args[0]) + " " + e.Name + " " + c.compared(e.Args[1]) + ")"
	case ast.OpIn, ast.OpBetween:
		return c.within(e)
	case ast.OpIs, ast.OpNot, ast.OpAnd, ast.OpOr, ast.OpXor:
		return c.logic(e)
	case ast.OpCase:
		return c.caseWhen(e)
	case ast.OpCast:
		if c.Compile(e.Args[0]).Kind == value.KindInt {
			return c.operand(e.Args[0])
		}
		return c.rounded(e.Args[0], max(e.Scale, 0))
	case ast.OpCall:
		if e.IsAggregate() {
			return c.aggregateSQL(e)
		}
		return c.call(e)
	}
	panic(fmt.Sprintf("BUG: no SQL for operator %d", e.Op))
}

// cellSQL reads a column of the table as a DECIMAL with so many digits after the point.
func (c *computation) cellSQL(e *ast.Expr, digits int) string {
	name := e.Path[0]
	if !slices.Contains(c.reads, name) {
		c.reads = append(c.reads, name)
	}
	return fmt.Sprintf("CAST(`%s` AS "+wide+")", strings.ReplaceAll(name, "`", "``"), digits)
}

// constantSQL returns a constant's value in SQL. A NULL of a number has a type, because MariaDB computes DOUBLEs with
// others.
func constantSQL(x expr.Compiled) string {
	if v := x.Eval(fold.Constant(time.UTC)); v.Set {
		return string(v.Number.AppendText(nil, int(v.Scale)))
	}
	return fmt.Sprintf("CAST(NULL AS "+wide+")", 0)
}

// operand returns e as an operand of arithmetic: never an integer, whose arithmetic would have 64 bits.
func (c *computation) operand(e *ast.Expr) string {
	text := c.sql(e)
	if x := c.Compile(e); x.Constant || x.Kind != value.KindInt || e.Op == ast.OpColumn || e.Op == ast.OpArith || e.Op == ast.OpNegate {
		return text
	}
	return "CAST(" + text + " AS " + fmt.Sprintf(wide, 0) + ")"
}

func (c *computation) arithmetic(e *ast.Expr) string {
	a, b := e.Args[0], e.Args[1]
	switch e.Name {
	case "/":
		text, digits := c.quotient(e)
		return fmt.Sprintf("TRUNCATE(%s, %d)", text, digits)
	case "div":
		// DIV itself yields an integer of 64 bits.
		return fmt.Sprintf("TRUNCATE(%s, 0)", c.divided(a, b, 18))
	case "%":
		// In MariaDB -5.0 % 2.5 is a -0.0 that does not equal 0.
		return "((" + c.operand(a) + " % " + c.divisor(b, c.operand(b)) + ") + 0)"
	}
	return "(" + c.operand(a) + " " + e.Name + " " + c.operand(b) + ")"
}

// quotient returns x / y with at least digits digits after the point, which are exact if what follows them is cut.
func (c *computation) quotient(e *ast.Expr) (text string, digits int) {
	a, b := e.Args[0], e.Args[1]
	digits = value.QuotientDigits(scaleOf(c.Compile(a)), scaleOf(c.Compile(b)))
	return c.divided(a, b, digits), digits
}

func (c *computation) divided(a, b *ast.Expr, digits int) string {
	dividend := ""
	if digits = max(digits, c.kept(a)); a.Op == ast.OpColumn {
		dividend = c.cellSQL(a, digits)
	} else {
		dividend = fmt.Sprintf("CAST(%s AS "+wide+")", c.sql(a), digits)
	}
	return fmt.Sprintf("(%s / %s)", dividend, c.divisor(b, c.sql(b)))
}

// divisor returns e in SQL, with NULL in place of 0.
func (c *computation) divisor(e *ast.Expr, text string) string {
	if x := c.Compile(e); x.Constant && x.Eval(fold.Constant(time.UTC)).Number.Sign() != 0 {
		return text
	}
	return "NULLIF(" + text + ", 0)"
}

// rounded returns e, rounded half away from zero to so many digits after the point, which for digits < 0 are digits
// before it.
func (c *computation) rounded(e *ast.Expr, digits int) string {
	if e.Op == ast.OpArith && e.Name == "/" {
		// Cutting before rounding is not needed: it changes no digit that rounding reads.
		if text, kept := c.quotient(e); digits < kept {
			return fmt.Sprintf("ROUND(%s, %d)", text, digits)
		}
	}
	if c.kept(e) <= digits {
		return c.sql(e)
	}
	return fmt.Sprintf("ROUND(%s, %d)", c.operand(e), digits)
}

// kept returns the most digits after the point that the value of an expression can have. It is more than its type shows
// if it is made of quotients.
func (c *computation) kept(e *ast.Expr) int {
	scale := scaleOf(c.Compile(e))
	switch {
	case e.Op.IsCondition() || e.Op == ast.OpCast || e.Op == ast.OpCall && !slices.Contains(choosing, e.Name):
		return scale
	case e.Op == ast.OpArith && e.Name == "/":
		return value.QuotientDigits(scaleOf(c.Compile(e.Args[0])), scaleOf(c.Compile(e.Args[1])))
	case e.Op == ast.OpArith && e.Name == "*":
		return min(c.kept(e.Args[0])+c.kept(e.Args[1]), value.MaxScale)
	case e.Op == ast.OpArith && e.Name == "div":
		return 0
	}
	for _, a := range e.Args {
		if a != nil {
			scale = max(scale, c.kept(a))
		}
	}
	return scale
}

// choosing holds the functions whose value is that of an argument, or its absolute value.
var choosing = []string{"coalesce", "ifnull", "if", "nullif", "greatest", "least", "abs"}

// compared returns e as an operand of a comparison. Servers show a comparison of a comparison without parentheses.
func (c *computation) compared(e *ast.Expr) string {
	if e.Op.IsCondition() && !c.Compile(e).Constant {
		return "(" + c.sql(e) + " + 0)"
	}
	return c.sql(e)
}

// within writes IN and BETWEEN by comparisons.
func (c *computation) within(e *ast.Expr) string {
	x := c.compared(e.Args[0])
	same, join := " = ", " OR "
	low, high := " >= ", " <= "
	if e.Not {
		same, join = " <> ", " AND "
		low, high = " < ", " > "
	}
	if e.Op == ast.OpBetween {
		join = " AND "
		if e.Not {
			join = " OR "
		}
		return "((" + x + low + c.compared(e.Args[1]) + ")" + join + "(" + x + high + c.compared(e.Args[2]) + "))"
	}
	var parts []string
	for _, a := range e.Args[1:] {
		parts = append(parts, "("+x+same+c.compared(a)+")")
	}
	if len(parts) == 1 {
		return parts[0]
	}
	return "(" + strings.Join(parts, join) + ")"
}

// condition returns e as a comparison, or as a combination of comparisons.
func (c *computation) condition(e *ast.Expr) string {
	if e.Op.IsCondition() && (e.Op != ast.OpIs || e.Name == "null") && !c.Compile(e).Constant {
		return c.sql(e)
	}
	return "(" + c.sql(e) + " <> 0)" // of IS TRUE, too, which is a call
}

func (c *computation) logic(e *ast.Expr) string {
	switch e.Op {
	case ast.OpNot:
		return "(" + c.compared(e.Args[0]) + " = 0)"
	case ast.OpAnd:
		return "(" + c.condition(e.Args[0]) + " AND " + c.condition(e.Args[1]) + ")"
	case ast.OpOr:
		return "(" + c.condition(e.Args[0]) + " OR " + c.condition(e.Args[1]) + ")"
	case ast.OpXor:
		return "((" + c.condition(e.Args[0]) + " + 0) <> (" + c.condition(e.Args[1]) + " + 0))"
	}
	x := c.compared(e.Args[0])
	if e.Name == "null" {
		if e.Not {
			return "(" + x + " IS NOT NULL)"
		}
		return "(" + x + " IS NULL)"
	}
	compare, unknown := " <> 0", 0 // IS TRUE
	if (e.Name == "false") != e.Not {
		compare = " = 0"
	}
	if e.Not {
		unknown = 1
	}
	return fmt.Sprintf("COALESCE((%s%s), %d)", x, compare, unknown)
}

func (c *computation) caseWhen(e *ast.Expr) string {
	n := len(e.Args)
	var b strings.Builder
	b.WriteString("CASE")
	compared := ""
	if e.Args[0] != nil {
		compared = c.compared(e.Args[0])
	}
	for i := 1; i+1 < n; i += 2 {
		when := ""
		if e.Args[0] != nil {
			when = "(" + compared + " = " + c.compared(e.Args[i]) + ")"
		} else {
			when = c.condition(e.Args[i])
		}
		b.WriteString(" WHEN " + when + " THEN " + c.sql(e.Args[i+1]))
		if b.Len() > maxSQL {
			c.large = true
			return "0"
		}
	}
	if last := e.Args[n-1]; last != nil {
		b.WriteString(" ELSE " + c.sql(last))
	}
	return "(" + b.String() + " END)"
}

func (c *computation) call(e *ast.Expr) string {
	name := strings.ToUpper(e.Name)
	switch e.Name {
	case squareRoot:
		digits := rootDigits(e)
		quotient := c.divided(e.Args[0].Args[0], e.Args[0].Args[1], digits)
		return fmt.Sprintf("CAST(SQRT(TRUNCATE(%s, %d)) AS "+wide+")", quotient, digits, e.Scale)
	case "round", "truncate":
		digits := 0
		if len(e.Args) == 2 {
			switch n := c.Compile(e.Args[1]).Eval(fold.Constant(time.UTC)).Number; {
			case n.Compare(row.FromInt(-row.MaxDigits)) < 0:
				digits = -row.MaxDigits
			case n.Compare(row.FromInt(value.MaxScale)) > 0:
				digits = value.MaxScale
			default:
				digits = int(n.Lo)
			}
		}
		if e.Name == "round" {
			return c.rounded(e.Args[0], digits)
		}
		return fmt.Sprintf("TRUNCATE(%s, %d)", c.operand(e.Args[0]), digits)
	case "floor", "abs", "sign":
		return name + "(" + c.operand(e.Args[0]) + ")"
	case "ceil", "ceiling":
		return "CEILING(" + c.operand(e.Args[0]) + ")"
	case "if":
		return "IF(" + c.condition(e.Args[0]) + ", " + c.sql(e.Args[1]) + ", " + c.sql(e.Args[2]) + ")"
	case "ifnull":
		name = "COALESCE"
	}
	var args []string
	for _, a := range e.Args {
		text := c.sql(a)
		if text == "NULL" && (e.Name == "greatest" || e.Name == "least") {
			text = fmt.Sprintf("CAST(NULL AS "+wide+")", 0) // with NULL alone MariaDB computes DOUBLEs
		}
		args = append(args, text)
	}
	return name + "(" + strings.Join(args, ", ") + ")"
}
