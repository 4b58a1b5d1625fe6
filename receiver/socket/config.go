package socket

import (
	"errors"
	"fmt"
	"net"
	"time"
)

// Config is which servers are connected to, and how.
type Config struct {
	// Name is the value of the label receiver in metrics, and the component in logs.
	Name string
	// Servers are the servers' addresses, host:port (--connect-socket).
	Servers []string
	// MaxLineBytes bounds a line (--socket-max-line-bytes). A longer one is left out, logged and counted. The default is
	// 1 MiB.
	MaxLineBytes int
	// ConnectTimeout bounds the making of a connection. The default is 20 s.
	ConnectTimeout time.Duration
}

// DefaultConfig is the defaults; it connects to nobody.
func DefaultConfig() Config {
	return Config{Name: "socket", MaxLineBytes: 1 << 20, ConnectTimeout: 20 * time.Second}
}

// Validate names every violated bound.
func (c *Config) Validate() error {
	var errs []error
	seen := map[string]bool{}
	for _, s := range c.Servers {
		if host, port, err := net.SplitHostPort(s); err != nil || host == "" || port == "" {
			errs = append(errs, fmt.Errorf("--connect-socket is %q: must be host:port of a server that sends lines", s))
		}
		if seen[s] {
			errs = append(errs, fmt.Errorf("--connect-socket has %s twice, which would duplicate each line: must be given once", s))
		}
		seen[s] = true
	}
	if c.MaxLineBytes < 1 || c.MaxLineBytes > 1<<30 {
		errs = append(errs, fmt.Errorf("--socket-max-line-bytes is %d: must be 1 to %d", c.MaxLineBytes, 1<<30))
	}
	return errors.Join(errs...)
}
