package funcs

import (
	"math"
	"slices"

	"github.com/sluice-etl/sluice/fold"
	"github.com/sluice-etl/sluice/fold/value"
	"github.com/sluice-etl/sluice/query/expr"
	"github.com/sluice-etl/sluice/row"
)

var numbers = []expr.Function{
	{
		Name: "abs", Params: []expr.Param{expr.Number.Param("x")}, Result: expr.Any, Compile: abs,
		Example: "bytes", Doc: "`x` without its sign",
	},
	{
		Name: "sign", Params: []expr.Param{expr.Number.Param("x")}, Result: expr.Integer, Compile: sign,
		Example: "bytes", Doc: "-1, 0 or 1 as `x` is negative, zero or positive",
	},
	{
		Name: "ceil", Params: []expr.Param{expr.Number.Param("x")}, Result: expr.Number, Compile: ceil,
		Example: "bytes / 1024", Doc: "the smallest whole number that is not below `x`",
	},
	{
		Name: "ceiling", Params: []expr.Param{expr.Number.Param("x")}, Result: expr.Number, Compile: ceil,
		Example: "bytes / 1024", Doc: "the same as `CEIL`",
	},
	{
		Name: "floor", Params: []expr.Param{expr.Number.Param("x")}, Result: expr.Number, Compile: floor,
		Example: "bytes / 1024", Doc: "the largest whole number that is not above `x`",
	},
	{
		Name: "round", Params: []expr.Param{expr.Exact.Param("x"), expr.Integer.Param("d").Const().Or(0)}, Result: expr.Any, Compile: round,
		Example: "bytes / 1024, 1", Doc: "`x` rounded to `d` digits after the point, half away from zero",
	},
	{
		Name: "truncate", Params: []expr.Param{expr.Exact.Param("x"), expr.Integer.Param("d").Const()}, Result: expr.Any, Compile: truncate,
		Example: "bytes / 1024, 1", Doc: "`x` cut to `d` digits after the point",
	},
	{
		Name: "greatest", Params: []expr.Param{expr.Branch.Param("x"), expr.Branch.Param("y")}, Variadic: true, Result: expr.Branch, Compile: greatest,
		Example: "bytes, 0", Doc: "the largest argument; NULL if one of them is NULL",
	},
	{
		Name: "least", Params: []expr.Param{expr.Branch.Param("x"), expr.Branch.Param("y")}, Variadic: true, Result: expr.Branch, Compile: least,
		Example: "bytes, 1000", Doc: "the smallest argument; NULL if one of them is NULL",
	},
}

// notNull compiles a function of one argument whose result is NULL if the argument is NULL.
func notNull(x, arg expr.Compiled, eval func(r *fold.Env, v value.Value) value.Value) expr.Compiled {
	of := arg.Eval
	x.Eval = func(r *fold.Env) value.Value {
		v := of(r)
		if !v.Set {
			return value.Null
		}
		return eval(r, v)
	}
	return x
}

// strict is notNull for a function of the value alone.
func strict(x expr.Compiled, arg expr.Compiled, eval func(v value.Value) value.Value) expr.Compiled {
	x.Eval = func(r *fold.Env) value.Value {
		v := arg.Eval(r)
		if !v.Set {
			return value.Null
		}
		return eval(v)
	}
	return x
}

func abs(_ *expr.Compiler, x expr.Compiled, args []expr.Compiled) expr.Compiled {
	if args[0].Kind == value.KindDouble {
		return strict(x, args[0], func(v value.Value) value.Value { return value.Double(math.Abs(v.Double())) })
	}
	return strict(x, args[0], func(v value.Value) value.Value {
		v.Number = v.Number.Abs()
		return v
	})
}

func sign(_ *expr.Compiler, x expr.Compiled, args []expr.Compiled) expr.Compiled {
	if args[0].Kind == value.KindDouble {
		return strict(x, args[0], func(v value.Value) value.Value {
			switch f := v.Double(); {
			case f > 0:
				return value.Int(1)
			case f < 0:
				return value.Int(-1)
			}
			return value.Int(0)
		})
	}
	return strict(x, args[0], func(v value.Value) value.Value { return value.Int(int64(v.Number.Sign())) })
}

func ceil(_ *expr.Compiler, x expr.Compiled, args []expr.Compiled) expr.Compiled {
	return whole(x, args[0], math.Ceil, 1)
}

func floor(_ *expr.Compiler, x expr.Compiled, args []expr.Compiled) expr.Compiled {
	return whole(x, args[0], math.Floor, -1)
}

// whole rounds a DOUBLE to a DOUBLE by a function, and an exact number to an integer towards the infinity of a sign.
func whole(x, arg expr.Compiled, of func(float64) float64, towards int) expr.Compiled {
	if arg.Kind == value.KindDouble {
		x.Kind = value.KindDouble
		return strict(x, arg, func(v value.Value) value.Value { return value.Double(of(v.Double())) })
	}
	x.Kind = value.KindInt
	return strict(x, arg, func(v value.Value) value.Value {
		n, rest := v.Number.QuoRem(row.Pow10(int(v.Scale)))
		if rest.Sign() == towards {
			n, _ = n.Plus(row.FromInt(int64(towards)))
		}
		return value.Value{Number: n, Set: true}
	})
}

func round(_ *expr.Compiler, x expr.Compiled, args []expr.Compiled) expr.Compiled {
	return digits(x, args, false)
}

func truncate(_ *expr.Compiler, x expr.Compiled, args []expr.Compiled) expr.Compiled {
	return digits(x, args, true)
}

// digits rounds or cuts an exact number to a constant number of digits after the point, which for d < 0 are digits before
// it. As in MySQL, integers stay integers, and other numbers get d digits.
func digits(x expr.Compiled, args []expr.Compiled, cut bool) expr.Compiled {
	d := min(max(clamp(args[1].Eval(nil)), -row.MaxDigits), value.MaxScale)
	shown := max(d, 0)
	if x.Kind == value.KindDecimal {
		if x.Precision > 0 {
			x.Precision = min(x.Precision-x.Scale+shown+1, row.MaxDigits) // rounding can add a digit
		}
		x.Scale = shown
	}
	eval, text := args[0].Eval, x.Source.Text
	x.Eval = func(r *fold.Env) value.Value {
		v := eval(r)
		scale := int(v.Scale)
		if !v.Set || scale <= d {
			return v
		}
		n, ok := v.Number, true
		switch {
		case scale-d > row.MaxDigits:
			n = row.Number{} // less than half of the unit
		case cut:
			n, _ = n.QuoRem(row.Pow10(scale - d))
		default:
			n, ok = n.Rescale(scale-d, 0)
		}
		if ok && d < 0 && n.Sign() != 0 {
			n, ok = n.Times(row.Pow10(-d))
		}
		if !ok || !n.Digits(row.MaxDigits) {
			return r.Fail("%s: the result has more than %d digits", text, row.MaxDigits)
		}
		return value.Value{Number: n, Scale: uint8(shown), Set: true}
	}
	return x
}

func greatest(c *expr.Compiler, x expr.Compiled, args []expr.Compiled) expr.Compiled {
	return extreme(c, x, args, 1)
}

func least(c *expr.Compiler, x expr.Compiled, args []expr.Compiled) expr.Compiled {
	return extreme(c, x, args, -1)
}

// extreme compiles GREATEST (direction 1) and LEAST (direction -1). The arguments have one type.
func extreme(c *expr.Compiler, x expr.Compiled, args []expr.Compiled, direction int) expr.Compiled {
	compare := comparator(c, args)
	x.Eval = func(r *fold.Env) value.Value {
		best := args[0].Eval(r)
		for i := 1; i < len(args) && best.Set; i++ {
			v := args[i].Eval(r)
			if !v.Set || compare(v, best)*direction > 0 {
				best = v
			}
		}
		return best
	}
	return x
}

// comparator returns the function that orders the values of arguments of class Branch.
func comparator(c *expr.Compiler, args []expr.Compiled) func(a, b value.Value) int {
	i := slices.IndexFunc(args, func(a expr.Compiled) bool { return a.Kind != value.KindNull })
	if i < 0 {
		return nil // no two values are compared
	}
	a, b := args[i], args[i]
	if j := slices.IndexFunc(args[i+1:], func(b expr.Compiled) bool { return b.Kind != value.KindNull }); j >= 0 {
		b = args[i+1+j]
	}
	return c.Comparator(&a, &b)
}
