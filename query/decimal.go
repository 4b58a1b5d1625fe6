package query

import (
	"math"
	"strconv"

	"github.com/sluice-etl/sluice/row"
)

// maxScale is MySQL's bound for the digits after a decimal's point.
const maxScale = 30

// parseDecimal reads a whole text as a number: sign, digits, point, exponent. White space around it is passed over as
// MySQL does. Digits past maxScale behind the point are rounded half away from zero. It reports false for what is no
// number and for more than row.MaxDigits digits.
func parseDecimal(b []byte) (n row.Number, scale int, ok bool) {
	b = trimSpace(b)
	negative := false
	if len(b) > 0 && (b[0] == '-' || b[0] == '+') {
		negative = b[0] == '-'
		b = b[1:]
	}
	if small, ok := parseSmall(b); ok {
		if negative {
			small = -small
		}
		return row.FromInt(small), 0, true
	}
	i, digits, point, held := 0, 0, false, 0
	roundUp, full := false, false
	for ; i < len(b); i++ {
		c := b[i]
		switch {
		case c == '.' && !point:
			point = true
			continue
		case c < '0' || c > '9':
		default:
			digits++
			if point && scale == maxScale {
				if !full {
					full, roundUp = true, c >= '5'
				}
				continue
			}
			if held > 0 || c != '0' {
				held++
			}
			if held > row.MaxDigits {
				return n, 0, false
			}
			n, _ = n.Times(row.Number{Lo: 10})
			n, _ = n.Plus(row.Number{Lo: uint64(c - '0')})
			if point {
				scale++
			}
			continue
		}
		break
	}
	if digits == 0 {
		return n, 0, false
	}
	if roundUp {
		n, _ = n.Plus(row.Number{Lo: 1})
	}
	if i < len(b) {
		if b[i] != 'e' && b[i] != 'E' {
			return n, 0, false
		}
		exp, ok := parseExponent(b[i+1:])
		if ok && n.Sign() == 0 {
			return n, 0, true
		}
		if !ok || exp > 2*row.MaxDigits {
			return n, 0, false
		}
		if n, scale, ok = shift(n, scale, exp); !ok {
			return n, 0, false
		}
	}
	if negative {
		n = n.Neg()
	}
	return n, scale, true
}

// parseExponent reads a sign and digits. What passes 10^6 is 10^6.
func parseExponent(b []byte) (exp int, ok bool) {
	negative := len(b) > 0 && b[0] == '-'
	if negative || len(b) > 0 && b[0] == '+' {
		b = b[1:]
	}
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		exp = min(10*exp+int(c-'0'), 1e6)
	}
	if negative {
		exp = -exp
	}
	return exp, len(b) > 0
}

// shift multiplies by 10^exp.
func shift(n row.Number, scale, exp int) (row.Number, int, bool) {
	scale -= exp
	switch {
	case n.Sign() == 0:
		return n, 0, true
	case scale < 0:
		if -scale > row.MaxDigits {
			return n, 0, false
		}
		n, ok := n.Times(row.Pow10(-scale))
		return n, 0, ok && n.Digits(row.MaxDigits)
	case scale > maxScale:
		if scale-maxScale > row.MaxDigits {
			return row.Number{}, 0, true
		}
		n, ok := n.Rescale(scale-maxScale, 0)
		return n, maxScale, ok
	}
	return n, scale, true
}

// parseSmall reads 1 to 18 digits and nothing else.
func parseSmall(b []byte) (v int64, ok bool) {
	if len(b) == 0 || len(b) > 18 {
		return 0, false
	}
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		v = v*10 + int64(c-'0')
	}
	return v, true
}

func trimSpace(b []byte) []byte {
	for len(b) > 0 && isSpace(b[0]) {
		b = b[1:]
	}
	for len(b) > 0 && isSpace(b[len(b)-1]) {
		b = b[:len(b)-1]
	}
	return b
}

func isSpace(c byte) bool { return c == ' ' || c-'\t' < 5 }

// toDouble is the nearest binary64 of a decimal.
func toDouble(n row.Number, scale int) float64 {
	if v, ok := n.Int64(); ok && scale == 0 {
		return float64(v)
	}
	f, err := strconv.ParseFloat(string(n.AppendText(nil, scale)), 64)
	if err != nil {
		return math.NaN()
	}
	return f
}

// parseDouble reads a whole text as the nearest binary64: sign, digits, point, exponent, with white space around them.
// Go's own syntax (0x1p4, 1_000, inf, nan) is no number. It reports false for what is out of range too.
func parseDouble(b []byte) (f float64, ok bool) {
	b = trimSpace(b)
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

// wholeNumber is the exact value of a double without a fraction, which a text of 17 digits is not.
func wholeNumber(f float64) (n row.Number, ok bool) {
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

// align gives two decimals one scale, the larger.
func align(a, b value) (x, y row.Number, scale uint8, ok bool) {
	switch {
	case a.scale == b.scale:
		return a.num, b.num, a.scale, true
	case a.scale < b.scale:
		x, ok = a.num.Rescale(int(a.scale), int(b.scale))
		return x, b.num, b.scale, ok
	}
	y, ok = b.num.Rescale(int(b.scale), int(a.scale))
	return a.num, y, a.scale, ok
}

// compareDecimals is exact at any scales.
func compareDecimals(a, b value) int {
	if a.scale == b.scale {
		return a.num.Compare(b.num)
	}
	if x, y, _, ok := align(a, b); ok {
		return x.Compare(y)
	}
	// The one that does not fit the other's scale is the larger by far, unless their signs decide.
	if s, t := a.num.Sign(), b.num.Sign(); s != t {
		return s - t
	}
	if a.scale < b.scale {
		return a.num.Sign()
	}
	return -b.num.Sign()
}
