package query

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/sluice-etl/sluice/fold/format"
	"github.com/sluice-etl/sluice/internal/option"
)

// Options is how records are read. Except for DeadLetterMaxBytes, they are part of the fingerprint, because they change what
// rows mean.
type Options struct {
	// Format is the log format, one of Names().
	Format string
	// FormatString is the definition of the log format, if Format has one: the log format as the configuration of Apache
	// or nginx has it, the names of the columns of csv, a regular expression. Otherwise it must be empty.
	FormatString string
	// TimeZone is for times that are written without a zone, and for the calendar of TUMBLE. Nil is UTC.
	TimeZone *time.Location
	// FlumeValues says that a record's value is an event as Flume encodes it, headers and body in Avro, as KafkaChannel and
	// KafkaSink with useFlumeEventFormat write it. Otherwise the value is an event's body.
	FlumeValues bool
	// DedupHeader is the header that holds the event ID of deduplication (P28). The query does not read it, but what is
	// counted depends on it. Empty is no deduplication.
	DedupHeader string
	// DeadLetterMaxBytes is how much of a dead letter's value is kept, in bytes.
	DeadLetterMaxBytes int
}

// DefaultOptions returns the default options, without a format.
func DefaultOptions() Options {
	return Options{TimeZone: time.UTC, DeadLetterMaxBytes: 64 << 10}
}

// Validate returns all errors of the options, joined.
func (o Options) Validate() error {
	var errs []error
	if o.Format == "" && o.FormatString != "" {
		o.Format = format.Guess(o.FormatString)
	}
	if !slices.Contains(format.Names(), o.Format) {
		errs = append(errs, option.Error("format", o.Format, "must be one of %s", strings.Join(format.Names(), ", ")))
	}
	errs = append(errs, option.Range("dead-letter-max-bytes", o.DeadLetterMaxBytes, 1, 16<<20))
	return errors.Join(errs...)
}
