package expr

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/sluice-etl/sluice/fold"
	"github.com/sluice-etl/sluice/fold/value"
	"github.com/sluice-etl/sluice/query/ast"
)

// condition returns an expression that yields the truth value of test.
func condition(e *ast.Expr, nullable, constant bool, test func(*fold.Env) value.Truth) Compiled {
	return Compiled{Type: value.Type{Kind: value.KindInt, Nullable: nullable}, Constant: constant, Source: e, Test: test, Eval: func(r *fold.Env) value.Value {
		switch test(r) {
		case value.Yes:
			return value.Bool(true)
		case value.No:
			return value.Bool(false)
		}
		return value.Null
	}}
}

// Truth returns a function that evaluates x as a truth value: a number is true if it is not zero. Text and times are
// errors.
func (c *Compiler) Truth(x Compiled) func(*fold.Env) value.Truth {
	if x.Test != nil {
		return x.Test
	}
	if x.Kind == value.KindText {
		c.Fail(x.Source, "is text, but a condition is expected: write %s <> ''; CONCAT(a, b) joins texts", x.Source.Text)
	}
	if x.Kind == value.KindTime {
		c.Fail(x.Source, "is a time, but a condition is expected: compare it with another")
	}
	x = c.Number(x)
	eval, double := x.Eval, x.Kind == value.KindDouble
	return func(r *fold.Env) value.Truth {
		v := eval(r)
		switch {
		case !v.Set:
			return value.Unknown
		case double:
			return value.TruthOf(v.Double() != 0)
		}
		return value.TruthOf(v.Number.Lo != 0 || v.Number.Hi != 0)
	}
}

// Comparator returns the function that compares two expressions, and converts both to the kind in which they are
// compared. The function orders two values that are not NULL.
func (c *Compiler) Comparator(a, b *Compiled) func(x, y value.Value) int {
	switch {
	case isBytes(*a) && b.Kind.IsNumber():
		*a = c.Number(*a)
	case isBytes(*b) && a.Kind.IsNumber():
		*b = c.Number(*b)
	case a.Kind == value.KindJSON && b.Kind == value.KindJSON:
		c.Fail(a.Source, "and %s are JSON fields: choose how they are compared, with CAST(%s AS CHAR) or CAST(%s AS DECIMAL(p,s))", b.Source.Text, a.Source.Text, a.Source.Text)
	case a.Kind == value.KindJSON && b.Kind != value.KindNull:
		*a = c.beside(c.unquoted(*a), b.Kind)
	case b.Kind == value.KindJSON && a.Kind != value.KindNull:
		*b = c.beside(c.unquoted(*b), a.Kind)
	}
	switch {
	case a.Kind == value.KindNull || b.Kind == value.KindNull:
		return func(value.Value, value.Value) int { return 0 } // at least one of them is always NULL
	case a.Kind == value.KindTime || b.Kind == value.KindTime:
		*a, *b = c.TimeLiteral(*a), c.TimeLiteral(*b)
		if a.Kind != b.Kind {
			c.Number(*a)
			c.Number(*b)
		}
		return func(x, y value.Value) int { return cmp.Compare(x.Micros(), y.Micros()) }
	case a.Kind == value.KindText && b.Kind == value.KindText:
		return func(x, y value.Value) int { return bytes.Compare(x.Bytes, y.Bytes) }
	case a.Kind == value.KindDouble || b.Kind == value.KindDouble:
		*a, *b = c.double(*a), c.double(*b)
		return func(x, y value.Value) int { return cmp.Compare(x.Double(), y.Double()) }
	}
	*a, *b = c.Number(*a), c.Number(*b)
	return value.CompareDecimals
}

// beside converts a JSON field to the kind of the operand that it is compared with.
func (c *Compiler) beside(x Compiled, k value.Kind) Compiled {
	switch k {
	case value.KindText:
		return c.Text(x)
	case value.KindTime:
		return c.CastTime(c.Text(x), 6)
	}
	return c.Number(x)
}

// comparisons holds the result of each operator for an order of -1, 0 and +1. If neither side is NULL, <=> is =.
var comparisons = map[string][3]value.Truth{
	"=": {value.No, value.Yes, value.No}, "<>": {value.Yes, value.No, value.Yes}, "<": {value.Yes, value.No, value.No}, "<=": {value.Yes, value.Yes, value.No}, ">": {value.No, value.No, value.Yes}, ">=": {value.No, value.Yes, value.Yes}, "<=>": {value.No, value.Yes, value.No},
}

func (c *Compiler) compare(e *ast.Expr) Compiled {
	return c.comparison(e, e.Name, c.Compile(e.Args[0]), c.Compile(e.Args[1]))
}

// comparison compares two expressions by an operator of comparison; e is the source of the result.
func (c *Compiler) comparison(e *ast.Expr, operator string, a, b Compiled) Compiled {
	compare := c.Comparator(&a, &b)
	left, right := a.Eval, b.Eval
	constant := a.Constant && b.Constant
	if operator == "<=>" {
		return condition(e, false, constant, func(r *fold.Env) value.Truth {
			p, q := left(r), right(r)
			if !p.Set || !q.Set {
				return value.TruthOf(p.Set == q.Set)
			}
			return value.TruthOf(compare(p, q) == 0)
		})
	}
	if operator == "=" && a.Kind == value.KindText && b.Kind == value.KindText {
		return condition(e, a.Nullable || b.Nullable, constant, func(r *fold.Env) value.Truth {
			p, q := left(r), right(r)
			if !p.Set || !q.Set {
				return value.Unknown
			}
			return value.TruthOf(bytes.Equal(p.Bytes, q.Bytes))
		})
	}
	want := comparisons[operator]
	return condition(e, a.Nullable || b.Nullable, constant, func(r *fold.Env) value.Truth {
		p := left(r)
		if !p.Set {
			return value.Unknown
		}
		q := right(r)
		if !q.Set {
			return value.Unknown
		}
		return want[1+sign(compare(p, q))]
	})
}

func sign(n int) int { return cmp.Compare(n, 0) }

func (c *Compiler) in(e *ast.Expr) Compiled {
	x := c.Compile(e.Args[0])
	nullable, constant := x.Nullable, x.Constant
	type member struct {
		x, v    func(*fold.Env) value.Value
		compare func(x, y value.Value) int
	}
	var members []member
	for _, arg := range e.Args[1:] {
		a, b := x, c.Compile(arg)
		compare := c.Comparator(&a, &b)
		nullable = nullable || b.Nullable
		constant = constant && b.Constant
		members = append(members, member{a.Eval, b.Eval, compare})
	}
	found, missing := value.Yes, value.No
	if e.Not {
		found, missing = value.No, value.Yes
	}
	raw := x.Eval
	return condition(e, nullable, constant, func(r *fold.Env) value.Truth {
		if !raw(r).Set {
			return value.Unknown
		}
		result := missing
		for i := range members {
			m := &members[i]
			p, q := m.x(r), m.v(r)
			if !p.Set || !q.Set {
				result = value.Unknown
			} else if m.compare(p, q) == 0 {
				return found
			}
		}
		return result
	})
}

// between compiles x BETWEEN low AND high as x >= low AND x <= high. As in MySQL, both comparisons are of DOUBLEs if one
// of the three is a DOUBLE.
func (c *Compiler) between(e *ast.Expr) Compiled {
	xs := []Compiled{c.Compile(e.Args[0]), c.Compile(e.Args[1]), c.Compile(e.Args[2])}
	if slices.ContainsFunc(xs, func(x Compiled) bool { return x.Kind == value.KindDouble }) {
		for i := range xs {
			if xs[i].Kind.IsNumber() {
				xs[i] = c.double(xs[i])
			}
		}
	}
	both := c.decided(e, c.comparison(e, ">=", xs[0], xs[1]), c.comparison(e, "<=", xs[0], xs[2]), value.No, value.Yes)
	if e.Not {
		return c.not(e, both)
	}
	return both
}

func (c *Compiler) is(e *ast.Expr) Compiled {
	x := c.Compile(e.Args[0])
	if e.Name == "null" {
		eval, want := x.Eval, e.Not
		return condition(e, false, x.Constant, func(r *fold.Env) value.Truth { return value.TruthOf(eval(r).Set == want) })
	}
	test, want := c.Truth(x), value.TruthOf(e.Name == "true")
	return condition(e, false, x.Constant, func(r *fold.Env) value.Truth { return value.TruthOf((test(r) == want) != e.Not) })
}

func (c *Compiler) logic(e *ast.Expr) Compiled {
	a := c.Compile(e.Args[0])
	if e.Op == ast.OpNot {
		return c.not(e, a)
	}
	left := c.Truth(a)
	b := c.Compile(e.Args[1])
	right := c.Truth(b)
	switch e.Op {
	case ast.OpAnd:
		return c.decided(e, a, b, value.No, value.Yes)
	case ast.OpOr:
		return c.decided(e, a, b, value.Yes, value.No)
	}
	return condition(e, a.Nullable || b.Nullable, a.Constant && b.Constant, func(r *fold.Env) value.Truth {
		p, q := left(r), right(r)
		if p == value.Unknown || q == value.Unknown {
			return value.Unknown
		}
		return value.TruthOf(p != q)
	})
}

func (c *Compiler) not(e *ast.Expr, x Compiled) Compiled {
	test := c.Truth(x)
	return condition(e, x.Nullable, x.Constant, func(r *fold.Env) value.Truth {
		switch test(r) {
		case value.Yes:
			return value.No
		case value.No:
			return value.Yes
		}
		return value.Unknown
	})
}

// decided compiles AND and OR. decides is the value of one side that decides the result: false for AND, true for OR. If
// the left side has it, the right side is not evaluated. other is the opposite.
func (c *Compiler) decided(e *ast.Expr, a, b Compiled, decides, other value.Truth) Compiled {
	left, right := c.Truth(a), c.Truth(b)
	return condition(e, a.Nullable || b.Nullable, a.Constant && b.Constant, func(r *fold.Env) value.Truth {
		p := left(r)
		if p == decides {
			return decides
		}
		q := right(r)
		switch {
		case q == decides:
			return decides
		case p == value.Unknown || q == value.Unknown:
			return value.Unknown
		}
		return other
	})
}
