package value

import (
	"math/big"

	"github.com/sluice-etl/sluice/row"
)

// decimalValue returns a decimal with at most MaxScale digits after the point, rounded half away from zero. ok is what
// it is given, and false if the result has more than row.MaxDigits digits.
func decimalValue(n row.Number, scale int, ok bool) (Value, bool) {
	if scale > MaxScale && ok {
		n, ok = n.Rescale(scale, MaxScale)
		scale = MaxScale
	}
	return Value{Number: n, Scale: uint8(scale), Set: true}, ok && n.Digits(row.MaxDigits)
}

// Add returns a + b of two integers or decimals. As for all operators here, neither may be NULL, and ok is false if the
// result has more than row.MaxDigits digits.
func Add(a, b Value) (Value, bool) {
	x, y, scale, ok := align(a, b)
	if !ok {
		return Null, false
	}
	n, ok := x.Plus(y)
	return decimalValue(n, int(scale), ok)
}

// Subtract returns a - b.
func Subtract(a, b Value) (Value, bool) {
	b.Number = b.Number.Neg()
	return Add(a, b)
}

// Multiply returns a * b.
func Multiply(a, b Value) (Value, bool) {
	n, ok := a.Number.Times(b.Number)
	return decimalValue(n, int(a.Scale)+int(b.Scale), ok)
}

// QuotientDigits returns how many digits after the point MySQL keeps, within an expression, of the quotient of decimals
// with sa and sb digits: whole groups of nine, as many as are needed for at least four digits more than the dividend
// has.
func QuotientDigits(sa, sb int) int {
	nines := func(n int) int { return (n + 8) / 9 * 9 }
	fa, fb := nines(sa), nines(sb)
	return min(nines(fa+fb+max(0, 4-(fa-sa)-(fb-sb))), MaxScale)
}

// Divide returns a / b; b must not be 0. The quotient has QuotientDigits digits after the point. Further digits are
// cut, not rounded.
func Divide(a, b Value) (Value, bool) {
	sa, sb := int(a.Scale), int(b.Scale)
	scale := QuotientDigits(sa, sb)
	up := scale + sb - sa
	if up >= 0 && up <= row.MaxDigits {
		if n, ok := a.Number.Times(row.Pow10(up)); ok {
			n, _ = n.QuoRem(b.Number)
			return decimalValue(n, scale, true)
		}
	}
	n := a.Number.Big()
	if up >= 0 {
		n.Mul(n, new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(up)), nil))
	} else {
		n.Quo(n, new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(-up)), nil))
	}
	q, ok := row.FromBig(n.Quo(n, b.Number.Big()))
	return decimalValue(q, scale, ok)
}

// DivideWhole returns a DIV b, the quotient without its fraction; b must not be 0.
func DivideWhole(a, b Value) (Value, bool) {
	if x, y, _, ok := align(a, b); ok {
		n, _ := x.QuoRem(y)
		return decimalValue(n, 0, true)
	}
	x, y, _ := alignBig(a, b)
	n, ok := row.FromBig(x.Quo(x, y))
	return decimalValue(n, 0, ok)
}

// Modulo returns a % b, which has the sign of a; b must not be 0.
func Modulo(a, b Value) (Value, bool) {
	if x, y, scale, ok := align(a, b); ok {
		_, n := x.QuoRem(y)
		return decimalValue(n, int(scale), true)
	}
	x, y, scale := alignBig(a, b)
	n, ok := row.FromBig(x.Rem(x, y))
	return decimalValue(n, int(scale), ok)
}

// alignBig rescales two decimals to the larger scale of the two, as align does, if the digits exceed 128 bits.
func alignBig(a, b Value) (x, y *big.Int, scale uint8) {
	scale = max(a.Scale, b.Scale)
	up := func(v Value) *big.Int {
		n := v.Number.Big()
		return n.Mul(n, new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(scale-v.Scale)), nil))
	}
	return up(a), up(b), scale
}

// align rescales two decimals to the larger scale of the two. ok is false if the digits exceed 128 bits.
func align(a, b Value) (x, y row.Number, scale uint8, ok bool) {
	switch {
	case a.Scale == b.Scale:
		return a.Number, b.Number, a.Scale, true
	case a.Scale < b.Scale:
		x, ok = a.Number.Rescale(int(a.Scale), int(b.Scale))
		return x, b.Number, b.Scale, ok
	}
	y, ok = b.Number.Rescale(int(b.Scale), int(a.Scale))
	return a.Number, y, a.Scale, ok
}

// CompareDecimals orders two integers or decimals, neither of them NULL: it is below, equal to or above 0 as a is
// below, equal to or above b. It is exact for any scales.
func CompareDecimals(a, b Value) int {
	if a.Scale == b.Scale {
		return a.Number.Compare(b.Number)
	}
	if x, y, _, ok := align(a, b); ok {
		return x.Compare(y)
	}
	// The number that does not fit the other's scale has the larger magnitude by far, so that the signs decide first, and
	// then its sign.
	if s, t := a.Number.Sign(), b.Number.Sign(); s != t {
		return s - t
	}
	if a.Scale < b.Scale {
		return a.Number.Sign()
	}
	return -b.Number.Sign()
}
