package query

import (
	"math"
	"math/big"

	"github.com/sluice-etl/sluice/row"
)

// arithmetic holds the operators, on integers and decimals.
var arithmetic = map[string]func(a, b value) (value, bool){
	"+": add, "-": subtract, "*": multiply, "/": divide, "div": divideWhole, "%": modulo,
}

// arith compiles + - * / div %, with MySQL's types: integers stay integers except under /, whose quotient has four
// more digits than the dividend (div_precision_increment); a DOUBLE on either side makes the result one.
func (c *compiler) arith(e *expr) compiled {
	if e.args[1].op == opInterval || e.args[0].op == opInterval {
		return c.fail(e, "times and intervals are not added: group with TUMBLE(time, INTERVAL n unit)")
	}
	a, b := c.number(c.expr(e.args[0])), c.number(c.expr(e.args[1]))
	x := compiled{constant: a.constant && b.constant, src: e}
	x.null = a.null || b.null
	divides := e.name == "/" || e.name == "div" || e.name == "%"
	if divides && !(b.constant && !b.null && !isZero(b)) {
		x.null = true
	}
	if a.kind == kNull || b.kind == kNull {
		x.kind, x.null = kNull, true
		x.eval = func(*rec) value { return null }
		return x
	}
	if a.kind == kDouble || b.kind == kDouble {
		return c.doubleArith(x, e, a, b)
	}
	x.kind = max(a.kind, b.kind)
	switch e.name {
	case "/":
		x.kind, x.scale = kDecimal, min(a.scale+4, maxScale)
	case "div":
		x.kind = kInt
	case "*":
		x.scale = min(a.scale+b.scale, maxScale)
	default:
		x.scale = max(a.scale, b.scale)
	}
	if x.kind == kDecimal && (a.scale == anyScale || b.scale == anyScale) {
		x.scale = anyScale
	}
	fn, left, right, text := arithmetic[e.name], a.eval, b.eval, e.text
	x.eval = func(r *rec) value {
		p := left(r)
		if !p.set {
			return null
		}
		q := right(r)
		if !q.set || divides && q.num.Sign() == 0 {
			return null
		}
		v, ok := fn(p, q)
		if !ok {
			return r.fail("%s: the result has more than %d digits", text, row.MaxDigits)
		}
		return v
	}
	return x
}

func isZero(x compiled) bool {
	v := x.eval(&rec{})
	if x.kind == kDouble {
		return v.double() == 0
	}
	return v.num.Sign() == 0
}

func decimalValue(n row.Number, scale int, ok bool) (value, bool) {
	if scale > maxScale && ok {
		n, ok = n.Rescale(scale, maxScale)
		scale = maxScale
	}
	return value{num: n, scale: uint8(scale), set: true}, ok && n.Digits(row.MaxDigits)
}

func add(a, b value) (value, bool) {
	x, y, scale, ok := align(a, b)
	if !ok {
		return null, false
	}
	n, ok := x.Plus(y)
	return decimalValue(n, int(scale), ok)
}

func subtract(a, b value) (value, bool) {
	b.num = b.num.Neg()
	return add(a, b)
}

func multiply(a, b value) (value, bool) {
	n, ok := a.num.Times(b.num)
	return decimalValue(n, int(a.scale)+int(b.scale), ok)
}

// divide holds as many digits as MySQL holds within an expression: it counts in groups of nine, at least four digits
// past the dividend's, and cuts what follows.
func divide(a, b value) (value, bool) {
	nines := func(n int) int { return (n + 8) / 9 * 9 }
	sa, sb := int(a.scale), int(b.scale)
	fa, fb := nines(sa), nines(sb)
	scale := min(nines(fa+fb+max(0, 4-(fa-sa)-(fb-sb))), maxScale)
	up := scale + sb - sa
	if up >= 0 && up <= row.MaxDigits {
		if n, ok := a.num.Times(row.Pow10(up)); ok {
			n, _ = n.QuoRem(b.num)
			return decimalValue(n, scale, true)
		}
	}
	n := a.num.Big()
	if up >= 0 {
		n.Mul(n, new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(up)), nil))
	} else {
		n.Quo(n, new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(-up)), nil))
	}
	q, ok := row.FromBig(n.Quo(n, b.num.Big()))
	return decimalValue(q, scale, ok)
}

func divideWhole(a, b value) (value, bool) {
	if x, y, _, ok := align(a, b); ok {
		n, _ := x.QuoRem(y)
		return decimalValue(n, 0, true)
	}
	x, y, _ := alignBig(a, b)
	n, ok := row.FromBig(x.Quo(x, y))
	return decimalValue(n, 0, ok)
}

func modulo(a, b value) (value, bool) {
	if x, y, scale, ok := align(a, b); ok {
		_, n := x.QuoRem(y)
		return decimalValue(n, int(scale), true)
	}
	x, y, scale := alignBig(a, b)
	n, ok := row.FromBig(x.Rem(x, y))
	return decimalValue(n, int(scale), ok)
}

// alignBig gives two decimals one scale, as align does, where the digits pass 128 bits.
func alignBig(a, b value) (x, y *big.Int, scale uint8) {
	scale = max(a.scale, b.scale)
	up := func(v value) *big.Int {
		n := v.num.Big()
		return n.Mul(n, new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(scale-v.scale)), nil))
	}
	return up(a), up(b), scale
}

func (c *compiler) doubleArith(x compiled, e *expr, a, b compiled) compiled {
	if e.name == "div" {
		for _, x := range []compiled{a, b} {
			if x.kind == kDouble {
				return c.fail(x.src, "is a DOUBLE, and DIV wants exact numbers: write CAST(%s AS DECIMAL(p,s))", x.src.text)
			}
		}
	}
	a, b = c.double(a), c.double(b)
	x.kind = kDouble
	left, right, op, text := a.eval, b.eval, e.name[0], e.text
	x.eval = func(r *rec) value {
		p := left(r)
		if !p.set {
			return null
		}
		q := right(r)
		if !q.set {
			return null
		}
		f, g := p.double(), q.double()
		switch op {
		case '+':
			f += g
		case '-':
			f -= g
		case '*':
			f *= g
		default:
			if g == 0 {
				return null
			}
			if op == '/' {
				f /= g
			} else {
				f = math.Mod(f, g)
			}
		}
		if math.IsInf(f, 0) || math.IsNaN(f) {
			return r.fail("%s: the result is out of a DOUBLE's range", text)
		}
		return doubleValue(f)
	}
	return x
}

func (c *compiler) negate(e *expr) compiled {
	x := c.number(c.expr(e.args[0]))
	eval, double := x.eval, x.kind == kDouble
	x.src = e
	x.eval = func(r *rec) value {
		v := eval(r)
		if double && v.set {
			return doubleValue(-v.double())
		}
		v.num = v.num.Neg()
		return v
	}
	return x
}
