package receiver

import (
	"context"
	"log/slog"
	"net"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Receiver is one input of events. The New of its package creates it and opens nothing. One goroutine calls Open and
// then Run, each at most once, and Close after them or in place of Run: only the end of its context ends Run.
type Receiver interface {
	// Open acquires what the receiver must have before the process starts, so that a failure ends the start: the port, or
	// the lock of the directory that holds the progress. If Open was not called, Run calls it first.
	Open(ctx context.Context) error
	// Run receives until ctx is done, and returns nil then. It stops as P33 requires: it reads nothing more, waits at most
	// Runtime.ShutdownTimeout for requests that the Appender has, and releases what Open acquired.
	Run(ctx context.Context) error
	// Close releases what Open acquired if Run is never called. It may be called again.
	Close() error
}

// Listener is implemented by receivers that listen.
type Listener interface {
	// Addr is the address that Open bound; nil before.
	Addr() net.Addr
}

// StatusReporter is implemented by receivers that have a section of their own on the status page.
type StatusReporter interface {
	// StatusSection returns the section's name and its value as of now, which encoding/json can encode. It is safe for
	// concurrent use.
	StatusSection() (name string, value any)
}

// Runtime is what a process gives to each of its receivers. It is created once and copied.
type Runtime struct {
	Appender Appender
	// Frames is the memory of requests, charged to the bytes in flight of the whole process.
	Frames *Frames
	// Log may be nil: then nothing is logged. Registry may be nil: then metrics are counted and not exported.
	Log      *slog.Logger
	Registry prometheus.Registerer
	// AckTimeout bounds a request from its first byte to Kafka's acknowledgement.
	AckTimeout time.Duration
	// ShutdownTimeout is how long a stop waits for requests that the Appender has.
	ShutdownTimeout time.Duration
	// Filter decides which addresses may send; nil allows all.
	Filter *IPFilter
}

// NewRuntime creates the runtime of a process. cfg must be valid; log and reg may be nil.
func NewRuntime(cfg Config, a Appender, log *slog.Logger, reg prometheus.Registerer) Runtime {
	return Runtime{
		Appender: a, Frames: NewFrames(NewAdmission(cfg, reg)), Log: log, Registry: reg,
		AckTimeout: cfg.AckTimeout, ShutdownTimeout: cfg.ShutdownTimeout, Filter: cfg.Filter,
	}
}
