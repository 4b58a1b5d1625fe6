package netserver

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// WithGracePeriod returns a context for work that may outlive ctx by d (P33): its cause is then [ErrStopping]. It also
// ends when done is called, which the caller must do.
func WithGracePeriod(ctx context.Context, d time.Duration) (work context.Context, done func()) {
	work, giveUp := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		late := time.AfterFunc(d, func() { giveUp(ErrStopping) })
		context.AfterFunc(work, func() { late.Stop() })
	})
	return work, func() { stop(); giveUp(nil) }
}

// Reconnect connects to host:port, calls use with the connection, closes it when use returns, and starts again, until
// ctx is done. failed gets each error, that of connecting or that of use. Between two attempts it waits 0.2 to 30
// seconds with jitter, longer each time until use calls working.
func Reconnect(ctx context.Context, address string, timeout time.Duration, use func(nc net.Conn, working func()) error, failed func(error)) {
	d := net.Dialer{Timeout: timeout, KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 15 * time.Second, Count: 4}}
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = 200*time.Millisecond, 30*time.Second
	for {
		nc, err := d.DialContext(ctx, "tcp", address)
		if err != nil {
			err = fmt.Errorf("connect to %s: %w", address, err)
		} else {
			err = use(nc, pause.Reset)
			_ = nc.Close() // an error changes nothing: what was acknowledged stays acknowledged
		}
		if ctx.Err() != nil {
			return
		}
		failed(err)
		if !Wait(ctx, pause.NextBackOff()) {
			return
		}
	}
}

// Wait waits for d, and returns false if ctx ends before.
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
