// Package option holds the error of an invalid option, which packages return without knowing how options are set: by a
// flag, an environment variable or a key of a configuration file. Package cli adds which of them set the value.
package option

import (
	"fmt"
	"strings"
	"time"
)

// OptionError is an invalid value of one option. Its text is "--batch-interval is 1ms, must be at least 10ms".
//
//nolint:revive // option.Error is the function that makes one
type OptionError struct {
	// Option is the name of the option without dashes, for example batch-interval.
	Option string
	// Value is the value as the text shows it, quoted if it is a string. It is empty if the text has no value.
	Value string
	// Want is the requirement and, where it helps, what to do. It begins with a verb: "must be at least 10ms".
	Want string
}

// Error implements error.
func (e *OptionError) Error() string {
	if e.Value == "" {
		return Ref(e.Option) + " " + e.Want
	}
	return Ref(e.Option) + " is " + e.Value + ", " + e.Want
}

// Error returns an OptionError. Strings are shown in quotes, and as "empty" if they are. want is a format of args.
func Error(name string, value any, want string, args ...any) error {
	return &OptionError{Option: bare(name), Value: shown(value), Want: fmt.Sprintf(want, args...)}
}

// Conflict returns an OptionError without a value, for a requirement on the presence of options. want is a format of args
// that follows the option's name: "must not be given together with --mysql-dsn".
func Conflict(name, want string, args ...any) error {
	return &OptionError{Option: bare(name), Want: fmt.Sprintf(want, args...)}
}

// Range returns an OptionError if value is below least or above most.
func Range[T int | int16 | int32 | int64 | time.Duration](name string, value, least, most T) error {
	if value >= least && value <= most {
		return nil
	}
	return Error(name, value, "must be from %v to %v", least, most)
}

// Least returns an OptionError if value is below least.
func Least[T int | int16 | int32 | int64 | time.Duration](name string, value, least T) error {
	if value >= least {
		return nil
	}
	return Error(name, value, "must be at least %v", least)
}

// Ref is how a text refers to the option of that name. Texts outside the packages that parse options use it instead of
// writing flags.
func Ref(name string) string { return "--" + name }

// bare removes the dashes of a name that begins with a receiver's prefix, such as --avro.
func bare(name string) string { return strings.TrimPrefix(name, "--") }

func shown(value any) string {
	switch v := value.(type) {
	case string:
		if v == "" {
			return "empty"
		}
		return fmt.Sprintf("%q", v)
	case nil:
		return "missing"
	}
	return fmt.Sprint(value)
}
