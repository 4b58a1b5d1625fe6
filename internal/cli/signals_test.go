package cli

import (
	"context"
	"errors"
	"syscall"
	"testing"
	"time"
)

// The first signal ends the context, the second the process (P33). It is not parallel: signals are the process's.
func TestP33_secondSignal(t *testing.T) {
	exited := make(chan int, 1)
	ctx, release := UntilSignal(context.Background(), func(code int) { exited <- code })
	defer release()
	limit := time.After(10 * time.Second)
	for i, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		if err := syscall.Kill(syscall.Getpid(), sig); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			select {
			case <-ctx.Done():
			case <-limit:
				t.Fatal("the first signal did not cancel the context")
			}
			if !errors.Is(context.Cause(ctx), errStopped) || len(exited) != 0 {
				t.Errorf("after the first: %v, %d exits; expected 0 and %v", context.Cause(ctx), len(exited), errStopped)
			}
		}
	}
	select {
	case code := <-exited:
		if code != ExitFailed {
			t.Errorf("exit code %d, expected %d", code, ExitFailed)
		}
	case <-limit:
		t.Error("the second signal did not end the process")
	}
}

// Each SIGHUP is passed on, and does not end the process.
func TestOnHangup(t *testing.T) {
	demand, release := onHangup()
	defer release()
	for i := range 2 {
		if err := syscall.Kill(syscall.Getpid(), syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		select {
		case <-demand:
		case <-time.After(10 * time.Second):
			t.Fatalf("signal %d was not passed on", i+1)
		}
	}
}
