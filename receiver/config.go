package receiver

import (
	"errors"
	"time"

	"github.com/sluice-etl/sluice/internal/option"
)

// Config is what all receivers of a process share.
type Config struct {
	// MaxBytesInFlight bounds the memory of frames that are being received or that the Appender has not released yet,
	// over all receivers (--max-bytes-in-flight). The frame that waits longest may exceed it, so that many
	// half-received frames cannot deadlock: the true bound is this plus one largest frame. The default is
	// 256 MiB.
	MaxBytesInFlight int64
	// AckTimeout bounds a request from its first byte to Kafka's acknowledgement (--ack-timeout). After it the
	// connection is closed without a reply. It must be below the sender's own timeout, which is 20 s in Flume.
	// Receivers whose senders cannot resend wait for Kafka without limit; for them it bounds one wait for memory. The
	// default is 15 s.
	AckTimeout time.Duration
	// ShutdownTimeout is how long a stop waits for requests that the Appender has (--shutdown-timeout). The default is
	// 20 s.
	ShutdownTimeout time.Duration
	// Filter decides which addresses may send (--ip-filter); nil allows all.
	Filter *IPFilter
}

// DefaultConfig returns the defaults.
func DefaultConfig() Config {
	return Config{MaxBytesInFlight: 256 << 20, AckTimeout: 15 * time.Second, ShutdownTimeout: 20 * time.Second}
}

// Validate returns an error that names every option out of its bounds.
func (c Config) Validate() error {
	return errors.Join(
		option.Least("max-bytes-in-flight", c.MaxBytesInFlight, 1<<20),
		option.Least("ack-timeout", c.AckTimeout, time.Millisecond),
		option.Least("shutdown-timeout", c.ShutdownTimeout, 0),
	)
}
