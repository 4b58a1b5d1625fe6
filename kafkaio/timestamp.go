package kafkaio

import (
	"time"

	"github.com/sluice-etl/sluice/batch"
)

// millis is a record's timestamp in milliseconds as it was written. The client computes milliseconds times 1e6 in 64
// bits, which wraps for what is not between 1677 and 2262. Milliseconds cannot have a rest of nanoseconds, so the rest
// tells how often it wrapped. Of numbers that wrapped more often than a time of a year up to 9999 can (micro- and
// nanoseconds, say), nothing but batch.BadTimestamp is returned.
//
// The rest repeats after 15,625 turns: numbers within 292 years of a multiple of 2^58 ms cannot be told from a time.
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
