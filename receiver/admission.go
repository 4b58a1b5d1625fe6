package receiver

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// ErrNoMemory is returned by [Lease.Grow] when the budget had no room before the deadline.
var ErrNoMemory = errors.New("no memory left in the budget of bytes in flight")

// Admission is the budget of bytes in flight over all receivers of a process: the memory of frames from their first
// byte to their Release. It is safe for concurrent use.
//
// A receiver takes memory as bytes arrive, never by an announced length. So many frames can be half received when the
// budget is used up, and each would wait for memory that the others hold. To prevent that deadlock, the oldest lease
// that waits is favoured: until it is released it gets the memory that it requests, even beyond the budget. Then the
// next oldest one is favoured.
//
// Invariants:
//   - As long as any frame waits for memory, one frame can be received completely.
//   - Memory is bounded by the budget plus one largest frame, with what the Appender takes for it.
//   - If the sender of the favoured lease stops sending, its receiver's read timeout releases the lease, and the next
//     one is favoured.
//   - Waiters are served in the order in which their frames began, so none starves.
type Admission struct {
	limit   int64
	metrics admissionMetrics

	mu       sync.Mutex // guards what follows
	used     int64
	seq      uint64    // number of leases begun so far
	waiting  []*waiter // in order of their leases' age
	favoured *Lease
}

type waiter struct {
	lease *Lease
	n     int64
	given chan struct{} // closed once n was added to the lease
}

// NewAdmission returns the budget. cfg must be valid; reg may be nil.
func NewAdmission(cfg Config, reg prometheus.Registerer) *Admission {
	a := &Admission{limit: cfg.MaxBytesInFlight, metrics: newAdmissionMetrics(reg)}
	a.metrics.limit.Set(float64(a.limit))
	return a
}

// Used returns the bytes in flight now.
func (a *Admission) Used() int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.used
}

// Lease is one frame's share of the budget. It begins with [Admission.Begin]; its age is the frame's place in the
// queue. It is not safe for concurrent use.
type Lease struct {
	a    *Admission
	seq  uint64
	held int64
}

// Begin restarts l as the youngest lease. l must hold no memory.
func (a *Admission) Begin(l *Lease) {
	if l.held != 0 {
		panic("BUG: lease begun while it holds memory")
	}
	a.mu.Lock()
	a.seq++
	l.a, l.seq = a, a.seq
	a.mu.Unlock()
}

// Grow takes n more bytes. It blocks while there is no room: until ctx ends (its error is returned) or the deadline is
// reached ([ErrNoMemory]); a zero deadline means none. On an error nothing is taken, and the lease keeps what it held.
func (l *Lease) Grow(ctx context.Context, deadline time.Time, n int64) error {
	a := l.a
	a.mu.Lock()
	if len(a.waiting) == 0 && a.used+n <= a.limit || a.favoured == l {
		a.take(l, n)
		a.mu.Unlock()
		return nil
	}
	w := &waiter{lease: l, n: n, given: make(chan struct{})}
	at, _ := slices.BinarySearchFunc(a.waiting, l.seq, func(w *waiter, seq uint64) int {
		if w.lease.seq < seq {
			return -1
		}
		return 1
	})
	a.waiting = slices.Insert(a.waiting, at, w)
	a.serve()
	a.mu.Unlock()

	var late <-chan time.Time // never, without a deadline
	if !deadline.IsZero() {
		timer := time.NewTimer(time.Until(deadline))
		defer timer.Stop()
		late = timer.C
	}
	var err error
	select {
	case <-w.given:
		return nil
	case <-ctx.Done():
		err = ctx.Err()
	case <-late:
		err = ErrNoMemory
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if i := slices.Index(a.waiting, w); i >= 0 {
		a.waiting = slices.Delete(a.waiting, i, i+1)
		a.serve()
		return err
	}
	return nil // granted in the meantime
}

// Release returns all memory of l, which is then no longer favoured. It may be called again.
func (l *Lease) Release() {
	a := l.a
	if a == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.used -= l.held
	l.held, l.a = 0, nil
	if a.favoured == l {
		a.favoured = nil
	}
	a.serve()
}

// take requires a.mu to be held.
func (a *Admission) take(l *Lease, n int64) {
	l.held += n
	a.used += n
	a.metrics.used.Set(float64(a.used))
}

// serve grants what there is room for, oldest waiter first. The first waiter that there is no room for becomes
// favoured, unless another lease is. It is called with mu held.
func (a *Admission) serve() {
	for len(a.waiting) > 0 {
		w := a.waiting[0]
		if a.used+w.n > a.limit {
			if a.favoured != nil {
				break
			}
			a.favoured = w.lease
		}
		a.waiting = slices.Delete(a.waiting, 0, 1)
		a.take(w.lease, w.n)
		close(w.given)
	}
	a.metrics.used.Set(float64(a.used))
	a.metrics.waiting.Set(float64(len(a.waiting)))
}
