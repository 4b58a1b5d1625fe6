package avro

import (
	"errors"

	"github.com/sluice-etl/sluice/receiver"
	"github.com/sluice-etl/sluice/receiver/netserver"
)

// Config is a receiver's address and limits; its options begin with avro.
type Config struct {
	netserver.Config
	receiver.Limits
	// MaxListLength bounds the number of buffers in a frame (--avro-max-list-length). Java writes a buffer for each 8
	// KiB, and two for each larger value. The default, 16,384, is twice what a frame of 64 MiB needs.
	MaxListLength int
}

// DefaultConfig returns the defaults. Deflated connections are accepted.
func DefaultConfig() Config {
	c := Config{
		Config:        netserver.DefaultConfig("avro", "Flume's Avro RPC"),
		Limits:        receiver.DefaultLimits("avro"),
		MaxListLength: 16384,
	}
	c.Listen, c.Inflate.Enabled = ":41414", true
	// Netty 3, in Flume up to 1.9, loses what follows the server's hello in the same packet, as in TLS 1.3.
	c.TLS.MaxVersion = "1.2"
	return c
}

// Validate returns an error that names every option out of its bounds.
func (c *Config) Validate() error {
	return errors.Join(c.Config.Validate(), c.Limits.Validate(), c.CheckRange("list-length", c.MaxListLength, 1, 1<<24))
}
