package value

import (
	"math"
	"math/big"
	"math/rand/v2"
	"strconv"
	"testing"
)

// bigExp returns e^x with 300 bits.
func bigExp(x *big.Float) *big.Float {
	const bits = 300
	f := func() *big.Float { return new(big.Float).SetPrec(bits) }
	half := 0
	y := f().Set(x)
	for ; y.Sign() != 0 && y.MantExp(nil) > -20; half++ {
		y.Quo(y, big.NewFloat(2))
	}
	sum, term := f().SetInt64(1), f().SetInt64(1)
	for n := int64(1); n < 20; n++ {
		term.Mul(term, y)
		term.Quo(term, f().SetInt64(n))
		sum.Add(sum, term)
	}
	for range half {
		sum.Mul(sum, sum)
	}
	return sum
}

func draw(rng *rand.Rand) float64 {
	switch rng.IntN(4) {
	case 0:
		return 1 + (rng.Float64()-0.5)*math.Ldexp(1, -rng.IntN(52))
	case 1:
		return float64(1 + rng.IntN(100000))
	case 2:
		return float64(1+rng.IntN(100000)) / 1000
	}
	return math.Exp(rng.Float64()*1400 - 700)
}

// Exp and Log return the float64 that is nearest to the result with 300 bits.
func TestAccurate_nearest(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 0))
	for range 3000 {
		x := (rng.Float64() - 0.5) * math.Ldexp(1, 10-rng.IntN(60))
		if math.Abs(x) > 700 {
			continue
		}
		if want, _ := bigExp(big.NewFloat(x)).Float64(); Exp(x) != want {
			t.Fatalf("seed %d: Exp(%v) = %v, expected %v", seed, x, Exp(x), want)
		}
		z := draw(rng)
		y := Log(z)
		// e^(the middle of y and a neighbor) is on the other side of z.
		for _, towards := range []float64{-1, 1} {
			next := math.Nextafter(y, math.Inf(int(towards)))
			middle := new(big.Float).SetPrec(300).Add(big.NewFloat(y), big.NewFloat(next))
			middle.Quo(middle, big.NewFloat(2))
			if c := bigExp(middle).Cmp(big.NewFloat(z)); y != 0 && float64(c) != towards {
				t.Fatalf("seed %d: Log(%v) = %v, but %v is nearer", seed, z, y, next)
			}
		}
	}
}

// Powers of integers are those of exact arithmetic, and logarithms of powers are integers.
func TestAccurate_integers(t *testing.T) {
	t.Parallel()
	for n := -307; n <= 308; n++ {
		p, _ := strconv.ParseFloat("1e"+strconv.Itoa(n), 64)
		if got := Pow(10, float64(n)); got != p {
			t.Errorf("Pow(10, %d) = %v, expected %v", n, got, p)
		}
		if got := Log10(p); got != float64(n) {
			t.Errorf("Log10(1e%d) = %v, expected %d", n, got, n)
		}
	}
	for n := -1022; n <= 1023; n++ {
		if got := Log2(math.Ldexp(1, n)); got != float64(n) {
			t.Errorf("Log2(2^%d) = %v, expected %d", n, got, n)
		}
	}
	for base := int64(2); base < 100; base++ {
		for n := int64(1); n < 60; n++ {
			exact := new(big.Int).Exp(big.NewInt(base), big.NewInt(n), nil)
			want, _ := new(big.Float).SetInt(exact).Float64()
			got := Pow(float64(base), float64(n))
			if got != want && exact.BitLen()-int(exact.TrailingZeroBits()) != 54 { // with 54 bits it is in the middle of two
				t.Errorf("Pow(%d, %d) = %v, expected %v", base, n, got, want)
			}
			if got := LogBase(float64(base), want); exact.BitLen() < 53 && got != float64(n) {
				t.Errorf("LogBase(%d, %v) = %v, expected %d", base, want, got, n)
			}
		}
	}
}

func TestPow_special(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ x, y, want float64 }{
		{0, 0, 1}, {0, 2, 0}, {0, -1, math.Inf(1)}, {-2, 3, -8}, {-2, 2, 4}, {-8, 1.0 / 3, math.NaN()}, {2, 0.5, math.Sqrt2}, {1, 1e300, 1}, {2, 1e300, math.Inf(1)}, {2, -1e300, 0}, {-2, 1e300, math.Inf(1)}, {0.5, 1e300, 0}, {1e308, 2, math.Inf(1)}, {4, -0.5, 0.5},
	} {
		if got := Pow(c.x, c.y); got != c.want && !(math.IsNaN(got) && math.IsNaN(c.want)) {
			t.Errorf("Pow(%v, %v) = %v, expected %v", c.x, c.y, got, c.want)
		}
	}
}

func BenchmarkLog10(b *testing.B) {
	x := 1.0
	for b.Loop() {
		x = 5120 + Log10(x)
	}
}
