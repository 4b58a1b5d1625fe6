package batch

import (
	"sync"
	"time"

	"github.com/sluice-etl/sluice/checkpoint"
)

// burst is how many seconds' worth of unused rate a limiter accumulates.
const burst = 10

// limiter is a token bucket: it allows a number of dead letters per second, on average over burst seconds. It is safe
// for concurrent use.
type limiter struct {
	rate int64 // per second; 0 allows all

	mu     sync.Mutex
	tokens float64
	at     time.Time // when tokens was computed; zero before the first use
}

// allow takes one token, if there is one.
func (l *limiter) allow(now time.Time) bool {
	if l.rate == 0 {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	most := float64(l.rate * burst)
	if l.at.IsZero() {
		l.tokens = most
	} else {
		l.tokens = min(most, l.tokens+now.Sub(l.at).Seconds()*float64(l.rate))
	}
	l.at = now
	if l.tokens < 1 {
		return false
	}
	l.tokens--
	return true
}

// sample is the dead letters of its open batch that a worker keeps. If the limiter does not allow one, the previous
// kept letter of the same partition represents it too. The first letter of a partition is always kept, so that the sum
// of Records over the letters of a batch is the number of its dead records.
type sample struct {
	limiter *limiter
	kept    []DeadLetter
	last    map[checkpoint.Partition]int // index into kept of each partition's last letter
}

// add takes the letters that were appended to kept after its first n.
func (s *sample) add(letters []DeadLetter, n int) {
	added := letters[n:]
	s.kept = letters[:n]
	if len(added) == 0 {
		return
	}
	if s.last == nil {
		s.last = map[checkpoint.Partition]int{}
	}
	now := time.Now()
	for _, d := range added {
		last, found := s.last[d.Partition]
		if !s.limiter.allow(now) && found {
			s.kept[last].Records++
			continue
		}
		d.Records = 1
		s.last[d.Partition] = len(s.kept)
		s.kept = append(s.kept, d) // in place: no more are kept than were added
	}
	clear(letters[len(s.kept):]) // release what is not kept
}

// take returns the letters and starts a new batch.
func (s *sample) take() []DeadLetter {
	kept := s.kept
	s.kept, s.last = nil, nil
	return kept
}

// notStored counts the dead records without a letter of their own.
func notStored(kept []DeadLetter) (n int64) {
	for i := range kept {
		n += max(kept[i].Records, 1) - 1
	}
	return n
}
