package cli

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
)

// errStopped is the cause of a context that ended by a signal.
var errStopped = errors.New("stopped by a signal")

// UntilSignal cancels the context at the first SIGINT or SIGTERM, and calls exit at the second (P33). The returned function
// restores the default handling of signals.
func UntilSignal(ctx context.Context, exit func(int)) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for range signals {
			if ctx.Err() != nil {
				exit(ExitFailed)
			}
			cancel(errStopped)
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(signals)
		<-ended
		cancel(nil)
	}
}

// onHangup returns a channel that delivers after each SIGHUP; those that come faster than they are received are one. The
// returned function restores the default handling, which ends the process.
func onHangup() (<-chan struct{}, func()) {
	signals, out := make(chan os.Signal, 1), make(chan struct{}, 1)
	signal.Notify(signals, syscall.SIGHUP)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for range signals {
			select {
			case out <- struct{}{}:
			default:
			}
		}
	}()
	return out, func() {
		signal.Stop(signals)
		close(signals)
		<-ended
	}
}
