package value

import (
	"math"
	"strconv"

	"github.com/sluice-etl/sluice/row"
)

// ToDouble returns the binary64 number nearest to a decimal with scale digits after the point.
func ToDouble(n row.Number, scale int) float64 {
	if v, ok := n.Int64(); ok && scale == 0 {
		return float64(v)
	}
	if v, ok := n.Int64(); ok && v > -1<<53 && v < 1<<53 && scale <= 22 {
		return float64(v) / math.Pow10(scale) // both are exact, so the quotient is rounded once
	}
	f, err := strconv.ParseFloat(string(n.AppendText(nil, scale)), 64)
	if err != nil {
		return math.NaN()
	}
	return f
}

// ParseDouble reads the whole of a text as the nearest binary64: a sign, digits, a point, an exponent, with white space
// around them. What only Go reads as a number (0x1p4, 1_000, inf, nan) is none. ok is false for numbers out of range,
// too.
func ParseDouble(b []byte) (f float64, ok bool) {
	b = TrimSpace(b)
	rest := b
	if len(rest) > 0 && (rest[0] == '-' || rest[0] == '+') {
		rest = rest[1:]
	}
	whole, rest := countDigits(rest)
	fraction := 0
	if len(rest) > 0 && rest[0] == '.' {
		fraction, rest = countDigits(rest[1:])
	}
	if whole+fraction == 0 {
		return 0, false
	}
	if len(rest) > 0 && (rest[0] == 'e' || rest[0] == 'E') {
		rest = rest[1:]
		if len(rest) > 0 && (rest[0] == '-' || rest[0] == '+') {
			rest = rest[1:]
		}
		n := 0
		if n, rest = countDigits(rest); n == 0 {
			return 0, false
		}
	}
	if len(rest) > 0 {
		return 0, false
	}
	f, err := strconv.ParseFloat(string(b), 64)
	return f, err == nil
}

// countDigits counts the digits that b begins with.
func countDigits(b []byte) (n int, rest []byte) {
	for n < len(b) && b[n]-'0' < 10 {
		n++
	}
	return n, b[n:]
}

// WholeNumber returns the exact value of a DOUBLE without a fraction; its shortest text would have 17 significant
// digits at most. ok is false for infinities, NaN and numbers that exceed 126 bits.
func WholeNumber(f float64) (n row.Number, ok bool) {
	if math.Abs(f) < 1<<63 {
		return row.FromInt(int64(f)), true
	}
	fraction, exp := math.Frexp(math.Abs(f))
	if exp < 64 || exp > 126 {
		return n, false // infinities and NaN have the exponent 0
	}
	mantissa := uint64(math.Ldexp(fraction, 64)) // f is mantissa * 2^(exp-64), and exp is 64 or more
	n.Hi, n.Lo = int64(mantissa>>(128-exp)), mantissa<<(exp-64)
	if f < 0 {
		n = n.Neg()
	}
	return n, true
}
