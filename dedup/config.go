package dedup

import (
	"errors"
	"time"

	"github.com/sluice-etl/sluice/internal/option"
)

// Config names the identity and bounds the window. An identity is remembered while it is among the newest Records of
// its partition and no older than Window.
type Config struct {
	// Header is the event header that identifies an event (--dedup-header); empty turns all of it off.
	Header string
	// Window is how long an identity is remembered, by Kafka's time of its record against the partition's newest
	// (--dedup-window). The default is 1 h.
	Window time.Duration
	// Records is how many identities of a partition are remembered at most (--dedup-records); each takes about 100
	// bytes of memory. The default is 100,000.
	Records int
}

// DefaultConfig is the defaults; it is off.
func DefaultConfig() Config { return Config{Window: time.Hour, Records: 100_000} }

// Enabled reports whether copies are looked for.
func (c Config) Enabled() bool { return c.Header != "" }

// Validate names every violated bound; there is none where it is off.
func (c Config) Validate() error {
	if !c.Enabled() {
		return nil
	}
	return errors.Join(
		option.Least("dedup-window", c.Window, time.Second),
		option.Range("dedup-records", c.Records, 1, 100_000_000),
	)
}
