package receiver

import "fmt"

// Config bounds what all receivers of a process share.
type Config struct {
	// MaxBytesInFlight bounds the memory of frames that are being received or that the Appender has not released yet,
	// over all receivers (--max-bytes-in-flight). The frame that is next in turn may go beyond it, so that many
	// half-received frames cannot lock each other out: the true bound is this plus one largest frame. The default is
	// 256 MiB.
	MaxBytesInFlight int64
}

// DefaultConfig is the defaults.
func DefaultConfig() Config { return Config{MaxBytesInFlight: 256 << 20} }

// Validate names every violated bound.
func (c Config) Validate() error {
	if c.MaxBytesInFlight < 1<<20 {
		return fmt.Errorf("--max-bytes-in-flight is %d: must be at least %d (1 MiB)", c.MaxBytesInFlight, 1<<20)
	}
	return nil
}
