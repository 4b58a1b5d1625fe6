package aggregate

import (
	"math"

	"github.com/sluice-etl/sluice/fold/value"
	"github.com/sluice-etl/sluice/row"
)

// Bucket returns the bucket of an exact number, as a value that a row.Histogram folds.
func Bucket(v *value.Value) value.Value {
	n := v.Number.Abs()
	// Conversions keep any architecture from fusing the operations, which would round in another way.
	f := (float64(float64(uint64(n.Hi))*(1<<64)) + float64(n.Lo)) / powers[v.Scale]
	if v.Number.Sign() < 0 {
		f = -f
	}
	return value.Int(int64(row.BucketOf(f)))
}

// powers are 10^0 to 10^row.MaxDigits.
var powers = func() (p [row.MaxDigits + 1]float64) {
	for i := range p {
		p[i] = math.Pow10(i)
	}
	return p
}()
