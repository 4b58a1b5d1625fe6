package value

import "math"

// Package math computes logarithms and powers with errors in the last digit that differ from machine to machine:
// math.Log10(1000) is 2.9999999999999996. So these functions compute with twice the digits, in pairs of float64, and
// return the nearest float64, apart from results so near the middle of two that 95 bits do not tell which is nearer, and
// from results below 2^-1022. Go may fuse x*y + z into one operation on some machines, but not float64(x*y) + z.

// wide is the sum of two float64, of which lo is at most half a unit in the last place of hi.
type wide struct{ hi, lo float64 }

// twoSum returns a + b without an error.
func twoSum(a, b float64) wide {
	s := a + b
	bb := s - a
	return wide{s, (a - (s - bb)) + (b - bb)}
}

// twoProduct returns a * b without an error.
func twoProduct(a, b float64) wide {
	p := float64(a * b)
	return wide{p, math.FMA(a, b, -p)}
}

func (a wide) plus(b wide) wide {
	s, t := twoSum(a.hi, b.hi), twoSum(a.lo, b.lo)
	s = twoSum(s.hi, s.lo+t.hi)
	return twoSum(s.hi, s.lo+t.lo)
}

func (a wide) times(b wide) wide {
	p := twoProduct(a.hi, b.hi)
	return twoSum(p.hi, p.lo+(float64(a.hi*b.lo)+float64(a.lo*b.hi)))
}

func (a wide) over(b wide) wide {
	q := a.hi / b.hi
	p := b.times(wide{hi: q})
	rest := a.plus(wide{-p.hi, -p.lo})
	return twoSum(q, rest.hi/b.hi)
}

var (
	ln2    = wide{0.6931471805599453, 2.3190468138462996e-17}
	log2E  = wide{1.4426950408889634, 2.0355273740931033e-17}
	log10E = wide{0.4342944819032518, 1.098319650216765e-17}
)

// expMinus1 returns e^x - 1 for x between -0.4 and 0.4, by its series for x / 512.
func expMinus1(x wide) wide {
	const halvings = 9
	x = wide{math.Ldexp(x.hi, -halvings), math.Ldexp(x.lo, -halvings)}
	term, sum := x, x
	for n := 2.0; n <= 11; n++ {
		term = term.times(x).over(wide{hi: n})
		sum = sum.plus(term)
	}
	for range halvings { // e^2x - 1 = (e^x - 1)^2 + 2 (e^x - 1)
		sum = sum.times(sum).plus(wide{2 * sum.hi, 2 * sum.lo})
	}
	return sum
}

// exp returns e^x.
func exp(x wide) float64 {
	switch {
	case x.hi > 710:
		return math.Inf(1)
	case x.hi < -746:
		return 0
	}
	k := math.RoundToEven(x.hi / ln2.hi)
	p := expMinus1(x.plus(ln2.times(wide{hi: -k}))).plus(wide{hi: 1})
	return math.Ldexp(p.hi, int(k))
}

// log returns the natural logarithm of x, which must be positive and finite.
func log(x float64) wide {
	m, e := math.Frexp(x)
	if m < math.Sqrt2/2 {
		m, e = 2*m, e-1
	}
	// One step of Halley's method makes three times the digits of an approximation.
	y := math.Log(m)
	p := expMinus1(wide{hi: y})
	error := ((m - 1) - p.hi) - p.lo
	return twoSum(y, 2*error/(m+1+p.hi)).plus(ln2.times(wide{hi: float64(e)}))
}

// Log returns the natural logarithm of x. As for the other logarithms, x must be positive and finite.
func Log(x float64) float64 { return log(x).hi }

// Log2 returns the logarithm of x to base 2.
func Log2(x float64) float64 { return log(x).times(log2E).hi }

// Log10 returns the logarithm of x to base 10.
func Log10(x float64) float64 { return log(x).times(log10E).hi }

// LogBase returns the logarithm of x to a base that is positive and not 1.
func LogBase(base, x float64) float64 { return log(x).over(log(base)).hi }

// Exp returns e^x, which is infinite if it is out of range.
func Exp(x float64) float64 { return exp(wide{hi: x}) }

// Pow returns x^y. It is infinite or NaN if the result is out of range or not real. Both must be finite.
func Pow(x, y float64) float64 {
	switch {
	case y == 0:
		return 1
	case x == 0 && y < 0:
		return math.Inf(1)
	case x == 0:
		return 0
	case x < 0 && y != math.Trunc(y):
		return math.NaN()
	}
	sign := 1.0
	if x < 0 && math.Mod(y, 2) != 0 {
		sign = -1
	}
	z := log(math.Abs(x))
	if math.Abs(y*z.hi) > 1000 { // the product below would overflow
		return sign * exp(wide{hi: y * z.hi})
	}
	return sign * exp(z.times(wide{hi: y}))
}
