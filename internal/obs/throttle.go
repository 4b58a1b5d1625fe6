package obs

import (
	"sync"
	"time"
)

// Throttle allows one log line of each kind per interval, and counts the others. The caller must bound the number of
// kinds. It is safe for concurrent use.
type Throttle struct {
	interval time.Duration

	mu    sync.Mutex // guards kinds
	kinds map[string]*throttled
}

type throttled struct {
	last    time.Time
	dropped int
}

// NewThrottle returns a throttle that allows one line of each kind per interval.
func NewThrottle(interval time.Duration) *Throttle {
	return &Throttle{interval: interval, kinds: make(map[string]*throttled)}
}

// Allow reports whether a line of this kind may be logged now, and how many were dropped since the last one.
func (t *Throttle) Allow(kind string, now time.Time) (ok bool, dropped int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	k := t.kinds[kind]
	if k == nil {
		k = new(throttled)
		t.kinds[kind] = k
	} else if now.Sub(k.last) < t.interval {
		k.dropped++
		return false, 0
	}
	dropped = k.dropped
	k.last, k.dropped = now, 0
	return true, dropped
}
