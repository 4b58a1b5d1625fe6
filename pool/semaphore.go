package pool

import (
	"context"
	"slices"
	"sync"
)

// Priority says who goes first when all connections are taken (P32).
type Priority uint8

// The priorities.
const (
	First  Priority = iota // claims and questions
	Second                 // commits
)

// semaphore counts open transactions. Waiters of the first priority go before all others, and each in order of coming.
type semaphore struct {
	mu      sync.Mutex // guards all below
	free    int        // may be below 0 after a shrink
	waiting [2][]chan struct{}
}

// acquire waits for a place, or until ctx ends.
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

// leave takes a waiter out of the line, and hands its turn on where that has come in the same moment.
func (s *semaphore) leave(p Priority, turn chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.Index(s.waiting[p], turn); i >= 0 {
		s.waiting[p] = slices.Delete(s.waiting[p], i, i+1)
	} else {
		s.giveLocked(1)
	}
}

// release gives a place back.
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

// waiters is how many wait.
func (s *semaphore) waiters() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.waiting[First]) + len(s.waiting[Second])
}
