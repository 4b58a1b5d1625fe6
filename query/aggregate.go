package query

import (
	"slices"
	"strings"

	"github.com/sluice-etl/sluice/fold"
	"github.com/sluice-etl/sluice/fold/aggregate"
	"github.com/sluice-etl/sluice/fold/value"
	"github.com/sluice-etl/sluice/query/ast"
	"github.com/sluice-etl/sluice/query/expr"
	"github.com/sluice-etl/sluice/row"
)

// aggregate compiles a call of an aggregate.
func (c *builder) aggregate(name string, e *ast.Expr) output {
	o := output{name: name, kind: row.Int, source: e}
	bad := func(format string, args ...any) output {
		c.Fail(e, format, args...)
		return o
	}
	switch {
	case isSketch(e):
		return c.sketch(name, e)
	case isChosen(e):
		return c.chosen(name, e)
	}
	if e.Distinct && e.Name != "min" && e.Name != "max" && e.Name != "any_value" {
		return bad("only COUNT, MIN, MAX and ANY_VALUE have DISTINCT: group by the value too, and add when you select")
	}
	if e.Star {
		if e.Name != "count" {
			return bad("expected COUNT(*), or %s of an expression", strings.ToUpper(e.Name))
		}
		o.aggregate = aggregate.Count
		return o
	}
	if len(e.Args) != 1 {
		return bad("%s takes one argument", strings.ToUpper(e.Name))
	}
	if e.Args[0].HasAggregate() {
		return bad("an aggregate cannot contain another: an expression of aggregates is outside of them, such as SUM(x) / COUNT(*)")
	}
	o.x = c.Compile(e.Args[0])
	o.x.Source = e.Args[0]
	arg := e.Args[0].Text
	switch e.Name {
	case "count":
		o.aggregate = aggregate.CountValues
		if !o.x.Nullable {
			o.aggregate = aggregate.Count
		}
	case "sum":
		o.aggregate = aggregate.Sum
		if o.x.Kind == value.KindDouble {
			return bad("a sum of DOUBLEs depends on their order, which is not defined: write SUM(CAST(%s AS DECIMAL(p,s)))", arg)
		}
		o.x = c.Number(o.x)
		o.kind = row.Decimal
	case "bit_and", "bit_or", "bit_xor":
		o.aggregate = map[string]aggregate.Func{"bit_and": aggregate.BitAnd, "bit_or": aggregate.BitOr, "bit_xor": aggregate.BitXor}[e.Name]
		o.x = c.bits(e, o.x)
	case "any_value":
		// Any value is right, and the smallest does not depend on the order of records.
		o = c.value(name, e.Args[0], aggregate.Min)
		o.source = e
	default:
		o.aggregate = aggregate.Min
		if e.Name == "max" {
			o.aggregate = aggregate.Max
		}
		switch {
		case o.x.Kind != value.KindJSON:
		case c.isSummed(e.Args[0]): // each record's value is a number, or its SUM makes it a dead letter
			o.x = c.Number(o.x)
		case !e.Args[0].Quoted:
			o.x = c.OnlyText(o.x, strings.ToUpper(e.Name))
		default:
			return bad("%s is a JSON field, and text and numbers compare differently: write %s(CAST(%s AS CHAR)) or %s(CAST(%s AS DECIMAL(p,s)))", arg, strings.ToUpper(e.Name), arg, strings.ToUpper(e.Name), arg)
		}
		o.kind = o.x.Column()
	}
	if o.x.Kind == value.KindNull {
		always := "NULL"
		if e.Name == "count" {
			always = "0"
		}
		return bad("%s of NULL is always %s", strings.ToUpper(e.Name), always)
	}
	return o
}

// isSummed reports whether SELECT contains the SUM, or the AVG, of an expression.
func (c *builder) isSummed(e *ast.Expr) bool {
	var in func(x *ast.Expr) bool
	in = func(x *ast.Expr) bool {
		return x != nil && (x.IsAggregate() && x.Name == "sum" && len(x.Args) == 1 && c.sameValue(x.Args[0], e) || slices.ContainsFunc(x.Args, in))
	}
	return slices.ContainsFunc(c.Statement.Items, func(it ast.Item) bool { return in(it.Expr) })
}

// bits compiles the argument of BIT_AND, BIT_OR and BIT_XOR: the 64 bits of an integer.
func (c *builder) bits(e *ast.Expr, x expr.Compiled) expr.Compiled {
	source := x.Source
	x = c.Number(x)
	if x.Kind != value.KindInt && x.Kind != value.KindNull {
		c.Fail(e, "%s is %s, but bits are those of an integer: write %s(CAST(%s AS SIGNED))", source.Text, x.Kind, strings.ToUpper(e.Name), source.Text)
		return x
	}
	eval := x.Eval
	x.Source = source
	x.Eval = func(r *fold.Env) value.Value {
		v := eval(r)
		if !v.Set {
			return v
		}
		bits, ok := v.Number.Bits()
		if !ok {
			return r.Fail("%s: %s has more than 64 bits", e.Text, value.Show(v, value.KindInt))
		}
		v.Number = bits
		return v
	}
	return x
}
