package status

import (
	"fmt"
	"net"
)

// Config says where the admin listener listens.
type Config struct {
	// Listen is the address, host:port; empty turns the listener off. Port 0 takes a free one.
	Listen string
}

// DefaultConfig is the configuration of a process without options.
func DefaultConfig() Config { return Config{Listen: "127.0.0.1:9414"} }

// Validate reports an address that cannot be listened on.
func (c Config) Validate() error {
	if c.Listen == "" {
		return nil
	}
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		return fmt.Errorf("admin-listen is %q, must be host:port, or off: %w", c.Listen, err)
	}
	return nil
}
