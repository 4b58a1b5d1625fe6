package etltest

import (
	"context"
	"fmt"
	"testing"
	"time"
)

// Bounded returns the test's context with a timeout.
func Bounded(t testing.TB, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(t.Context(), d, fmt.Errorf("the test's time limit of %v has passed", d))
	t.Cleanup(cancel)
	return ctx
}

// Await polls a condition until it holds; what describes it in the failure message. If an etl process exits meanwhile,
// the test fails at once.
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
			t.Fatalf("condition not reached: %s: %v", what, context.Cause(ctx))
		}
	}
}

// Within reports whether the condition becomes true within that time.
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
