package netserver

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// WithGracePeriod is the context of work that ctx's end does not end at once: it ends, for [ErrStopping], d after ctx has
// (P33), or when done is called, which the caller must.
func WithGracePeriod(ctx context.Context, d time.Duration) (work context.Context, done func()) {
	work, giveUp := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		late := time.AfterFunc(d, func() { giveUp(ErrStopping) })
		context.AfterFunc(work, func() { late.Stop() })
	})
	return work, func() { stop(); giveUp(nil) }
}

// Again connects to host:port, has use work over the connection until that returns, and connects again, until ctx ends.
// It closes the connection. away is told each error, of either. From one to the next it waits 0.2 to 30 seconds, longer
// each time until use calls working, with jitter.
func Reconnect(ctx context.Context, address string, timeout time.Duration, use func(nc net.Conn, working func()) error, away func(error)) {
	d := net.Dialer{Timeout: timeout, KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 15 * time.Second, Count: 4}}
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = 200*time.Millisecond, 30*time.Second
	for {
		nc, err := d.DialContext(ctx, "tcp", address)
		if err != nil {
			err = fmt.Errorf("connect to %s: %w", address, err)
		} else {
			err = use(nc, pause.Reset)
			_ = nc.Close() // what was answered was answered
		}
		if ctx.Err() != nil {
			return
		}
		away(err)
		if !Wait(ctx, pause.NextBackOff()) {
			return
		}
	}
}

// Wait waits d, and reports whether ctx goes on.
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
