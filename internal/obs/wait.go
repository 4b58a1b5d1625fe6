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

// Backoff returns pauses that grow from about first to about longest, with jitter. It is not safe for concurrent use.
func Backoff(first, longest time.Duration) *backoff.ExponentialBackOff {
	b := backoff.NewExponentialBackOff()
	b.InitialInterval, b.MaxInterval = first, longest
	return b
}
