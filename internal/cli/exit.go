package cli

import (
	"errors"
	"fmt"

	"github.com/sluice-etl/sluice/checkpoint"
)

// The exit codes (P34).
const (
	ExitDone    = 0
	ExitFailed  = 1
	ExitUsage   = 2
	ExitRefused = 3 // start refused to protect the data
)

// usageError is an error in the options: exit code 2.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// Usage returns an error in the options: exit code 2.
func Usage(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// errDone ends parsing when nothing is left to do, because help was printed.
var errDone = errors.New("done")

// ExitCode returns the process's exit code for the error that ended it.
func ExitCode(err error) int {
	var usage usageError
	switch {
	case err == nil, errors.Is(err, errDone):
		return ExitDone
	case errors.As(err, &usage):
		return ExitUsage
	case errors.Is(err, checkpoint.ErrRefused):
		return ExitRefused
	}
	return ExitFailed
}
