package netserver

import (
	"errors"

	"github.com/sluice-etl/sluice/internal/option"
)

// Config is a server's address and limits. Errors name its fields by the receiver: avro.max-connections.
type Config struct {
	// Name is the value of the label receiver in metrics, and of the attribute component in logs; errors name the
	// receiver by it.
	Name string
	// Description is what is received, for the log: "Flume's Avro RPC".
	Description string
	// Listen is the TCP address (listen); port 0 selects a free port.
	Listen string

	// MaxConnections bounds the open connections (max-connections). The default is 10,000.
	MaxConnections int
	// MaxConnectionsPerAddress bounds the open connections of one remote address (max-connections-per-address).
	// Behind a proxy or NAT many senders share an address. The default is 1,000.
	MaxConnectionsPerAddress int
	// MaxPipelined bounds the requests of one connection that the Appender has at the same time (max-pipelined);
	// further ones are not read meanwhile. Flume's own clients send one at a time. The default is 8.
	MaxPipelined int

	// Policy is what the protocol's senders do.
	Policy

	// TLS configures TLS, which is enabled by a certificate.
	TLS TLS
	// Inflate accepts zlib streams as well.
	Inflate Inflate
	// Reasons are the protocol's own values of the label reason, in addition to [receiver.Reasons].
	Reasons []string
}

// Inflate configures whether zlib streams are accepted, and up to which ratio. What a stream inflates to is never
// buffered: it goes into frames, which Limits.MaxFrameBytes and the bytes in flight bound. The ratio bounds the work
// that few bytes can cause.
type Inflate struct {
	Enabled bool
	// MaxRatio bounds how many bytes one byte of a connection may inflate to on average, once a MiB has come out
	// (max-inflate-ratio). Logs have a ratio of 5 to 30; the maximum of zlib is 1,032. The default is 500.
	MaxRatio int
}

// Policy is what a protocol's senders do. It decides how long a request may take, and what becomes of one that fails.
// The zero Policy is that of Flume's RPC: a sender resends what was not acknowledged, and a request that fails closes
// its connection, which is how the sender learns of it.
type Policy struct {
	// NeverResends means that a sender never resends, as in syslog. Then its requests have no deadline: what was read
	// waits for memory and for Kafka, and counts as lost if a stop abandons it. Otherwise a request has ack-timeout
	// from its first byte, and is dropped if that has passed or its sender has closed the connection before it is
	// produced.
	NeverResends bool
	// CanReplyError means that the protocol can reply that a request failed, as HTTP does. Then the connection stays
	// open, and [Conn.Begin] waits for the Appender no longer than ack-timeout, so that the reply finds the sender
	// waiting.
	CanReplyError bool
	// HalfClosed means that senders may end their side of a connection before the reply, or need none, as printf | nc
	// does: a FIN then does not mean that the sender has gone, and what it sent is produced.
	HalfClosed bool
}

// DefaultConfig returns the defaults of the receiver of that name.
func DefaultConfig(name, description string) Config {
	return Config{
		Name: name, Description: description,
		MaxConnections: 10_000, MaxConnectionsPerAddress: 1_000, MaxPipelined: 8,
		Inflate: Inflate{MaxRatio: 500},
	}
}

// Validate returns an error that names every option out of its bounds.
func (c *Config) Validate() error {
	var errs []error
	if c.Name == "" {
		errs = append(errs, errors.New("the receiver has no name"))
	}
	if c.Listen == "" {
		errs = append(errs, option.Error(option.Of(c.Name, "listen"), "", "must be host:port or :port"))
	}
	errs = append(errs,
		option.Range(option.Of(c.Name, "max-connections"), c.MaxConnections, 1, 1<<24),
		option.Range(option.Of(c.Name, "max-connections-per-address"), c.MaxConnectionsPerAddress, 1, 1<<24),
		option.Range(option.Of(c.Name, "max-pipelined"), c.MaxPipelined, 1, 1<<10),
		option.Range(option.Of(c.Name, "max-inflate-ratio"), c.Inflate.MaxRatio, 1, 1<<20),
	)
	return errors.Join(append(errs, c.TLS.validate(c.Name))...)
}
