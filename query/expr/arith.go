package expr

import (
	"math"

	"github.com/sluice-etl/sluice/fold"
	"github.com/sluice-etl/sluice/fold/value"
	"github.com/sluice-etl/sluice/query/ast"
	"github.com/sluice-etl/sluice/row"
)

// arithmetic maps the operators to their functions of integers and decimals.
var arithmetic = map[string]func(a, b value.Value) (value.Value, bool){
	"+": value.Add, "-": value.Subtract, "*": value.Multiply, "/": value.Divide, "div": value.DivideWhole, "%": value.Modulo,
}

// arith compiles + - * / div %, with MySQL's types: the result of integers is an integer, except that a quotient has four
// digits more after the point than its dividend (div_precision_increment). If either side is a DOUBLE, the result is one.
func (c *Compiler) arith(e *ast.Expr) Compiled {
	a, b := c.Number(c.Compile(e.Args[0])), c.Number(c.Compile(e.Args[1]))
	x := Compiled{Constant: a.Constant && b.Constant, Source: e}
	x.Nullable = a.Nullable || b.Nullable
	divides := e.Name == "/" || e.Name == "div" || e.Name == "%"
	if divides && !(b.Constant && !b.Nullable && !isZero(b)) {
		x.Nullable = true
	}
	if a.Kind == value.KindNull || b.Kind == value.KindNull {
		x.Kind, x.Nullable = value.KindNull, true
		x.Eval = func(*fold.Env) value.Value { return value.Null }
		return x
	}
	if a.Kind == value.KindDouble || b.Kind == value.KindDouble {
		return c.doubleArith(x, e, a, b)
	}
	x.Kind = max(a.Kind, b.Kind)
	switch e.Name {
	case "/":
		x.Kind, x.Scale = value.KindDecimal, min(a.Scale+4, value.MaxScale)
	case "div":
		x.Kind = value.KindInt
	case "*":
		x.Scale = min(a.Scale+b.Scale, value.MaxScale)
	default:
		x.Scale = max(a.Scale, b.Scale)
	}
	if x.Kind == value.KindDecimal && (a.Scale == value.AnyScale || b.Scale == value.AnyScale) {
		x.Scale = value.AnyScale
	}
	fn, left, right, text := arithmetic[e.Name], a.Eval, b.Eval, e.Text
	x.Eval = func(r *fold.Env) value.Value {
		p := left(r)
		if !p.Set {
			return value.Null
		}
		q := right(r)
		if !q.Set || divides && q.Number.Sign() == 0 {
			return value.Null
		}
		v, ok := fn(p, q)
		if !ok {
			return r.Fail("%s: the result has more than %d digits", text, row.MaxDigits)
		}
		return v
	}
	return x
}

func isZero(x Compiled) bool {
	v := x.Eval(&fold.Env{})
	if x.Kind == value.KindDouble {
		return v.Double() == 0
	}
	return v.Number.Sign() == 0
}

func (c *Compiler) doubleArith(x Compiled, e *ast.Expr, a, b Compiled) Compiled {
	if e.Name == "div" {
		for _, x := range []Compiled{a, b} {
			if x.Kind == value.KindDouble {
				return c.Fail(x.Source, "is a DOUBLE, but DIV needs exact numbers: write CAST(%s AS DECIMAL(p,s))", x.Source.Text)
			}
		}
	}
	a, b = c.double(a), c.double(b)
	x.Kind = value.KindDouble
	left, right, op, text := a.Eval, b.Eval, e.Name[0], e.Text
	x.Eval = func(r *fold.Env) value.Value {
		p := left(r)
		if !p.Set {
			return value.Null
		}
		q := right(r)
		if !q.Set {
			return value.Null
		}
		f, g := p.Double(), q.Double()
		switch op {
		case '+':
			f += g
		case '-':
			f -= g
		case '*':
			f *= g
		default:
			if g == 0 {
				return value.Null
			}
			if op == '/' {
				f /= g
			} else {
				f = math.Mod(f, g)
			}
		}
		if math.IsInf(f, 0) || math.IsNaN(f) {
			return r.Fail("%s: the result is out of a DOUBLE's range", text)
		}
		return value.Double(f)
	}
	return x
}

func (c *Compiler) negate(e *ast.Expr) Compiled {
	x := c.Number(c.Compile(e.Args[0]))
	eval, double := x.Eval, x.Kind == value.KindDouble
	x.Source = e
	x.Eval = func(r *fold.Env) value.Value {
		v := eval(r)
		if double && v.Set {
			return value.Double(-v.Double())
		}
		v.Number = v.Number.Neg()
		return v
	}
	return x
}
