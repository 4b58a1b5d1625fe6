package query

import "github.com/sluice-etl/sluice/fold/value"

// fields holds the fields of one row of a record, and what reading them needs. One belongs to each fold. It is unsafe for
// concurrent use.
type fields struct {
	value.Fault
	values []value.Value // by slot, as the format's columns have them
	times  value.LogTimes
}

// formatError says why a body is not in its format.
type formatError struct {
	reason string // the same text for all bodies that fail alike
	detail string
}

// Error implements error: the reason alone.
func (e *formatError) Error() string { return e.reason }
