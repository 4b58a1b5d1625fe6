package value

import (
	"github.com/sluice-etl/sluice/row"
)

// MaxScale is how many digits a decimal can have after its point, as in MySQL.
const MaxScale = 30

// ParseDecimal reads the whole of a text as a number: a sign, digits, a point, an exponent. White space around it is
// skipped, as in MySQL. Digits beyond MaxScale after the point are rounded half away from zero. ok is false if the text
// is not a number or if the number has more than row.MaxDigits digits.
func ParseDecimal(b []byte) (n row.Number, scale int, ok bool) {
	b = TrimSpace(b)
	negative := false
	if len(b) > 0 && (b[0] == '-' || b[0] == '+') {
		negative = b[0] == '-'
		b = b[1:]
	}
	if small, ok := ParseDigits(b); ok {
		if negative {
			small = -small
		}
		return row.FromInt(small), 0, true
	}
	n, scale, rest, ok := scanDecimal(b)
	if !ok {
		return n, 0, false
	}
	if len(rest) > 0 {
		if rest[0] != 'e' && rest[0] != 'E' {
			return n, 0, false
		}
		exp, ok := parseExponent(rest[1:])
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

// scanDecimal reads the digits and the point that b begins with. ok is false if there is no digit, or if the number has
// more than row.MaxDigits digits.
func scanDecimal(b []byte) (n row.Number, scale int, rest []byte, ok bool) {
	digits := 0                 // all of them
	significant := 0            // those from the first that is not 0
	point, full := false, false // full: there are MaxScale digits after the point, and more
	roundUp := false            // the first digit that is dropped is 5 or more
	for ; len(b) > 0; b = b[1:] {
		c := b[0]
		if c == '.' && !point {
			point = true
			continue
		}
		if c < '0' || c > '9' {
			break
		}
		digits++
		if point && scale == MaxScale {
			if !full {
				full, roundUp = true, c >= '5'
			}
			continue
		}
		if significant > 0 || c != '0' {
			significant++
		}
		if significant > row.MaxDigits {
			return n, 0, nil, false
		}
		n, _ = n.Times(row.Number{Lo: 10})
		n, _ = n.Plus(row.Number{Lo: uint64(c - '0')})
		if point {
			scale++
		}
	}
	if roundUp {
		n, _ = n.Plus(row.Number{Lo: 1})
	}
	return n, scale, b, digits > 0
}

// parseExponent reads a sign and digits. An exponent above 10^6 is read as 10^6, which is out of range for every
// caller.
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

// shift multiplies a decimal by 10^exp. ok is false if the result has more than row.MaxDigits digits.
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
	case scale > MaxScale:
		if scale-MaxScale > row.MaxDigits {
			return row.Number{}, 0, true
		}
		n, ok := n.Rescale(scale-MaxScale, 0)
		return n, MaxScale, ok
	}
	return n, scale, true
}

// ParseDigits reads a text of 1 to 18 digits and nothing else.
func ParseDigits(b []byte) (v int64, ok bool) {
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
