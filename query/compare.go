package query

import (
	"bytes"
	"cmp"

	"github.com/sluice-etl/sluice/fold"
	"github.com/sluice-etl/sluice/fold/value"
	"github.com/sluice-etl/sluice/query/ast"
)

// condition makes an expression of a truth value.
func condition(e *ast.Expr, nullable, constant bool, test func(*fold.Env) value.Truth) compiled {
	return compiled{Type: value.Type{Kind: value.KindInt, Nullable: nullable}, constant: constant, src: e, test: test, eval: func(r *fold.Env) value.Value {
		switch test(r) {
		case value.Yes:
			return value.Bool(true)
		case value.No:
			return value.Bool(false)
		}
		return value.Null
	}}
}

// truth wants a truth value: a number that is not zero is true.
func (c *compiler) truth(x compiled) func(*fold.Env) value.Truth {
	if x.test != nil {
		return x.test
	}
	if x.Kind == value.KindText {
		c.fail(x.src, "is text, but a condition is expected: write %s <> ''; CONCAT(a, b) joins texts", x.src.Text)
	}
	if x.Kind == value.KindTime {
		c.fail(x.src, "is a time, but a condition is expected: compare it with another")
	}
	x = c.number(x)
	eval, double := x.eval, x.Kind == value.KindDouble
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

// comparator finds how two expressions compare, and makes both yield values of that kind.
func (c *compiler) comparator(a, b *compiled) func(x, y value.Value) int {
	switch {
	case a.Kind == value.KindJSON && b.Kind == value.KindJSON:
		c.fail(a.src, "and %s are JSON fields: choose how they are compared, with CAST(%s AS CHAR) or CAST(%s AS DECIMAL(p,s))", b.src.Text, a.src.Text, a.src.Text)
	case a.Kind == value.KindJSON && b.Kind != value.KindNull:
		*a = c.beside(c.unquoted(*a), b.Kind)
	case b.Kind == value.KindJSON && a.Kind != value.KindNull:
		*b = c.beside(c.unquoted(*b), a.Kind)
	}
	switch {
	case a.Kind == value.KindNull || b.Kind == value.KindNull:
		return func(value.Value, value.Value) int { return 0 } // at least one of them is NULL always
	case a.Kind == value.KindTime || b.Kind == value.KindTime:
		*a, *b = c.timeLiteral(*a), c.timeLiteral(*b)
		if a.Kind != b.Kind {
			c.number(*a)
			c.number(*b)
		}
		return func(x, y value.Value) int { return cmp.Compare(x.Micros(), y.Micros()) }
	case a.Kind == value.KindText && b.Kind == value.KindText:
		return func(x, y value.Value) int { return bytes.Compare(x.Bytes, y.Bytes) }
	case a.Kind == value.KindDouble || b.Kind == value.KindDouble:
		*a, *b = c.double(*a), c.double(*b)
		return func(x, y value.Value) int { return cmp.Compare(x.Double(), y.Double()) }
	}
	*a, *b = c.number(*a), c.number(*b)
	return value.CompareDecimals
}

// beside makes a JSON field yield what it is compared with.
func (c *compiler) beside(x compiled, k value.Kind) compiled {
	switch k {
	case value.KindText:
		return c.text(x)
	case value.KindTime:
		return c.castTime(c.text(x), 6)
	}
	return c.number(x)
}

// comparisons holds what each operator makes of an order of -1, 0 and +1; <=> is = where neither side is NULL.
var comparisons = map[string][3]value.Truth{
	"=": {value.No, value.Yes, value.No}, "<>": {value.Yes, value.No, value.Yes}, "<": {value.Yes, value.No, value.No}, "<=": {value.Yes, value.Yes, value.No}, ">": {value.No, value.No, value.Yes}, ">=": {value.No, value.Yes, value.Yes}, "<=>": {value.No, value.Yes, value.No},
}

func (c *compiler) compare(e *ast.Expr) compiled {
	a, b := c.expr(e.Args[0]), c.expr(e.Args[1])
	compare := c.comparator(&a, &b)
	left, right := a.eval, b.eval
	constant := a.constant && b.constant
	if e.Name == "<=>" {
		return condition(e, false, constant, func(r *fold.Env) value.Truth {
			p, q := left(r), right(r)
			if !p.Set || !q.Set {
				return value.TruthOf(p.Set == q.Set)
			}
			return value.TruthOf(compare(p, q) == 0)
		})
	}
	if e.Name == "=" && a.Kind == value.KindText && b.Kind == value.KindText {
		return condition(e, a.Nullable || b.Nullable, constant, func(r *fold.Env) value.Truth {
			p, q := left(r), right(r)
			if !p.Set || !q.Set {
				return value.Unknown
			}
			return value.TruthOf(bytes.Equal(p.Bytes, q.Bytes))
		})
	}
	want := comparisons[e.Name]
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

func (c *compiler) in(e *ast.Expr) compiled {
	x := c.expr(e.Args[0])
	nullable, constant := x.Nullable, x.constant
	type member struct {
		x, v    func(*fold.Env) value.Value
		compare func(x, y value.Value) int
	}
	var members []member
	for _, arg := range e.Args[1:] {
		a, b := x, c.expr(arg)
		compare := c.comparator(&a, &b)
		nullable = nullable || b.Nullable
		constant = constant && b.constant
		members = append(members, member{a.eval, b.eval, compare})
	}
	found, missing := value.Yes, value.No
	if e.Not {
		found, missing = value.No, value.Yes
	}
	raw := x.eval
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

// between is x >= from AND x <= to.
func (c *compiler) between(e *ast.Expr) compiled {
	low := &ast.Expr{Op: ast.OpCompare, Name: ">=", Args: []*ast.Expr{e.Args[0], e.Args[1]}, Text: e.Text}
	high := &ast.Expr{Op: ast.OpCompare, Name: "<=", Args: []*ast.Expr{e.Args[0], e.Args[2]}, Text: e.Text}
	both := &ast.Expr{Op: ast.OpAnd, Args: []*ast.Expr{low, high}, Text: e.Text}
	if e.Not {
		both = &ast.Expr{Op: ast.OpNot, Args: []*ast.Expr{both}, Text: e.Text}
	}
	return c.expr(both)
}

func (c *compiler) is(e *ast.Expr) compiled {
	x := c.expr(e.Args[0])
	if e.Name == "null" {
		eval, want := x.eval, e.Not
		return condition(e, false, x.constant, func(r *fold.Env) value.Truth { return value.TruthOf(eval(r).Set == want) })
	}
	test, want := c.truth(x), value.TruthOf(e.Name == "true")
	return condition(e, false, x.constant, func(r *fold.Env) value.Truth { return value.TruthOf((test(r) == want) != e.Not) })
}

func (c *compiler) logic(e *ast.Expr) compiled {
	a := c.expr(e.Args[0])
	left := c.truth(a)
	if e.Op == ast.OpNot {
		return condition(e, a.Nullable, a.constant, func(r *fold.Env) value.Truth {
			switch left(r) {
			case value.Yes:
				return value.No
			case value.No:
				return value.Yes
			}
			return value.Unknown
		})
	}
	b := c.expr(e.Args[1])
	right := c.truth(b)
	nullable, constant := a.Nullable || b.Nullable, a.constant && b.constant
	if e.Op == ast.OpXor {
		return condition(e, nullable, constant, func(r *fold.Env) value.Truth {
			p, q := left(r), right(r)
			if p == value.Unknown || q == value.Unknown {
				return value.Unknown
			}
			return value.TruthOf(p != q)
		})
	}
	// decides is what one side decides alone: false for AND, true for OR. The right side is not evaluated then.
	decides, other := value.No, value.Yes
	if e.Op == ast.OpOr {
		decides, other = value.Yes, value.No
	}
	return condition(e, nullable, constant, func(r *fold.Env) value.Truth {
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
