package thrift

import (
	"errors"

	"github.com/sluice-etl/sluice/receiver"
	"github.com/sluice-etl/sluice/receiver/netserver"
)

// Config is a receiver's address and limits; its options begin with thrift.
type Config struct {
	netserver.Config
	receiver.Limits
}

// DefaultConfig returns the defaults, without an address. The largest frame is 64 MiB; libthrift's own servers accept
// 16,384,000 bytes.
func DefaultConfig() Config {
	return Config{
		Config: netserver.DefaultConfig("thrift", "Flume's Thrift RPC"),
		Limits: receiver.DefaultLimits("thrift"),
	}
}

// Validate returns an error that names every option out of its bounds.
func (c *Config) Validate() error { return errors.Join(c.Config.Validate(), c.Limits.Validate()) }
