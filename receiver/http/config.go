package http

import (
	"errors"
	"time"

	"github.com/sluice-etl/sluice/internal/option"
	"github.com/sluice-etl/sluice/receiver"
	"github.com/sluice-etl/sluice/receiver/netserver"
)

// Reasons of this protocol.
const (
	reasonMethod   = "method"   // neither POST nor GET
	reasonCharset  = "charset"  // not UTF-8, UTF-16 or UTF-32
	reasonEncoding = "encoding" // a Content-Encoding
)

// Config is a receiver's address and limits; its options begin with --http.
type Config struct {
	netserver.Config
	receiver.Limits
	// IdleTimeout is how long a connection without a request stays open (--http-idle-timeout). It should be longer than
	// the idle timeout of a load balancer before it. The default is 75 s.
	IdleTimeout time.Duration
}

// DefaultConfig returns the defaults, without an address.
func DefaultConfig() Config {
	c := Config{
		Config:      netserver.DefaultConfig("http", "Flume's HTTP source's JSON"),
		Limits:      receiver.DefaultLimits("http"),
		IdleTimeout: 75 * time.Second,
	}
	c.CanReplyError = true
	return c
}

// Validate returns an error that names every option out of its bounds.
func (c *Config) Validate() error {
	var idle error
	if c.IdleTimeout < time.Millisecond {
		idle = option.Error(option.Of(c.Name, "idle-timeout"), c.IdleTimeout, "must be at least 1ms")
	}
	return errors.Join(c.Config.Validate(), c.Limits.Validate(), idle)
}
