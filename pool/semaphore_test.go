package pool

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/sluice-etl/sluice/internal/mariadbtest"
)

// inLine starts a waiter and returns once it waits; n waiters wait then.
func inLine(t *testing.T, s *semaphore, p Priority, n int, done func()) {
	t.Helper()
	go func() {
		if err := s.acquire(context.WithoutCancel(t.Context()), p); err != nil {
			t.Error(err)
		}
		done()
	}()
	deadline := time.Now().Add(10 * time.Second)
	for s.waiters() != n {
		if time.Now().After(deadline) {
			t.Fatalf("%d wait, expected %d", s.waiters(), n)
		}
	}
}

// Claims and resolves take priority over commits, and waiters of one priority are served in order of arrival.
func TestP32_WaitersAreServedInOrder(t *testing.T) {
	t.Parallel()
	s := &semaphore{}
	got := make(chan string, 1)
	for i, w := range []struct {
		name string
		p    Priority
	}{{"commit 1", PriorityLow}, {"claim 1", PriorityHigh}, {"commit 2", PriorityLow}, {"claim 2", PriorityHigh}} {
		inLine(t, s, w.p, i+1, func() { got <- w.name })
	}
	var order []string
	for range 4 {
		s.give(1)
		order = append(order, <-got)
	}
	if want := []string{"claim 1", "claim 2", "commit 1", "commit 2"}; !slices.Equal(order, want) {
		t.Errorf("they go as %q, expected %q", order, want)
	}
}

// A waiter that is cancelled at the moment of its turn passes the place on. Otherwise the place would be lost until the
// process ends.
func TestP32_CancelledWaiterPassesItsTurnOn(t *testing.T) {
	t.Parallel()
	s := &semaphore{}
	granted, behind, gone := make(chan struct{}), make(chan struct{}), make(chan struct{})
	s.waiting[PriorityHigh] = []chan struct{}{granted, gone}
	s.waiting[PriorityLow] = []chan struct{}{behind}
	s.leave(PriorityHigh, gone)
	if s.free != 0 || s.waiters() != 2 {
		t.Errorf("%d places are free and %d wait, expected 0 and 2", s.free, s.waiters())
	}
	s.give(1)
	s.leave(PriorityHigh, granted)
	select {
	case <-behind:
	default:
		t.Error("the turn was not handed on")
	}
	s.release()
	if s.free != 1 || s.waiters() != 0 {
		t.Errorf("%d places are free and %d wait, expected 1 and 0", s.free, s.waiters())
	}
}

// As many transactions as Config.Connections are open at once, and no more; one that failed to open occupies no place.
func TestP32_AsManyTransactionsAsConnections(t *testing.T) {
	t.Parallel()
	server := mariadbtest.Start(t)
	c := quick(server.DSN(server.Database(t)))
	c.Connections = 3
	p := open(t, c)
	for range 2 { // the second time with a server that is known
		var open []*Tx
		for range c.Connections {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			tx, err := p.Tx(ctx, PriorityLow)
			cancel()
			if err != nil {
				t.Fatalf("transaction %d: %v", len(open)+1, err)
			}
			exec(t, tx, "SELECT 1")
			open = append(open, tx)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		if _, err := p.Tx(ctx, PriorityHigh); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("one more: %v, expected that it waits", err)
		}
		ended, end := context.WithCancel(t.Context())
		end()
		if _, err := p.Tx(ended, PriorityHigh); !errors.Is(err, context.Canceled) {
			t.Errorf("with an ended context: %v, expected %v", err, context.Canceled)
		}
		cancel()
		for _, tx := range open {
			tx.Rollback(t.Context())
		}
	}
	if p.turns.free != c.Connections {
		t.Errorf("%d places are free at the end, expected %d", p.turns.free, c.Connections)
	}
}
