package query

import (
	"errors"
	"regexp"
	"time"

	"github.com/sluice-etl/sluice/fold/format"
	"github.com/sluice-etl/sluice/internal/option"
)

// Options is the configuration of how records are read. Except for Into and DeadLetterMaxBytes, the options are part of
// the fingerprint, because they change what rows mean. The zero value is not valid: start from DefaultOptions.
type Options struct {
	// Format is the log format, one of format.Names() or a list of them as format.New takes it. If it is empty, it is guessed from FormatString.
	Format string
	// FormatString is the definition of the log format, if Format has one: a log format in the syntax of Apache or
	// nginx, the names of the columns of csv, or a regular expression. Other formats require it to be empty.
	FormatString string
	// TimeZone is the zone of times that are written without one, and of the calendar of TUMBLE. Nil means UTC.
	TimeZone *time.Location
	// FlumeValues means that a record's value is an event in Flume's encoding, headers and body in Avro, as
	// KafkaChannel and KafkaSink with useFlumeEventFormat write it. Otherwise the value is an event's body.
	FlumeValues bool
	// DedupHeader is the header that holds the event ID for deduplication (P28). The query does not read it, but it
	// affects what is counted. Empty means no deduplication.
	DedupHeader string
	// MaxLateness and MaxAhead limit how far the time of a record's window may be before and after the record's timestamp
	// in Kafka; other records are dead letters. 0 means no limit.
	MaxLateness, MaxAhead time.Duration
	// Into, if not empty, is the table that a replay writes in place of the one that the statements name, in its schema.
	// They must all name the same one. It is not part of the fingerprint, because the rows mean the same.
	Into string
	// DeadLetterMaxBytes is how many bytes of a dead letter's value are kept, from 1 to 16 MiB.
	DeadLetterMaxBytes int
}

// tableName matches the tables that a replay can write.
var tableName = regexp.MustCompile(`^[0-9A-Za-z_$]{1,64}$`)

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
	if _, err := format.Canonical(o.Format); err != nil {
		errs = append(errs, err)
	}
	if o.Into != "" && !tableName.MatchString(o.Into) {
		errs = append(errs, option.Error("into", o.Into, "must be the name of a table: 1 to 64 letters, digits, _ and $"))
	}
	errs = append(errs, option.Least("max-lateness", o.MaxLateness, 0), option.Least("max-ahead", o.MaxAhead, 0))
	errs = append(errs, option.Range("dead-letter-max-bytes", o.DeadLetterMaxBytes, 1, 16<<20))
	return errors.Join(errs...)
}
