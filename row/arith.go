package row

import (
	"math/big"
	"math/bits"
)

// MaxDigits is the largest number of decimal digits that every Number can hold: 10^38 - 1 fits 128 bits, 10^39 - 1 does
// not.
const MaxDigits = 38

// pow10 holds 10^0 to 10^38.
var pow10 = func() (p [MaxDigits + 1]Number) {
	p[0] = Number{Lo: 1}
	for i := 1; i < len(p); i++ {
		p[i], _ = p[i-1].Times(Number{Lo: 10})
	}
	return p
}()

// Pow10 returns 10^n. n is 0 to MaxDigits.
func Pow10(n int) Number { return pow10[n] }

// Sign returns -1, 0 or +1.
func (n Number) Sign() int {
	switch {
	case n.Hi < 0:
		return -1
	case n.Hi == 0 && n.Lo == 0:
		return 0
	}
	return 1
}

// Neg returns -n. The smallest Number, -2^127, has no positive counterpart and is returned unchanged.
func (n Number) Neg() Number {
	lo, borrow := bits.Sub64(0, n.Lo, 0)
	hi, _ := bits.Sub64(0, uint64(n.Hi), borrow)
	return Number{Hi: int64(hi), Lo: lo}
}

// Abs returns the absolute value of n, except for the smallest Number, -2^127, which is returned unchanged.
func (n Number) Abs() Number {
	if n.Hi < 0 {
		return n.Neg()
	}
	return n
}

// Times returns n * m, and whether the product fits: its absolute value must be below 2^127.
func (n Number) Times(m Number) (product Number, ok bool) {
	a, b := n.Abs(), m.Abs()
	if a.Hi != 0 && b.Hi != 0 {
		return Number{}, false
	}
	if a.Hi != 0 {
		a, b = b, a
	}
	// Here a is below 2^64.
	hi, lo := bits.Mul64(a.Lo, b.Lo)
	over, cross := bits.Mul64(a.Lo, uint64(b.Hi))
	hi, carry := bits.Add64(hi, cross, 0)
	if over != 0 || carry != 0 || hi>>63 != 0 {
		return Number{}, false
	}
	product = Number{Hi: int64(hi), Lo: lo}
	if (n.Hi < 0) != (m.Hi < 0) {
		product = product.Neg()
	}
	return product, true
}

// QuoRem divides n by m, which must not be zero. It truncates the quotient towards zero; the remainder has the sign of
// n.
func (n Number) QuoRem(m Number) (quo, rem Number) {
	a, b := n.Abs(), m.Abs()
	switch {
	case b.Hi == 0:
		hi := uint64(a.Hi) / b.Lo
		lo, r := bits.Div64(uint64(a.Hi)%b.Lo, a.Lo, b.Lo)
		quo, rem = Number{Hi: int64(hi), Lo: lo}, Number{Lo: r}
	case a.Compare(b) < 0:
		rem = a
	default:
		q, r := new(big.Int).QuoRem(a.Big(), b.Big(), new(big.Int))
		quo, _ = FromBig(q)
		rem, _ = FromBig(r)
	}
	if (n.Hi < 0) != (m.Hi < 0) {
		quo = quo.Neg()
	}
	if n.Hi < 0 {
		rem = rem.Neg()
	}
	return quo, rem
}

// Rescale converts n from a number with from digits after the point to one with to digits. It rounds half away from
// zero, as MySQL rounds decimals (P16), and reports whether the result fits. Both scales are 0 to MaxDigits.
func (n Number) Rescale(from, to int) (Number, bool) {
	if from == to {
		return n, true
	}
	if to > from {
		return n.Times(pow10[to-from])
	}
	unit := pow10[from-to]
	quo, rem := n.QuoRem(unit)
	// Twice the remainder may overflow 128 bits, but the difference between the unit and the remainder cannot.
	r := rem.Abs()
	if left, _ := unit.Plus(r.Neg()); r.Compare(left) >= 0 {
		quo, _ = quo.Plus(FromInt(int64(n.Sign())))
	}
	return quo, true
}

// Digits reports whether n has at most this many decimal digits. digits is 0 to MaxDigits.
func (n Number) Digits(digits int) bool { return n.Abs().Compare(pow10[digits]) < 0 && n != minNumber }

var minNumber = Number{Hi: -1 << 63}

// FromBig returns b as a Number, and whether it fits 128 bits.
func FromBig(b *big.Int) (Number, bool) {
	if b.BitLen() > 127 {
		return Number{}, false
	}
	abs := new(big.Int).Abs(b)
	n := Number{Lo: new(big.Int).And(abs, new(big.Int).SetUint64(1<<64-1)).Uint64()}
	n.Hi = int64(new(big.Int).Rsh(abs, 64).Uint64())
	if b.Sign() < 0 {
		n = n.Neg()
	}
	return n, true
}
