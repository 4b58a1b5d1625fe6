package dedup

import (
	"errors"
	"time"

	"github.com/sluice-etl/sluice/internal/option"
)

// Config names the header with the event ID and bounds the window. An event ID is remembered while it is among the
// newest Records event IDs of its partition and no older than Window.
type Config struct {
	// Header is the event header whose value is the event ID (--dedup-header); empty disables deduplication.
	Header string
	// Window is how long an event ID is remembered, by Kafka's time of its record compared with the partition's newest
	// record (--dedup-window). The default is 1 h.
	Window time.Duration
	// Records is how many event IDs of a partition are remembered at most (--dedup-records); each takes about 100 bytes of
	// memory. The default is 100,000.
	Records int
}

// DefaultConfig returns the default configuration, in which deduplication is disabled.
func DefaultConfig() Config { return Config{Window: time.Hour, Records: 100_000} }

// Enabled reports whether duplicates are dropped.
func (c Config) Enabled() bool { return c.Header != "" }

// Validate returns an error that names every option out of its bounds, or nil if deduplication is disabled.
func (c Config) Validate() error {
	if !c.Enabled() {
		return nil
	}
	return errors.Join(
		option.Least("dedup-window", c.Window, time.Second),
		option.Range("dedup-records", c.Records, 1, 100_000_000),
	)
}
