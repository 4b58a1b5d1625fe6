package receiver

import (
	"sync"
	"time"
)

// Throttle lets one log line of a kind through per interval, and counts the others. Kinds must be bounded by the
// caller. It is safe for concurrent use.
type Throttle struct {
	every time.Duration

	mu    sync.Mutex // guards kinds
	kinds map[string]*throttled
}

type throttled struct {
	last    time.Time
	dropped int
}

// NewThrottle lets one line of each kind through per every.
func NewThrottle(every time.Duration) *Throttle {
	return &Throttle{every: every, kinds: make(map[string]*throttled)}
}

// Allow reports whether a line of this kind may be written now, and how many were not since the last.
func (t *Throttle) Allow(kind string, now time.Time) (ok bool, dropped int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	k := t.kinds[kind]
	if k == nil {
		k = new(throttled)
		t.kinds[kind] = k
	} else if now.Sub(k.last) < t.every {
		k.dropped++
		return false, 0
	}
	dropped = k.dropped
	k.last, k.dropped = now, 0
	return true, dropped
}
