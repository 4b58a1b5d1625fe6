package socket

import (
	"errors"
	"net"
	"time"

	"github.com/sluice-etl/sluice/internal/option"
)

// Config says which servers to connect to, and how.
type Config struct {
	// Name is the value of the label receiver in metrics, and the component in logs.
	Name string
	// Servers are the servers' addresses, host:port (--connect-socket).
	Servers []string
	// MaxLineBytes bounds a line (--socket-max-line-bytes). A longer line is skipped, logged and counted. The default
	// is 1 MiB.
	MaxLineBytes int
	// ConnectTimeout bounds connecting. The default is 20 s.
	ConnectTimeout time.Duration
}

// DefaultConfig returns the defaults, without servers.
func DefaultConfig() Config {
	return Config{Name: "socket", MaxLineBytes: 1 << 20, ConnectTimeout: 20 * time.Second}
}

// Validate returns an error that names every option out of its bounds.
func (c *Config) Validate() error {
	var errs []error
	seen := map[string]bool{}
	for _, s := range c.Servers {
		if host, port, err := net.SplitHostPort(s); err != nil || host == "" || port == "" {
			errs = append(errs, option.Error("connect-socket", s, "must be host:port of a server that sends lines"))
		}
		if seen[s] {
			errs = append(errs, option.Conflict("connect-socket", "has %s twice, which would duplicate each line: must be given once", s))
		}
		seen[s] = true
	}
	errs = append(errs, option.Range("socket-max-line-bytes", c.MaxLineBytes, 1, 1<<30))
	return errors.Join(errs...)
}
