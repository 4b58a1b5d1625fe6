package pool

import (
	"context"
	"slices"
	"sync"
)

// Priority is the order in which waiting transactions get a connection when all are in use (P32).
type Priority uint8

// The priorities.
const (
	PriorityHigh Priority = iota // claims and resolves
	PriorityLow                  // commits
)

// semaphore counts open transactions. Waiters of PriorityHigh take precedence over all others; waiters of one priority
// are served in order of arrival.
type semaphore struct {
	mu      sync.Mutex // guards all below
	free    int        // may be below 0 after a shrink
	waiting [2][]chan struct{}
}

// acquire waits for a place, or until ctx is done.
func (s *semaphore) acquire(ctx context.Context, p Priority) error {
	s.mu.Lock()
	if s.free > 0 && ctx.Err() == nil {
		s.free--
		s.mu.Unlock()
		return nil
	}
	turn := make(chan struct{})
	s.waiting[p] = append(s.waiting[p], turn)
	s.mu.Unlock()
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
		s.leave(p, turn)
		return context.Cause(ctx)
	}
}

// leave removes a waiter from the queue. If it was granted a place at the same moment, the place goes to the next
// waiter.
func (s *semaphore) leave(p Priority, turn chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.Index(s.waiting[p], turn); i >= 0 {
		s.waiting[p] = slices.Delete(s.waiting[p], i, i+1)
	} else {
		s.giveLocked(1)
	}
}

// release returns a place.
func (s *semaphore) release() { s.give(1) }

// give adds n places; n may be negative.
func (s *semaphore) give(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.giveLocked(n)
}

func (s *semaphore) giveLocked(n int) {
	s.free += n
	for p := range s.waiting {
		for s.free > 0 && len(s.waiting[p]) > 0 {
			close(s.waiting[p][0])
			s.waiting[p] = s.waiting[p][1:]
			s.free--
		}
	}
}

// waiters returns the number of waiting transactions.
func (s *semaphore) waiters() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.waiting[PriorityHigh]) + len(s.waiting[PriorityLow])
}
