package row

import (
	"bytes"
	"math"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

func hashed(h uint64) Value { return Value{Number: Number{Lo: h}, Set: true} }

// The state depends on the set of values alone, in the sparse form, in the dense one, and at the change between them.
func TestHyperLogLog_dependsOnTheValuesAlone(t *testing.T) {
	m := HyperLogLog("text")
	sparse, dense := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		values := []Value{{}}
		n := rapid.SampledFrom([]int{0, 1, 5, 300, 6000, 6700, 20000}).Draw(t, "values") // 6,700 values use a third of the registers
		for range n {
			values = append(values, hashed(rng.Uint64()))
		}
		divide := func() (state []byte) {
			rng.Shuffle(len(values), func(i, j int) { values[i], values[j] = values[j], values[i] })
			for rest := values; len(rest) > 0; {
				cut := 1 + rng.IntN(len(rest))
				joined, _, err := m.(Stateful).Join(nil, state, foldedState(m, append(rest[:cut:cut], values[0])))
				if err != nil {
					t.Fatal(err)
				}
				state, rest = joined, rest[cut:]
			}
			return state
		}
		a, b := divide(), divide()
		if !bytes.Equal(a, b) || len(a) > m.(Stateful).MaxBytes() {
			t.Fatalf("the states of %d values have %d and %d bytes and differ", n, len(a), len(b))
		}
		if again, _, err := m.(Stateful).Join(nil, a, b); err != nil || !bytes.Equal(again, a) {
			t.Fatalf("joined with itself, a state of %d values is another one, %v", n, err)
		}
		if a[0] == hllDense {
			dense++
		} else {
			sparse++
		}
	})
	if sparse == 0 || dense == 0 {
		t.Errorf("%d states are sparse, %d dense; expected both", sparse, dense)
	}
}

// The standard error is 0.81 %, as docs/query.md says, and no estimate of these is further off than four times that.
// Small numbers are nearly always exact.
func TestHyperLogLog_error(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(7, 7))
	for _, n := range []int{1, 10, 100, 1000, 10000, 40000, 100000, 1000000} {
		tries := 100
		if n > 100000 {
			tries = 20
		}
		squares, worst, sum := 0.0, 0.0, 0.0
		for range tries {
			var r registers
			for range n {
				h := rng.Uint64()
				i := h >> (64 - hllPrecision)
				rank := uint8(1)
				for bit := 63 - hllPrecision; bit >= 0 && h>>bit&1 == 0; bit-- {
					rank++
				}
				r[i] = max(r[i], rank)
			}
			off := float64(r.estimate())/float64(n) - 1
			squares, worst, sum = squares+off*off, max(worst, math.Abs(off)), sum+off
		}
		deviation, bias := math.Sqrt(squares/float64(tries)), sum/float64(tries)
		t.Logf("%d values: standard error %.2f %%, worst %.2f %%, bias %.2f %%", n, 100*deviation, 100*worst, 100*bias)
		if deviation > 0.0105 || worst > 0.033 || n >= 1000 && math.Abs(bias) > 4*0.0081/math.Sqrt(float64(tries)) {
			t.Errorf("%d values: standard error %.4f, worst %.4f, bias %.4f; expected 0.0081, 0.033 at most, 0", n, deviation, worst, bias)
		}
		if n == 10 && worst > 0.11 || n == 1 && worst != 0 {
			t.Errorf("%d values: the worst estimate is off by %.2f, expected nearly exact ones", n, worst)
		}
	}
}

// States in tables never change their form, nor their estimate. A state of another program is an error.
func TestHyperLogLog_stateIsStable(t *testing.T) {
	t.Parallel()
	m := HyperLogLog("text")
	state := foldedState(m, []Value{hashed(0), hashed(1<<50 | 1), hashed(3<<50 | 1<<49), hashed(math.MaxUint64)})
	want := []byte{hllSparse, 0, 0, 51, 0, 0, 1<<6 | 50, 0, 0, 3<<6 | 1, 0x0f, 0xff, 0xc1}
	if !bytes.Equal(state, want) {
		t.Errorf("state is % x, expected % x", state, want)
	}
	if n := DistinctEstimate.(Derived).Value(state); n.Number != FromInt(4) {
		t.Errorf("the estimate is %v, expected 4", n.Big())
	}
	for _, bad := range [][]byte{{}, {3}, {hllSparse, 1}, {hllSparse, 0, 0, 0}, {hllSparse, 0, 0, 52}, {hllSparse, 0, 1, 1, 0, 0, 1}, {hllSparse, 0x10, 0, 1}, {hllDense, 1}, append([]byte{hllDense}, bytes.Repeat([]byte{52}, hllRegisters)...)} {
		if _, _, err := m.(Stateful).Join(nil, bad, state); err == nil {
			t.Errorf("state % x is joined", bad[:min(len(bad), 8)])
		}
	}
}
