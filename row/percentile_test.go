package row

import (
	"bytes"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func bucketed(f float64) Value {
	return Value{Number: Number{Lo: uint64(int64(BucketOf(f)))}, Set: true}
}

// The state depends on the values alone: not on their order, nor on how they are divided into batches.
func TestHistogram_dependsOnTheValuesAlone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOf(rapid.Custom(func(t *rapid.T) Value {
			if rapid.IntRange(0, 9).Draw(t, "NULL") == 0 {
				return Value{}
			}
			return bucketed(float64(rapid.IntRange(-50, 50).Draw(t, "value")) / 7)
		})).Draw(t, "values")
		a, b := anyDivision(t, "first", Histogram, values), anyDivision(t, "second", Histogram, values)
		if whole := foldedState(Histogram, values); !bytes.Equal(a, b) || !bytes.Equal(a, whole) {
			t.Fatalf("the states are % x and % x, that of one batch is % x", a, b, whole)
		}
	})
}

// Each percentile is within 0.79 % of the exact one, of values of every size and both signs.
func TestPercentile_error(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		values := make([]float64, rapid.IntRange(1, 500).Draw(t, "values"))
		exponent := rapid.SampledFrom([]float64{0.1, 3, 30}).Draw(t, "exponent")
		folded := make([]Value, len(values))
		for i := range values {
			values[i] = (rng.Float64() - 0.2) * math.Pow(10, exponent*(2*rng.Float64()-1))
			if rng.IntN(20) == 0 {
				values[i] = 0
			}
			folded[i] = bucketed(values[i])
		}
		state := foldedState(Histogram, folded)
		if len(state) > Histogram.(Stateful).MaxBytes() {
			t.Fatalf("the state has %d bytes", len(state))
		}
		slices.Sort(values)
		share := rapid.Int64Range(0, 1000).Draw(t, "share")
		rank := max(1, int(math.Ceil(float64(int64(len(values))*share)/1000)))
		got := Percentile(share, 3).(Derived).Value(state)
		f, want := math.Float64frombits(got.Lo), values[rank-1]
		if !got.Set || math.Abs(f-want) > 0.0079*math.Abs(want) {
			t.Fatalf("percentile %d of %d values is %g, expected %g", share, len(values), f, want)
		}
	})
}

// Buckets are at most 1/64 of their values wide, ordered as numbers are, and at the bounds exact.
func TestBucketOf(t *testing.T) {
	t.Parallel()
	for _, f := range []float64{1e-30, 0.1, 1, math.Nextafter(1, 0), 1.015625, math.Nextafter(1.015625, 0), 3, 127, 1e38} {
		b := BucketOf(f)
		m := middle(b)
		if math.Abs(m/f-1) > 1.0/128 || BucketOf(m) != b || BucketOf(-f) != -b || middle(-b) != -m {
			t.Errorf("%g is in bucket %d, whose middle is %g", f, b, m)
		}
	}
	if BucketOf(1)+1 != BucketOf(1.015625) || BucketOf(math.Nextafter(1.015625, 0)) != BucketOf(1) || BucketOf(0) != 0 || 2*int(BucketOf(1e38)-BucketOf(1e-30)) > maxBuckets {
		t.Error("the bounds of buckets have changed")
	}
}

// The form of a state never changes, because tables hold it. Another program's state is an error.
func TestHistogram_stateIsStable(t *testing.T) {
	t.Parallel()
	state := foldedState(Histogram, []Value{bucketed(1), bucketed(0), bucketed(1), bucketed(2), {}})
	want := []byte{1, 0, 1, 0xc1, 0xff, 0x03, 2, 0x40, 1} // 0 once, bucket 65473 twice, the 64th after it once
	if !bytes.Equal(state, want) {
		t.Errorf("state is % x, expected % x", state, want)
	}
	for _, bad := range [][]byte{{}, {2}, {1, 0}, {1, 0, 0}, {1, 2, 1, 0, 1}, {1, 2, 1, 0xff}, {1, 0xff, 0xff, 0xff, 0xff, 0x0f, 1}} {
		if _, _, err := Histogram.(Stateful).Join(nil, bad, state); err == nil {
			t.Errorf("state % x is joined", bad)
		}
	}
	if v := Percentile(5, 1).(Derived).Value([]byte{1}); v.Set {
		t.Errorf("a group without values has the percentile %v, expected NULL", v)
	}
}
