package row

import (
	"math/big"
	"math/bits"
	"strconv"
)

// Number is a signed 128-bit integer in two's complement, the exact accumulator of sums. Its value is Hi*2^64 + Lo. A
// sum of 2^63 values of 64 bits fits.
type Number struct {
	Hi int64
	Lo uint64
}

// FromInt returns v as a Number.
func FromInt(v int64) Number { return Number{Hi: v >> 63, Lo: uint64(v)} }

// Plus returns n + m, and whether the sum fits 128 bits.
func (n Number) Plus(m Number) (sum Number, ok bool) {
	lo, carry := bits.Add64(n.Lo, m.Lo, 0)
	hi, _ := bits.Add64(uint64(n.Hi), uint64(m.Hi), carry)
	sum = Number{Hi: int64(hi), Lo: lo}
	ok = (n.Hi < 0) != (m.Hi < 0) || (sum.Hi < 0) == (n.Hi < 0)
	return sum, ok
}

// Compare returns -1 if n < m, 0 if n == m, and +1 if n > m.
func (n Number) Compare(m Number) int {
	switch {
	case n.Hi < m.Hi:
		return -1
	case n.Hi > m.Hi:
		return 1
	case n.Lo < m.Lo:
		return -1
	case n.Lo > m.Lo:
		return 1
	}
	return 0
}

// Int64 returns n as an int64, and whether it fits.
func (n Number) Int64() (int64, bool) {
	return int64(n.Lo), n.Hi == int64(n.Lo)>>63
}

// Big returns n as a big.Int.
func (n Number) Big() *big.Int {
	b := new(big.Int).Lsh(big.NewInt(n.Hi), 64)
	return b.Add(b, new(big.Int).SetUint64(n.Lo))
}

// AppendText appends n as a decimal with scale digits after the point: FromInt(-5) at scale 2 is -0.05.
func (n Number) AppendText(dst []byte, scale int) []byte {
	var digits []byte
	var scratch [48]byte
	if v, ok := n.Int64(); ok {
		digits = strconv.AppendInt(scratch[:0], v, 10)
	} else {
		digits = n.Big().Append(scratch[:0], 10)
	}
	if digits[0] == '-' {
		dst = append(dst, '-')
		digits = digits[1:]
	}
	if scale == 0 {
		return append(dst, digits...)
	}
	whole := len(digits) - scale
	if whole <= 0 {
		dst = append(dst, '0', '.')
		for ; whole < 0; whole++ {
			dst = append(dst, '0')
		}
		return append(dst, digits...)
	}
	dst = append(dst, digits[:whole]...)
	dst = append(dst, '.')
	return append(dst, digits[whole:]...)
}
