package funcs

import (
	"github.com/sluice-etl/sluice/fold"
	"github.com/sluice-etl/sluice/fold/value"
	"github.com/sluice-etl/sluice/query/expr"
)

var conditionals = []expr.Function{
	{
		Name: "coalesce", Params: []expr.Param{expr.Branch.Param("x")}, Variadic: true, Result: expr.Branch, Compile: coalesce,
		Example: "user, 'none'", Doc: "the first argument that is not NULL",
	},
	{
		Name: "ifnull", Params: []expr.Param{expr.Branch.Param("x"), expr.Branch.Param("y")}, Result: expr.Branch, Compile: coalesce,
		Example: "user, 'none'", Doc: "`x`, or `y` if `x` is NULL",
	},
	{
		Name: "if", Params: []expr.Param{expr.Condition.Param("condition"), expr.Branch.Param("x"), expr.Branch.Param("y")}, Result: expr.Branch, Compile: ifThen,
		Example: "status = 200, 'ok', 'other'", Doc: "`x` if the condition is true, otherwise `y`",
	},
	{
		Name: "nullif", Params: []expr.Param{expr.Any.Param("x"), expr.Any.Param("y")}, Result: expr.Any, Compile: nullIf,
		Example: "user, ''", Doc: "NULL if `x` equals `y`, otherwise `x`",
	},
}

func coalesce(_ *expr.Compiler, x expr.Compiled, args []expr.Compiled) expr.Compiled {
	evals := make([]func(*fold.Env) value.Value, len(args))
	x.Nullable = true
	for i := range args {
		evals[i] = args[i].Eval
		x.Nullable = x.Nullable && args[i].Nullable
	}
	if len(evals) == 2 {
		first, second := evals[0], evals[1]
		x.Eval = func(r *fold.Env) value.Value {
			if v := first(r); v.Set {
				return v
			}
			return second(r)
		}
		return x
	}
	x.Eval = func(r *fold.Env) value.Value {
		for _, eval := range evals {
			if v := eval(r); v.Set {
				return v
			}
		}
		return value.Null
	}
	return x
}

func ifThen(_ *expr.Compiler, x expr.Compiled, args []expr.Compiled) expr.Compiled {
	test, then, otherwise := args[0].Test, args[1].Eval, args[2].Eval
	x.Eval = func(r *fold.Env) value.Value {
		if test(r) == value.Yes {
			return then(r)
		}
		return otherwise(r)
	}
	return x
}

// nullIf converts copies of the arguments to compare them. The result is the first argument unchanged.
func nullIf(c *expr.Compiler, x expr.Compiled, args []expr.Compiled) expr.Compiled {
	a, b := args[0], args[1]
	compare := c.Comparator(&a, &b)
	first, left, right := args[0].Eval, a.Eval, b.Eval
	x.Nullable = true
	x.Eval = func(r *fold.Env) value.Value {
		p, q := left(r), right(r)
		if p.Set && q.Set && compare(p, q) == 0 {
			return value.Null
		}
		return first(r)
	}
	return x
}
