package flumeclient

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/sluice-etl/sluice/internal/option"
	"github.com/sluice-etl/sluice/receiver"
)

// Client is one connection to a receiver. One goroutine at a time uses it.
type Client interface {
	// Append sends the events and returns nil if the server replied OK. It blocks until there is a reply or ctx is
	// done. After a receiver.ErrRejected the client can be used further; after any other error it is closed and
	// replaced.
	Append(ctx context.Context, events []receiver.Event) error
	Close() error
}

// Dial connects.
type Dial func(ctx context.Context) (Client, error)

// Input is one source of lines, with its name in errors.
type Input struct {
	Name   string
	Reader io.Reader
}

// Config says how lines are sent.
type Config struct {
	// Batch is the number of events in a request. The default is 100, as in Flume.
	Batch int
	// Connections is the number of connections that send concurrently. Lines of different connections may arrive in any
	// order. The default is 1.
	Connections int
	// Headers are the headers of every event.
	Headers []receiver.Header
	// Resend resends a batch until it is acknowledged or the run's context is done.
	Resend bool
	// MaxLineBytes bounds a line without its end; a longer line is an error. The default is 1 MiB.
	MaxLineBytes int
	// Linger is how long a batch waits for more lines if the input is slow. The default is 100 ms.
	Linger time.Duration
	// Progress, if not nil, is called about every ProgressEvery and once at the end, never concurrently.
	Progress      func(Summary)
	ProgressEvery time.Duration
}

// DefaultConfig returns the defaults.
func DefaultConfig() Config {
	return Config{
		Batch: 100, Connections: 1, MaxLineBytes: 1 << 20,
		Linger: 100 * time.Millisecond, ProgressEvery: time.Second,
	}
}

// Validate returns an error that names every option out of its bounds.
func (c Config) Validate() error {
	errs := []error{
		option.Range("batch-size", c.Batch, 1, 1<<20),
		option.Range("connections", c.Connections, 1, 1<<14),
		option.Range("max-line-bytes", c.MaxLineBytes, 1, 1<<30),
	}
	if c.Linger <= 0 || c.ProgressEvery <= 0 {
		errs = append(errs, errors.New("linger and progress intervals must be above 0s"))
	}
	return errors.Join(errs...)
}
