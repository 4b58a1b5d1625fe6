package query

import (
	"slices"
	"strings"

	"github.com/sluice-etl/sluice/fold/value"
	"github.com/sluice-etl/sluice/query/ast"
	"github.com/sluice-etl/sluice/row"
)

// AVG, VARIANCE and STDDEV cannot be added to, but they follow from totals, so each is replaced by an expression of
// aggregates (computed.go):
//
//	AVG(x)       SUM(x) / COUNT(x)
//	VAR_POP(x)   (COUNT(x) * SUM(x * x) - SUM(x) * SUM(x)) / (COUNT(x) * COUNT(x))
//	VAR_SAMP(x)  (COUNT(x) * SUM(x * x) - SUM(x) * SUM(x)) / (COUNT(x) * (COUNT(x) - 1))
//	STDDEV…(x)   the square root of these
//
// The numerator is the small difference of large numbers, so it must be exact: a column that rounded the squares would
// give a wrong variance, and a negative one at times. It is exact if x has a known number of digits after the point, if
// x * x has all of them, and if the columns keep all of them (row.Column.KeepScale).

// variances are the functions of the variance. Each is of a sample or of the whole population.
var variances = map[string]struct{ sample, root bool }{
	"variance": {}, "var_pop": {}, "var_samp": {sample: true},
	"std": {root: true}, "stddev": {root: true}, "stddev_pop": {root: true}, "stddev_samp": {sample: true, root: true},
}

const (
	// maxVarianceScale is the most digits after the point of a value whose square has all digits.
	maxVarianceScale = value.MaxScale / 2
	// maxRootScale is the most digits after the point of a standard deviation; squareRoot needs twice as many and four
	// more.
	maxRootScale = (value.MaxScale - 4) / 2
)

// squareRoot is the name of a call that only this package makes: the square root of Args[0], which is a quotient, with
// Scale digits after the point.
const squareRoot = "square root"

// expand replaces AVG and the functions of the variance by expressions of COUNT and SUM.
func (c *builder) expand(e *ast.Expr) *ast.Expr {
	if e == nil {
		return nil
	}
	out := *e
	out.Args = make([]*ast.Expr, len(e.Args))
	for i, a := range e.Args {
		out.Args[i] = c.expand(a)
	}
	if e.Op != ast.OpCall || len(e.Args) != 1 || e.Star || e.Distinct && e.Name != "avg" {
		return &out
	}
	if e.Name == "avg" {
		return arith(e.Text, "/", totalOf(&out, "sum", out.Args[0]), totalOf(&out, "count", out.Args[0]))
	}
	f, ok := variances[e.Name]
	if !ok {
		return &out
	}
	x, scale := c.exact(e, out.Args[0])
	if c.Err != nil {
		return &out
	}
	n, sum := totalOf(&out, "count", x), totalOf(&out, "sum", x)
	squares := totalOf(&out, "sum", arith(x.Text+" * "+x.Text, "*", x, x))
	c.keepScale = append(c.keepScale, sum, squares)
	others := n
	if f.sample {
		others = arith(n.Text+" - 1", "-", n, &ast.Expr{Op: ast.OpInt, Name: "1", Text: "1", Precision: -1, Scale: -1})
	}
	v := arith(e.Text, "/", arith(e.Text, "-", arith(e.Text, "*", n, squares), arith(e.Text, "*", sum, sum)), arith(e.Text, "*", n, others))
	if f.root {
		return &ast.Expr{Op: ast.OpCall, Name: squareRoot, Args: []*ast.Expr{v}, Text: e.Text, Precision: -1, Scale: min(scale+4, maxRootScale)}
	}
	return v
}

// exact returns the argument of a function of the variance as an expression whose values have exactly scale digits after
// the point.
func (c *builder) exact(e, arg *ast.Expr) (x *ast.Expr, scale int) {
	name := strings.ToUpper(e.Name)
	n := c.Number(c.Compile(arg))
	switch {
	case c.Err != nil:
	case n.Kind == value.KindDouble:
		c.Fail(e, "a sum of DOUBLEs depends on their order, which is not defined: write %s(CAST(%s AS DECIMAL(p,s)))", name, arg.Text)
	case n.Kind == value.KindDecimal && n.Scale == value.AnyScale:
		c.Fail(e, "%s is a number of any scale, but its squares must keep all digits: write %s(CAST(%s AS DECIMAL(p,s)))", arg.Text, name, arg.Text)
	case n.Kind == value.KindDecimal && n.Scale > maxVarianceScale:
		c.Fail(e, "%s has %d digits after the point, and its square more than %d: write %s(CAST(%s AS DECIMAL(p,%d)))", arg.Text, n.Scale, value.MaxScale, name, arg.Text, maxVarianceScale)
	case n.Kind == value.KindNull:
		c.Fail(e, "%s of NULL is always NULL", name)
	case n.Kind == value.KindDecimal && arg.Op != ast.OpCast:
		// A quotient has more digits than its type, and a field of a record may, too.
		return &ast.Expr{Op: ast.OpCast, Name: "decimal", Args: []*ast.Expr{arg}, Precision: row.MaxDigits, Scale: n.Scale, Text: arg.Text}, n.Scale
	}
	return arg, scaleOf(n)
}

// totalOf returns COUNT(x) or SUM(x) in place of a call.
func totalOf(call *ast.Expr, name string, x *ast.Expr) *ast.Expr {
	out := *call
	out.Name, out.Args, out.Text = name, []*ast.Expr{x}, strings.ToUpper(name)+"("+x.Text+")"
	return &out
}

func arith(text, operator string, a, b *ast.Expr) *ast.Expr {
	return &ast.Expr{Op: ast.OpArith, Name: operator, Args: []*ast.Expr{a, b}, Text: text, Precision: -1, Scale: -1}
}

// keepsScale reports whether an aggregate's column must keep all digits of its values.
func (c *builder) keepsScale(e *ast.Expr) bool { return slices.Contains(c.keepScale, e) }
