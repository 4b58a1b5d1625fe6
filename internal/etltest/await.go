package etltest

import (
	"context"
	"fmt"
	"testing"
	"time"
)

// Bounded is the test's context with a bound on top.
func Bounded(t testing.TB, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(t.Context(), d, fmt.Errorf("the test's %v are over", d))
	t.Cleanup(cancel)
	return ctx
}

// Await polls a condition until it holds; what is the sentence that a failure ends with. An etl that ends by itself
// meanwhile is a failure at once.
func Await(ctx context.Context, t testing.TB, what string, condition func() bool) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		if deserted(t); t.Failed() {
			t.FailNow()
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("waited in vain: %s: %v", what, context.Cause(ctx))
		}
	}
}

// Within reports whether the condition comes to hold in that time.
func Within(d time.Duration, condition func() bool) bool {
	deadline := time.NewTimer(d)
	defer deadline.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-tick.C:
		case <-deadline.C:
			return false
		}
	}
	return true
}
