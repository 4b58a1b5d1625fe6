package flumeclient

import (
	"math"
	"math/bits"
	"sync"
	"time"
)

// Summary is the result so far.
type Summary struct {
	Sent    int64 // events given to a connection, each counted once however often it was resent
	Acked   int64 // events acknowledged
	Resent  int64 // events resent, counted each time
	Bytes   int64 // bytes of the bodies of acked events
	Elapsed time.Duration
	Rate    float64       // acked events per second, over Elapsed
	P50     time.Duration // from sending a request to its reply OK, up to 6 % too large
	P99     time.Duration
}

// tally counts over all connections. It is safe for concurrent use.
type tally struct {
	begun time.Time

	mu      sync.Mutex // guards what follows
	sum     Summary
	latency histogram
}

func (t *tally) sending(events int, again bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if again {
		t.sum.Resent += int64(events)
	} else {
		t.sum.Sent += int64(events)
	}
}

func (t *tally) acked(b *batch, took time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sum.Acked += int64(len(b.events))
	t.sum.Bytes += int64(len(b.arena))
	t.latency.add(took)
}

func (t *tally) summary() Summary {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.sum
	s.Elapsed = time.Since(t.begun)
	s.Rate = float64(s.Acked) / max(s.Elapsed.Seconds(), 1e-9)
	s.P50, s.P99 = t.latency.quantile(.5), t.latency.quantile(.99)
	return s
}

// histogram counts durations in buckets of 1/16 of a power of two: a quantile is at most 6 % too large.
type histogram struct {
	total   int64
	buckets [64 * 16]int64
}

func (h *histogram) add(d time.Duration) {
	h.total++
	h.buckets[bucketOf(d)]++
}

func bucketOf(d time.Duration) int {
	n := uint64(max(d, 1))
	e := bits.Len64(n) - 1
	if e < 4 {
		return int(n)
	}
	return e*16 + int(n>>(e-4)&15)
}

func bucketEnd(i int) time.Duration {
	if i < 16 {
		return time.Duration(i)
	}
	e := i / 16
	return time.Duration(uint64(16+i%16+1)<<(e-4) - 1)
}

// quantile returns the end of the bucket that holds the q-quantile of the durations; zero if there are none.
func (h *histogram) quantile(q float64) time.Duration {
	rank, seen := int64(math.Ceil(q*float64(h.total))), int64(0)
	for i, n := range h.buckets {
		if seen += n; n > 0 && seen >= rank {
			return bucketEnd(i)
		}
	}
	return 0
}
