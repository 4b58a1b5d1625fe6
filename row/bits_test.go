package row

import (
	"testing"

	"pgregory.net/rapid"
)

// However values are divided into batches, the result is that of all values, and the neutral element of none.
func TestBits_dependOnTheRecordsAlone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Uint64(), 0, 20).Draw(t, "values")
		and, or, xor := ^uint64(0), uint64(0), uint64(0)
		for _, v := range values {
			and, or, xor = and&v, or|v, xor^v
		}
		for merge, want := range map[Merge]uint64{BitAnd: and, BitOr: or, BitXor: xor} {
			rows := NewRows(&Table{})
			var stored Cell
			merge.Fold(rows, &stored, Int, Value{})
			for left := values; len(left) > 0; {
				n := rapid.IntRange(1, len(left)).Draw(t, "size of a batch")
				var batch Cell
				merge.Fold(rows, &batch, Int, Value{})
				for _, v := range left[:n] {
					merge.Fold(rows, &batch, Int, Value{Number: Number{Lo: v}, Set: true})
				}
				merge.Fold(rows, &stored, Int, Value{Number: batch.Number, Set: batch.Set})
				left = left[n:]
			}
			if stored.Number != (Number{Lo: want}) || !stored.Set {
				t.Fatalf("%s: got %+v, expected %d", merge, stored, want)
			}
		}
	})
}
