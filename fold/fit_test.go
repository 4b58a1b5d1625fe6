package fold

import (
	"testing"

	"github.com/sluice-etl/sluice/fold/value"
	"github.com/sluice-etl/sluice/row"
)

// A value that is added to a total has at most 28 digits, whatever its column accepts. A batch adds up to 2^33 values,
// and 2^33 × 10^28 fits the 128 bits of the total; values of 38 digits would overflow at the second one.
func TestP16_WhatIsAddedCannotWrapATotal(t *testing.T) {
	t.Parallel()
	column := row.Column{Name: "total", Kind: row.Decimal, Merge: row.Add, Precision: 38}
	for _, c := range []struct {
		digits int
		taken  bool
	}{{1, true}, {27, true}, {28, true}, {29, false}, {38, false}} {
		for _, sign := range []int64{1, -1} {
			largest, _ := row.Pow10(c.digits).Plus(row.FromInt(-1)) // 9…9
			if sign < 0 {
				largest = largest.Neg()
			}
			v, r := value.Value{Number: largest, Set: true}, Env{}
			l := newLimits(&column)
			l.fit(&r, &v, value.KindDecimal)
			if taken := r.Reason == ""; taken != c.taken {
				t.Errorf("%d digits, sign %d: taken is %v, expected %v (%s)", c.digits, sign, taken, c.taken, r.Reason)
			}
			if !c.taken {
				continue
			}
			total, ok := largest, true
			for doubled := 0; doubled < 33 && ok; doubled++ {
				total, ok = total.Plus(total)
			}
			if !ok {
				t.Errorf("2^33 values of %d digits pass 128 bits", c.digits)
			}
		}
	}
	// A key and a maximum are not added, so they accept every value that their column accepts.
	for _, merge := range []row.Merge{row.Key, row.Max, row.Plain} {
		column.Merge = merge
		largest, _ := row.Pow10(38).Plus(row.FromInt(-1))
		v, r := value.Value{Number: largest, Set: true}, Env{}
		l := newLimits(&column)
		if l.fit(&r, &v, value.KindDecimal); r.Reason != "" {
			t.Errorf("merge %v: 38 digits are refused: %s, expected an empty text", merge, r.Reason)
		}
	}
}
