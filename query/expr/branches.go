package expr

import (
	"slices"

	"github.com/sluice-etl/sluice/fold"
	"github.com/sluice-etl/sluice/fold/value"
	"github.com/sluice-etl/sluice/query/ast"
)

// branches converts the expressions that may give the result to one type. If one of them is a time, text literals are
// parsed as times.
func (c *Compiler) branches(xs []Compiled) ([]Compiled, value.Type) {
	times := slices.ContainsFunc(xs, func(x Compiled) bool { return x.Kind == value.KindTime })
	var t value.Type
	for i, x := range xs {
		if times {
			x = c.TimeLiteral(x)
			xs[i] = x
		}
		if i == 0 {
			t = x.Type
			continue
		}
		u, ok := unify(t, x.Type)
		if !ok {
			c.unlike(xs[:i+1], t.Kind)
			return xs, t
		}
		t = u
	}
	for i := range xs {
		xs[i] = c.coerce(xs[i], t)
	}
	return xs, t
}

// unlike reports the error that the last branch has no type in common with those before it.
func (c *Compiler) unlike(xs []Compiled, before value.Kind) {
	x := xs[len(xs)-1]
	if before == value.KindTime || x.Kind == value.KindTime {
		number := xs[slices.IndexFunc(xs, func(x Compiled) bool { return x.Kind.IsNumber() })]
		c.Fail(number.Source, "is %s, but another branch is a time; convert it: write FROM_UNIXTIME(%s) for seconds since 1970", number.Kind, number.Source.Text)
		return
	}
	if x.Kind == value.KindText {
		c.Fail(x.Source, "is text, but the branch before it is %s; convert it: write CAST(%s AS SIGNED) or CAST(%s AS DECIMAL(p,s))", before, x.Source.Text, x.Source.Text)
		return
	}
	c.Fail(x.Source, "is %s, but the branch before it is text; convert it: write CAST(%s AS CHAR)", x.Kind, x.Source.Text)
}

// caseWhen compiles both forms of CASE.
func (c *Compiler) caseWhen(e *ast.Expr) Compiled {
	var results []*ast.Expr
	var tests []func(*fold.Env) value.Truth
	constant := true
	var compared Compiled
	if e.Args[0] != nil {
		compared = c.Compile(e.Args[0]) // once, or the time would be exponential in the depth of nested CASEs
	}
	n := len(e.Args)
	for i := 1; i+1 < n; i += 2 {
		x := c.Compile(e.Args[i])
		if e.Args[0] != nil {
			x = c.comparison(e, "=", compared, x)
		}
		tests = append(tests, c.Truth(x))
		constant = constant && x.Constant
		results = append(results, e.Args[i+1])
	}
	last := e.Args[n-1]
	if last == nil {
		last = &ast.Expr{Op: ast.OpNull, Text: "null"}
	}
	var xs []Compiled
	for _, result := range append(results, last) {
		xs = append(xs, c.Compile(result))
	}
	xs, t := c.branches(xs)
	x := Compiled{Type: t, Constant: constant, Source: e}
	for i := range xs {
		x.Constant = x.Constant && xs[i].Constant
	}
	x.Eval = func(r *fold.Env) value.Value {
		for i, test := range tests {
			if test(r) == value.Yes {
				return xs[i].Eval(r)
			}
		}
		return xs[len(xs)-1].Eval(r)
	}
	return x
}
