package netserver

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/sluice-etl/sluice/internal/obs"
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
	pause := obs.NewBackoff(200*time.Millisecond, 30*time.Second)
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
		if !pause.Wait(ctx) {
			return
		}
	}
}
