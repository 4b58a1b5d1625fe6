package status

import (
	"net"

	"github.com/sluice-etl/sluice/internal/option"
)

// Config is the configuration of the admin listener.
type Config struct {
	// Listen is the address, host:port; empty disables the listener. Port 0 selects a free port.
	Listen string
	// Render, if not nil, is applied to each document before it is sent. It is for the names of options in reasons.
	Render func(json string) string
}

// DefaultConfig returns the configuration of a process without options.
func DefaultConfig() Config { return Config{Listen: "127.0.0.1:9414"} }

// Validate reports an invalid address.
func (c Config) Validate() error {
	if c.Listen == "" {
		return nil
	}
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		return option.Error("admin-listen", c.Listen, "must be host:port, or off: %v", err)
	}
	return nil
}
