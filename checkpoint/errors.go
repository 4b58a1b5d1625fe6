package checkpoint

import (
	"errors"
	"strings"
)

// The classes of error that the engine distinguishes. A sink or source wraps its error in [Error] with one of them, and
// errors.Is finds the class. An error without a class is unexpected, and ends the process.
var (
	// ErrRetry: nothing is wrong with the batch. Pause and retry it unchanged, for as long as the partitions are ours.
	// Deadlocks, lock waits, connections lost before COMMIT was sent, read-only, full or overloaded servers.
	ErrRetry = errors.New("temporary failure, retry")
	// ErrFenced: a fence or closing check did not match, because another process has claimed the partition, or the
	// database is in an older state. Discard, confirm with the group which partitions are assigned, and claim those again.
	ErrFenced = errors.New("fenced")
	// ErrUnknown: COMMIT was sent, and its outcome is unknown. Resolve it before anything else.
	ErrUnknown = errors.New("COMMIT outcome unknown")
	// ErrTooLarge: the transaction is larger than the server accepts. Discard, and commit a smaller batch.
	ErrTooLarge = errors.New("batch too large")
	// ErrStale: a table was altered since the batch was folded for its columns, or windows of it were deleted. Discard the
	// batch and fold its records again: Fold.Restore reads columns and low-water marks as they are now.
	ErrStale = errors.New("table altered since the batch was built")
	// ErrBlocked: caused by the table or its schema, never by a record. Report, pause, and retry until it is fixed.
	ErrBlocked = errors.New("blocked by the table or its schema")
	// ErrRefused: continuing would harm data that is not ours: another topic's, another query's, another job's table. The
	// partitions named stop; at start the process ends with exit code 3.
	ErrRefused = errors.New("refused to protect existing data")
	// ErrCheckpointLost: a checkpoint that this process held does not exist any more. The process stops.
	ErrCheckpointLost = errors.New("checkpoint lost")
)

// Error is an error with its class, and what an operator can do about it.
type Error struct {
	Class      error       // one of the classes above, never nil
	Err        error       // the cause, never nil
	Hint       string      // what to do, a sentence; empty if there is nothing to do
	Partitions []Partition // those that it is about; nil means all that were part of the operation
}

// Error writes the cause and then the hint.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Err.Error())
	if e.Hint != "" {
		b.WriteString(": ")
		b.WriteString(e.Hint)
	}
	return b.String()
}

// Unwrap returns class and cause, so that errors.Is and errors.As find both.
func (e *Error) Unwrap() []error { return []error{e.Class, e.Err} }

// HandlingOf returns the class of an error, nil if it has none.
func HandlingOf(err error) error {
	for _, class := range []error{ErrCheckpointLost, ErrRefused, ErrFenced, ErrUnknown, ErrTooLarge, ErrStale, ErrBlocked, ErrRetry} {
		if errors.Is(err, class) {
			return class
		}
	}
	return nil
}
