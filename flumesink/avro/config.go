package avro

import (
	"errors"
	"fmt"
	"time"
)

// Config is a receiver's address, times and limits. The name in brackets is the option that sets a field.
type Config struct {
	// Name is the value of the label receiver in metrics, and the component in logs.
	Name string
	// Listen is the TCP address (--avro-listen); port 0 takes a free one.
	Listen string

	// AckTimeout bounds a request from its frame's first byte to Kafka's acknowledgement (--ack-timeout). Then the
	// connection is closed unanswered. It must be below the sender's own time-out, 20 s in Flume. The default is 15 s.
	AckTimeout time.Duration
	// ShutdownTimeout is how long requests in Kafka's hands are waited for when the receiver stops
	// (--shutdown-timeout). The default is 20 s.
	ShutdownTimeout time.Duration

	// MaxFrameBytes bounds the bytes of a frame's buffers together (--avro-max-frame-bytes). The default, 64 MiB, is
	// 100,000 events of 640 bytes.
	MaxFrameBytes int
	// MaxListLength bounds the buffers of a frame (--avro-max-list-length). Java writes a buffer per 8 KiB, and two
	// for each larger value: 16,384 is twice what a frame of 64 MiB needs.
	MaxListLength int
	// MaxBatchEvents bounds the events of a request (--avro-max-batch-events). Flume sends 100 by default, and no more
	// than its channel's transactionCapacity, 10,000. The default is 100,000.
	MaxBatchEvents int
	// MaxHeaders bounds the headers of an event (--avro-max-headers). The default is 256.
	MaxHeaders int
	// MaxHeaderBytes bounds the names and values of an event's headers together (--avro-max-header-bytes). The default
	// is 64 KiB.
	MaxHeaderBytes int
	// MaxBodyBytes bounds an event's body (--avro-max-body-bytes). The default is 16 MiB: far above what Kafka takes
	// (1 MiB by default), since a body that only Kafka refuses becomes a dead letter and blocks nobody, while a batch
	// that breaks a limit here is sent again until somebody acts.
	MaxBodyBytes int
	// MaxConnections bounds the open connections (--avro-max-connections). An idle one costs about 10 KiB. The default
	// is 10,000.
	MaxConnections int
	// MaxConnectionsPerAddress bounds those of one remote address (--avro-max-connections-per-address). Behind a proxy
	// or NAT many senders share an address. The default is 1,000.
	MaxConnectionsPerAddress int
	// MaxPipelined bounds the requests of one connection that are with the Appender at once (--avro-max-pipelined);
	// further frames are not read. Flume's own client sends one at a time. The default is 8.
	MaxPipelined int
}

// DefaultConfig is the defaults.
func DefaultConfig() Config {
	return Config{
		Name:                     "avro",
		Listen:                   ":41414",
		AckTimeout:               15 * time.Second,
		ShutdownTimeout:          20 * time.Second,
		MaxFrameBytes:            64 << 20,
		MaxListLength:            16384,
		MaxBatchEvents:           100_000,
		MaxHeaders:               256,
		MaxHeaderBytes:           64 << 10,
		MaxBodyBytes:             16 << 20,
		MaxConnections:           10_000,
		MaxConnectionsPerAddress: 1_000,
		MaxPipelined:             8,
	}
}

// Validate names every violated bound.
func (c Config) Validate() error {
	var errs []error
	if c.Name == "" {
		errs = append(errs, errors.New("the receiver has no name"))
	}
	if c.Listen == "" {
		errs = append(errs, errors.New("--avro-listen is empty: want host:port or :port"))
	}
	if c.AckTimeout < time.Millisecond {
		errs = append(errs, fmt.Errorf("--ack-timeout is %s: the least is 1ms", c.AckTimeout))
	}
	if c.ShutdownTimeout < 0 {
		errs = append(errs, fmt.Errorf("--shutdown-timeout is %s: the least is 0s", c.ShutdownTimeout))
	}
	for _, n := range []struct {
		option          string
		value, min, max int
	}{
		{"--avro-max-frame-bytes", c.MaxFrameBytes, 64, 1 << 30},
		{"--avro-max-list-length", c.MaxListLength, 1, 1 << 24},
		{"--avro-max-batch-events", c.MaxBatchEvents, 1, 1 << 24},
		{"--avro-max-headers", c.MaxHeaders, 0, 1 << 20},
		{"--avro-max-header-bytes", c.MaxHeaderBytes, 0, 1 << 30},
		{"--avro-max-body-bytes", c.MaxBodyBytes, 0, 1 << 30},
		{"--avro-max-connections", c.MaxConnections, 1, 1 << 24},
		{"--avro-max-connections-per-address", c.MaxConnectionsPerAddress, 1, 1 << 24},
		{"--avro-max-pipelined", c.MaxPipelined, 1, 1 << 10},
	} {
		if n.value < n.min || n.value > n.max {
			errs = append(errs, fmt.Errorf("%s is %d: want %d to %d", n.option, n.value, n.min, n.max))
		}
	}
	return errors.Join(errs...)
}
