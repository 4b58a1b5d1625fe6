package query

import (
	"bytes"
	"cmp"
)

// tri is a truth value of SQL.
type tri int8

const (
	no tri = iota
	yes
	unknown
)

func triOf(b bool) tri {
	if b {
		return yes
	}
	return no
}

// condition makes an expression of a truth value.
func condition(e *expr, nullable, constant bool, test func(*rec) tri) compiled {
	return compiled{typ: typ{kind: kInt, null: nullable}, constant: constant, src: e, test: test, eval: func(r *rec) value {
		switch test(r) {
		case yes:
			return boolValue(true)
		case no:
			return boolValue(false)
		}
		return null
	}}
}

// truth wants a truth value: a number that is not zero is true.
func (c *compiler) truth(x compiled) func(*rec) tri {
	if x.test != nil {
		return x.test
	}
	if x.kind == kText {
		c.fail(x.src, "is text, and a condition is wanted: write %s <> ''; texts are joined by CONCAT(a, b)", x.src.text)
	}
	if x.kind == kTime {
		c.fail(x.src, "is a time, and a condition is wanted: compare it with another")
	}
	x = c.number(x)
	eval, double := x.eval, x.kind == kDouble
	return func(r *rec) tri {
		v := eval(r)
		switch {
		case !v.set:
			return unknown
		case double:
			return triOf(v.double() != 0)
		}
		return triOf(v.num.Lo != 0 || v.num.Hi != 0)
	}
}

// comparator finds how two expressions compare, and makes both yield values of that kind.
func (c *compiler) comparator(a, b *compiled) func(x, y value) int {
	switch {
	case a.kind == kJSON && b.kind == kJSON:
		c.fail(a.src, "and %s are JSON fields: say as what they are compared, with CAST(%s AS CHAR) or CAST(%s AS DECIMAL(p,s))", b.src.text, a.src.text, a.src.text)
	case a.kind == kJSON && b.kind != kNull:
		*a = c.beside(c.unquoted(*a), b.kind)
	case b.kind == kJSON && a.kind != kNull:
		*b = c.beside(c.unquoted(*b), a.kind)
	}
	switch {
	case a.kind == kNull || b.kind == kNull:
		return func(value, value) int { return 0 } // at least one of them is NULL always
	case a.kind == kTime || b.kind == kTime:
		*a, *b = c.timeLiteral(*a), c.timeLiteral(*b)
		if a.kind != b.kind {
			c.number(*a)
			c.number(*b)
		}
		return func(x, y value) int { return cmp.Compare(x.micros(), y.micros()) }
	case a.kind == kText && b.kind == kText:
		return func(x, y value) int { return bytes.Compare(x.b, y.b) }
	case a.kind == kDouble || b.kind == kDouble:
		*a, *b = c.double(*a), c.double(*b)
		return func(x, y value) int { return cmp.Compare(x.double(), y.double()) }
	}
	*a, *b = c.number(*a), c.number(*b)
	return compareDecimals
}

// beside makes a JSON field yield what it is compared with.
func (c *compiler) beside(x compiled, k kind) compiled {
	switch k {
	case kText:
		return c.text(x)
	case kTime:
		return c.castTime(c.text(x), 6)
	}
	return c.number(x)
}

// comparisons holds what each operator makes of an order of -1, 0 and +1; <=> is = where neither side is NULL.
var comparisons = map[string][3]tri{
	"=": {no, yes, no}, "<>": {yes, no, yes}, "<": {yes, no, no}, "<=": {yes, yes, no}, ">": {no, no, yes}, ">=": {no, yes, yes}, "<=>": {no, yes, no},
}

func (c *compiler) compare(e *expr) compiled {
	a, b := c.expr(e.args[0]), c.expr(e.args[1])
	compare := c.comparator(&a, &b)
	left, right := a.eval, b.eval
	constant := a.constant && b.constant
	if e.name == "<=>" {
		return condition(e, false, constant, func(r *rec) tri {
			p, q := left(r), right(r)
			if !p.set || !q.set {
				return triOf(p.set == q.set)
			}
			return triOf(compare(p, q) == 0)
		})
	}
	if e.name == "=" && a.kind == kText && b.kind == kText {
		return condition(e, a.null || b.null, constant, func(r *rec) tri {
			p, q := left(r), right(r)
			if !p.set || !q.set {
				return unknown
			}
			return triOf(bytes.Equal(p.b, q.b))
		})
	}
	want := comparisons[e.name]
	return condition(e, a.null || b.null, constant, func(r *rec) tri {
		p := left(r)
		if !p.set {
			return unknown
		}
		q := right(r)
		if !q.set {
			return unknown
		}
		return want[1+sign(compare(p, q))]
	})
}

func sign(n int) int { return cmp.Compare(n, 0) }

func (c *compiler) in(e *expr) compiled {
	x := c.expr(e.args[0])
	nullable, constant := x.null, x.constant
	type member struct {
		x, v    func(*rec) value
		compare func(x, y value) int
	}
	var members []member
	for _, arg := range e.args[1:] {
		a, b := x, c.expr(arg)
		compare := c.comparator(&a, &b)
		nullable = nullable || b.null
		constant = constant && b.constant
		members = append(members, member{a.eval, b.eval, compare})
	}
	found, missing := yes, no
	if e.not {
		found, missing = no, yes
	}
	raw := x.eval
	return condition(e, nullable, constant, func(r *rec) tri {
		if !raw(r).set {
			return unknown
		}
		result := missing
		for i := range members {
			m := &members[i]
			p, q := m.x(r), m.v(r)
			if !p.set || !q.set {
				result = unknown
			} else if m.compare(p, q) == 0 {
				return found
			}
		}
		return result
	})
}

// between is x >= from AND x <= to.
func (c *compiler) between(e *expr) compiled {
	low := &expr{op: opCompare, name: ">=", args: []*expr{e.args[0], e.args[1]}, text: e.text}
	high := &expr{op: opCompare, name: "<=", args: []*expr{e.args[0], e.args[2]}, text: e.text}
	both := &expr{op: opAnd, args: []*expr{low, high}, text: e.text}
	if e.not {
		both = &expr{op: opNot, args: []*expr{both}, text: e.text}
	}
	return c.expr(both)
}

func (c *compiler) is(e *expr) compiled {
	x := c.expr(e.args[0])
	if e.name == "null" {
		eval, want := x.eval, e.not
		return condition(e, false, x.constant, func(r *rec) tri { return triOf(eval(r).set == want) })
	}
	test, want := c.truth(x), triOf(e.name == "true")
	return condition(e, false, x.constant, func(r *rec) tri { return triOf((test(r) == want) != e.not) })
}

func (c *compiler) logic(e *expr) compiled {
	a := c.expr(e.args[0])
	left := c.truth(a)
	if e.op == opNot {
		return condition(e, a.null, a.constant, func(r *rec) tri {
			switch left(r) {
			case yes:
				return no
			case no:
				return yes
			}
			return unknown
		})
	}
	b := c.expr(e.args[1])
	right := c.truth(b)
	nullable, constant := a.null || b.null, a.constant && b.constant
	if e.op == opXor {
		return condition(e, nullable, constant, func(r *rec) tri {
			p, q := left(r), right(r)
			if p == unknown || q == unknown {
				return unknown
			}
			return triOf(p != q)
		})
	}
	// decides is what one side decides alone: false for AND, true for OR. The right side is not evaluated then.
	decides, other := no, yes
	if e.op == opOr {
		decides, other = yes, no
	}
	return condition(e, nullable, constant, func(r *rec) tri {
		p := left(r)
		if p == decides {
			return decides
		}
		q := right(r)
		switch {
		case q == decides:
			return decides
		case p == unknown || q == unknown:
			return unknown
		}
		return other
	})
}
