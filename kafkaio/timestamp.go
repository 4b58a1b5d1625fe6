package kafkaio

import (
	"time"

	"github.com/sluice-etl/sluice/batch"
)

// millis returns a record's timestamp in milliseconds, as it was written. The client computes milliseconds times 1e6 in
// 64 bits, which wraps for times outside 1677 to 2262. A whole number of milliseconds has no remainder of nanoseconds,
// so the remainder tells how often the product wrapped. For numbers that wrapped more often than a time up to the year
// 9999 can (microseconds or nanoseconds written as milliseconds), millis returns batch.BadTimestamp.
//
// The remainder repeats after 15,625 wraps: numbers within 292 years of a multiple of 2^58 ms look like valid times.
func millis(t time.Time) int64 {
	const (
		unit  = 1_000_000
		whole = 18_446_744_073_709 // 2^64 = whole*unit + rest
		rest  = 551_616
	)
	nanos := t.UnixNano()
	at := t.UnixMilli()
	left := nanos - at*unit
	if left == 0 {
		return at
	}
	for k := int64(1); k <= 14; k++ {
		for _, turns := range [2]int64{k, -k} {
			if sum := left + turns*rest; sum%unit == 0 {
				return at + turns*whole + sum/unit
			}
		}
	}
	return batch.BadTimestamp
}
