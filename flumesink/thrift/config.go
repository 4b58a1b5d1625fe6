package thrift

import (
	"errors"

	"github.com/sluice-etl/sluice/flumesink"
	"github.com/sluice-etl/sluice/flumesink/listen"
)

// Config is a receiver's address, times and limits; its options begin with --thrift.
type Config struct {
	listen.Config
	flumesink.Limits
}

// DefaultConfig is the defaults: not listening. The largest frame is 64 MiB; libthrift's own servers take 16,384,000
// bytes.
func DefaultConfig() Config {
	return Config{
		Config: listen.DefaultConfig("thrift", "Flume's Thrift RPC"),
		Limits: flumesink.DefaultLimits("--thrift-max-"),
	}
}

// Validate names every violated bound.
func (c *Config) Validate() error { return errors.Join(c.Config.Validate(), c.Limits.Validate()) }
