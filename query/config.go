package query

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/sluice-etl/sluice/fold/format"
	"github.com/sluice-etl/sluice/internal/option"
)

// Options says how records are read. They are part of what rows mean, except DeadLetterMaxBytes.
type Options struct {
	// Format is the log format, one of Names().
	Format string
	// FormatString is the log format of Apache or nginx where Format is apache or nginx, as the server's configuration
	// has it. Else it is empty.
	FormatString string
	// TimeZone is for times that are written without a zone, and for the calendar of TUMBLE. Nil is UTC.
	TimeZone *time.Location
	// FlumeValues says that a record's value is Flume's own event, headers and body in Avro's encoding, as KafkaChannel
	// and KafkaSink with useFlumeEventFormat write it. Else it is an event's body.
	FlumeValues bool
	// DedupHeader is the header by which copies are known (P28); the query does not look at it, and what is counted
	// depends on it. Empty is none.
	DedupHeader string
	// DeadLetterMaxBytes is how much of a dead letter's value is kept, in bytes.
	DeadLetterMaxBytes int
}

// DefaultOptions has everything but the format.
func DefaultOptions() Options {
	return Options{TimeZone: time.UTC, DeadLetterMaxBytes: 64 << 10}
}

// Validate joins all that is wrong.
func (o Options) Validate() error {
	var errs []error
	if o.Format == "" && o.FormatString != "" {
		o.Format = format.Guess(o.FormatString)
	}
	if !slices.Contains(format.Names(), o.Format) {
		errs = append(errs, option.Error("format", o.Format, "must be one of %s", strings.Join(format.Names(), ", ")))
	}
	if o.DeadLetterMaxBytes < 1 || o.DeadLetterMaxBytes > 16<<20 {
		errs = append(errs, option.Range("dead-letter-max-bytes", o.DeadLetterMaxBytes, 1, 16<<20))
	}
	return errors.Join(errs...)
}
