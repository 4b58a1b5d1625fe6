package row

import (
	"math/big"
	"testing"

	"pgregory.net/rapid"
)

func anyNumber(t *rapid.T, label string) Number {
	n := Number{Hi: rapid.Int64().Draw(t, label+".hi"), Lo: rapid.Uint64().Draw(t, label+".lo")}
	switch rapid.IntRange(0, 3).Draw(t, label+".size") {
	case 0:
		n = FromInt(int64(n.Lo))
	case 1:
		n = FromInt(int64(n.Lo % 1000))
	}
	if n == minNumber {
		n.Lo = 1
	}
	return n
}

// Every operation agrees with math/big, and reports when its result does not fit.
func TestNumber_arithmeticIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := anyNumber(t, "a"), anyNumber(t, "b")
		want := new(big.Int).Mul(a.Big(), b.Big())
		got, ok := a.Times(b)
		if ok && got.Big().Cmp(want) != 0 {
			t.Fatalf("%v * %v = %v, expected %v", a.Big(), b.Big(), got.Big(), want)
		}
		if ok != (want.BitLen() <= 127) {
			t.Fatalf("%v * %v: ok is %v, expected %v", a.Big(), b.Big(), ok, (want.BitLen() <= 127))
		}
		if b.Sign() != 0 {
			q, r := a.QuoRem(b)
			wq, wr := new(big.Int).QuoRem(a.Big(), b.Big(), new(big.Int))
			if q.Big().Cmp(wq) != 0 || r.Big().Cmp(wr) != 0 {
				t.Fatalf("%v / %v = %v rest %v, expected %v rest %v", a.Big(), b.Big(), q.Big(), r.Big(), wq, wr)
			}
		}
		back, ok := FromBig(a.Big())
		if !ok || back != a {
			t.Fatalf("FromBig(%v) = %v; expected %v", a.Big(), back, a)
		}
	})
}

func TestNumber_rescaleRoundsHalfAwayFromZero(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		n        int64
		from, to int
		want     int64
	}{
		{125, 2, 1, 13}, {-125, 2, 1, -13}, {124, 2, 1, 12}, {-124, 2, 1, -12}, {5, 1, 0, 1}, {-5, 1, 0, -1}, {4, 1, 0, 0},
		{999, 2, 0, 10}, {7, 0, 3, 7000}, {0, 30, 0, 0},
	} {
		if got, ok := FromInt(c.n).Rescale(c.from, c.to); !ok || got != FromInt(c.want) {
			t.Errorf("Rescale(%d, %d, %d) = %v %v, expected %d", c.n, c.from, c.to, got.Big(), ok, c.want)
		}
	}
	if _, ok := FromInt(10).Rescale(0, 38); ok {
		t.Error("10 with 38 digits after the point fits 128 bits")
	}
	if !FromInt(99).Digits(2) || FromInt(100).Digits(2) || !FromInt(-99).Digits(2) || FromInt(-100).Digits(2) {
		t.Error("Digits counts wrongly at the bound")
	}
}
