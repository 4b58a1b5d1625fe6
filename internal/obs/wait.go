// Package obs holds what packages share that retry and log: waiting, backoff, and log lines that are throttled.
package obs

import (
	"context"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// Wait waits for d, and reports false if ctx ended first.
func Wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// Every calls do every d until ctx is done, first after d. A call that takes longer than d delays the next.
func Every(ctx context.Context, d time.Duration, do func()) {
	tick := time.NewTicker(d)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			do()
		}
	}
}

// Backoff is pauses between attempts that grow by half each time, with jitter. It is not safe for concurrent use.
type Backoff struct{ pauses *backoff.ExponentialBackOff }

// NewBackoff returns pauses that grow from about first to about longest.
func NewBackoff(first, longest time.Duration) Backoff {
	b := backoff.NewExponentialBackOff()
	b.InitialInterval, b.MaxInterval = first, longest
	return Backoff{b}
}

// Next returns the next pause.
func (b Backoff) Next() time.Duration { return b.pauses.NextBackOff() }

// Wait waits for the next pause, and reports false if ctx ended first.
func (b Backoff) Wait(ctx context.Context) bool { return Wait(ctx, b.Next()) }

// Reset makes the next pause the first again.
func (b Backoff) Reset() { b.pauses.Reset() }

// Pause returns the n-th pause, from 1, of NewBackoff(first, longest), for callers that count the attempts themselves.
func Pause(n int, first, longest time.Duration) time.Duration {
	b := NewBackoff(first, longest)
	for range min(n, 50) - 1 { // 50 pauses reach any longest
		b.Next()
	}
	return b.Next()
}
