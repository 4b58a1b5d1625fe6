package kafkaio

import (
	"testing"
	"time"

	"github.com/sluice-etl/sluice/batch"
)

// The client's time is milliseconds times 1e6 in 64 bits, which wraps.
func TestMillis_wrappedTimestamps(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ wrote, want int64 }{
		{-1, -1}, {0, 0}, {1, 1}, {1481105107123, 1481105107123}, {-30610224000000, -30610224000000}, {253402300799999, 253402300799999}, {9223372036855, 9223372036855},
		{253402300800000, 253402300800000}, {1481105107000000, batch.BadTimestamp}, {1481105107123456, batch.BadTimestamp}, {1481105107000000000, batch.BadTimestamp}, {1481105107123456789, batch.BadTimestamp},
		{1 << 50, batch.BadTimestamp},
	} {
		if got := millis(time.Unix(0, c.wrote*1e6)); got != c.want {
			t.Errorf("%d: %d, expected %d", c.wrote, got, c.want)
		}
	}
}
