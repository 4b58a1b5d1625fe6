package pool

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/sluice-etl/sluice/internal/mariadbtest"
)

// inLine starts a waiter and returns when it stands in the line, which then has n.
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
			t.Fatalf("%d wait, want %d", s.waiters(), n)
		}
	}
}

// Claims and questions go before commits, and among equals who came first goes first.
func TestP32_WaitersGoInOrder(t *testing.T) {
	t.Parallel()
	s := &semaphore{}
	got := make(chan string, 1)
	for i, w := range []struct {
		name string
		p    Priority
	}{{"commit 1", Second}, {"claim 1", First}, {"commit 2", Second}, {"claim 2", First}} {
		inLine(t, s, w.p, i+1, func() { got <- w.name })
	}
	var order []string
	for range 4 {
		s.give(1)
		order = append(order, <-got)
	}
	if want := []string{"claim 1", "claim 2", "commit 1", "commit 2"}; !slices.Equal(order, want) {
		t.Errorf("they go as %q, want %q", order, want)
	}
}

// A waiter that gives up when its turn has come hands the turn on: a place that is lost is lost for the life of the
// process.
func TestP32_NoPlaceIsLostByGivingUp(t *testing.T) {
	t.Parallel()
	s := &semaphore{}
	granted, behind, gone := make(chan struct{}), make(chan struct{}), make(chan struct{})
	s.waiting[First] = []chan struct{}{granted, gone}
	s.waiting[Second] = []chan struct{}{behind}
	s.leave(First, gone)
	if s.free != 0 || s.waiters() != 2 {
		t.Errorf("%d places are free and %d wait, want 0 and 2", s.free, s.waiters())
	}
	s.give(1)
	s.leave(First, granted)
	select {
	case <-behind:
	default:
		t.Error("the turn was not handed on")
	}
	s.release()
	if s.free != 1 || s.waiters() != 0 {
		t.Errorf("%d places are free and %d wait, want 1 and 0", s.free, s.waiters())
	}
}

// As many transactions as Config.Connections are open at once, and no more; one that could not be opened takes no place.
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
			tx, err := p.Tx(ctx, Second)
			cancel()
			if err != nil {
				t.Fatalf("transaction %d: %v", len(open)+1, err)
			}
			exec(t, tx, "SELECT 1")
			open = append(open, tx)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		if _, err := p.Tx(ctx, First); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("one more: %v, want that it waits", err)
		}
		ended, end := context.WithCancel(t.Context())
		end()
		if _, err := p.Tx(ended, First); !errors.Is(err, context.Canceled) {
			t.Errorf("with an ended context: %v", err)
		}
		cancel()
		for _, tx := range open {
			tx.Rollback(t.Context())
		}
	}
	if p.turns.free != c.Connections {
		t.Errorf("%d places are free at the end, want %d", p.turns.free, c.Connections)
	}
}
