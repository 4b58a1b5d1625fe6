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
