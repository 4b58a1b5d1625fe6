package funcs

import (
	"math"

	"github.com/sluice-etl/sluice/fold"
	"github.com/sluice-etl/sluice/fold/value"
	"github.com/sluice-etl/sluice/query/expr"
)

// powers are functions whose results are DOUBLEs. The compiler rejects DOUBLEs where their last digit would decide: in
// keys, sums and texts.
var powers = []expr.Function{
	{
		Name: "sqrt", Params: []expr.Param{expr.Double.Param("x")}, Result: expr.Double, Compile: sqrt,
		Example: "bytes", Doc: "the square root; NULL if `x` is negative",
	},
	{
		Name: "pow", Params: []expr.Param{expr.Double.Param("x"), expr.Double.Param("y")}, Result: expr.Double, Compile: power,
		Example: "bytes, 2", Doc: "`x` to the power of `y`",
	},
	{
		Name: "power", Params: []expr.Param{expr.Double.Param("x"), expr.Double.Param("y")}, Result: expr.Double, Compile: power,
		Example: "bytes, 2", Doc: "the same as `POW`",
	},
	{
		Name: "exp", Params: []expr.Param{expr.Double.Param("x")}, Result: expr.Double, Compile: exp,
		Example: "1.5", Doc: "e to the power of `x`",
	},
	{
		Name: "ln", Params: []expr.Param{expr.Double.Param("x")}, Result: expr.Double, Compile: logarithm(value.Log),
		Example: "bytes", Doc: "the natural logarithm; NULL if `x` is not positive",
	},
	{
		Name: "log", Params: []expr.Param{expr.Double.Param("base"), expr.Double.Param("x").Or(0)}, Result: expr.Double, Compile: logOf,
		Syntax: "LOG([base, ]x)", Example: "2, bytes", Doc: "the logarithm, without `base` the natural one; NULL as `LN`, or if `base` is 1",
	},
	{
		Name: "log2", Params: []expr.Param{expr.Double.Param("x")}, Result: expr.Double, Compile: logarithm(value.Log2),
		Example: "bytes", Doc: "the logarithm to base 2",
	},
	{
		Name: "log10", Params: []expr.Param{expr.Double.Param("x")}, Result: expr.Double, Compile: logarithm(value.Log10),
		Example: "bytes", Doc: "the logarithm to base 10",
	},
}

// inRange returns a DOUBLE, or makes the record a dead letter.
func inRange(r *fold.Env, f float64, name string) value.Value {
	if math.IsInf(f, 0) || math.IsNaN(f) {
		return r.Fail("%s: the result is out of a DOUBLE's range", name)
	}
	return value.Double(f)
}

func sqrt(_ *expr.Compiler, x expr.Compiled, args []expr.Compiled) expr.Compiled {
	x.Nullable = true
	return strict(x, args[0], func(v value.Value) value.Value {
		if v.Double() < 0 {
			return value.Null
		}
		return value.Double(math.Sqrt(v.Double()))
	})
}

func power(_ *expr.Compiler, x expr.Compiled, args []expr.Compiled) expr.Compiled {
	name := x.Source.Text
	x.Eval = expr.NotNull(args[0].Eval, args[1].Eval, func(r *fold.Env, a, b value.Value) value.Value {
		return inRange(r, value.Pow(a.Double(), b.Double()), name)
	})
	return x
}

func exp(_ *expr.Compiler, x expr.Compiled, args []expr.Compiled) expr.Compiled {
	name := x.Source.Text
	return notNull(x, args[0], func(r *fold.Env, v value.Value) value.Value { return inRange(r, value.Exp(v.Double()), name) })
}

// logarithm returns the compiler of a logarithm, which is NULL for numbers that have none, as a quotient by 0 is.
func logarithm(of func(float64) float64) func(*expr.Compiler, expr.Compiled, []expr.Compiled) expr.Compiled {
	return func(_ *expr.Compiler, x expr.Compiled, args []expr.Compiled) expr.Compiled {
		x.Nullable = true
		return strict(x, args[0], func(v value.Value) value.Value {
			if v.Double() <= 0 {
				return value.Null
			}
			return value.Double(of(v.Double()))
		})
	}
}

func logOf(c *expr.Compiler, x expr.Compiled, args []expr.Compiled) expr.Compiled {
	if len(x.Source.Args) == 1 {
		return logarithm(value.Log)(c, x, args)
	}
	x.Nullable = true
	x.Eval = expr.NotNull(args[0].Eval, args[1].Eval, func(_ *fold.Env, base, v value.Value) value.Value {
		b, f := base.Double(), v.Double()
		if b <= 0 || b == 1 || f <= 0 {
			return value.Null
		}
		return value.Double(value.LogBase(b, f))
	})
	return x
}
