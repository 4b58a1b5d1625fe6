package flumeclient

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/sluice-etl/sluice/internal/option"
	"github.com/sluice-etl/sluice/receiver"
)

// Client is one connection to a receiver. It is used by one goroutine at a time.
type Client interface {
	// Append sends the events and returns nil when the server answered OK. An error that is receiver.ErrRejected is an
	// answer; after any other the client is closed and another one dialled. It blocks until ctx ends.
	Append(ctx context.Context, events []receiver.Event) error
	Close() error
}

// Dial makes a connection.
type Dial func(ctx context.Context) (Client, error)

// Input is one source of lines and the name that errors call it by.
type Input struct {
	Name   string
	Reader io.Reader
}

// Config is how lines are sent.
type Config struct {
	// Batch is the events in a request; the default is 100, as in Flume.
	Batch int
	// Connections is how many send at once; the default is 1. Lines of different connections may arrive in any order.
	Connections int
	// Headers are given to each event.
	Headers []receiver.Header
	// Resend sends a batch without an answer OK again, until it is acked or the run's context ends.
	Resend bool
	// MaxLineBytes bounds a line without its end; a longer one is an error. The default is 1 MiB.
	MaxLineBytes int
	// Linger is how long a batch waits for more lines where the input is slow. The default is 100 ms.
	Linger time.Duration
	// Progress, where not nil, is called about every ProgressEvery and once at the end, never at the same time twice.
	Progress      func(Summary)
	ProgressEvery time.Duration
}

// DefaultConfig is the defaults.
func DefaultConfig() Config {
	return Config{
		Batch: 100, Connections: 1, MaxLineBytes: 1 << 20,
		Linger: 100 * time.Millisecond, ProgressEvery: time.Second,
	}
}

// Validate names every violated bound.
func (c Config) Validate() error {
	var errs []error
	for _, n := range []struct {
		option          string
		value, min, max int
	}{
		{"batch-size", c.Batch, 1, 1 << 20},
		{"connections", c.Connections, 1, 1 << 14},
		{"max-line-bytes", c.MaxLineBytes, 1, 1 << 30},
	} {
		if n.value < n.min || n.value > n.max {
			errs = append(errs, option.Range(n.option, n.value, n.min, n.max))
		}
	}
	if c.Linger <= 0 || c.ProgressEvery <= 0 {
		errs = append(errs, errors.New("linger and progress intervals must be above 0s"))
	}
	return errors.Join(errs...)
}
