package funcs

import (
	"github.com/sluice-etl/sluice/fold"
	"github.com/sluice-etl/sluice/fold/value"
	"github.com/sluice-etl/sluice/query/ast"
	"github.com/sluice-etl/sluice/query/expr"
)

// coalesce compiles COALESCE(x, y, …) and IFNULL(x, y).
func coalesce(c *expr.Compiler, e *ast.Expr) expr.Compiled {
	xs, t := c.Branches(e, e.Args)
	x := expr.Compiled{Type: t, Constant: true, Source: e}
	evals := make([]func(*fold.Env) value.Value, len(xs))
	x.Nullable = true
	for i := range xs {
		evals[i] = xs[i].Eval
		x.Nullable = x.Nullable && xs[i].Nullable
		x.Constant = x.Constant && xs[i].Constant
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

// ifThen compiles IF(condition, x, y).
func ifThen(c *expr.Compiler, e *ast.Expr) expr.Compiled {
	cond := c.Compile(e.Args[0])
	test := c.Truth(cond)
	xs, t := c.Branches(e, e.Args[1:])
	then, otherwise := xs[0].Eval, xs[1].Eval
	return expr.Compiled{Type: t, Constant: cond.Constant && xs[0].Constant && xs[1].Constant, Source: e, Eval: func(r *fold.Env) value.Value {
		if test(r) == value.Yes {
			return then(r)
		}
		return otherwise(r)
	}}
}

// nullIf compiles NULLIF(x, y): the comparison converts, the result is x as it is.
func nullIf(c *expr.Compiler, e *ast.Expr) expr.Compiled {
	raw, b := c.Compile(e.Args[0]), c.Compile(e.Args[1])
	a := raw
	compare := c.Comparator(&a, &b)
	first, left, right := raw.Eval, a.Eval, b.Eval
	x := raw
	x.Source, x.Nullable, x.Constant = e, true, raw.Constant && b.Constant
	x.Eval = func(r *fold.Env) value.Value {
		p, q := left(r), right(r)
		if p.Set && q.Set && compare(p, q) == 0 {
			return value.Null
		}
		return first(r)
	}
	return x
}
