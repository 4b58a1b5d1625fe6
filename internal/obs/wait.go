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

// Backoff returns pauses that grow from about first to about longest, with jitter. It is not safe for concurrent use.
func Backoff(first, longest time.Duration) *backoff.ExponentialBackOff {
	b := backoff.NewExponentialBackOff()
	b.InitialInterval, b.MaxInterval = first, longest
	return b
}
