// Package option is how packages refer to options without knowing how these are set: by a flag, an environment variable,
// a key of a configuration file, or a field of a Config. Package cli puts the flag in the place of each reference, and
// adds to an [OptionError] what set the value.
package option

import (
	"cmp"
	"fmt"
	"regexp"
	"time"
)

// OptionError is an invalid value of one option. Its text is "option 'batch-interval' is 1ms, must be at least 10ms".
//
//nolint:revive // option.Error is the function that makes one
type OptionError struct {
	// Option is the name of the option, for example batch-interval or avro.max-connections.
	Option string
	// Value is the value as the text shows it, quoted if it is a string. It is empty if the text has no value.
	Value string
	// Want is the requirement and, if it helps, what to do. It begins with a verb: "must be at least 10ms".
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
	return &OptionError{Option: name, Value: shown(value), Want: fmt.Sprintf(want, args...)}
}

// Conflict returns an OptionError without a value, for a requirement on the presence of options. want is a format of args
// that follows the option's name: "must not be given together with option 'mysql-dsn'".
func Conflict(name, want string, args ...any) error {
	return &OptionError{Option: name, Want: fmt.Sprintf(want, args...)}
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

// Ref returns how a text refers to an option: "option 'batch-interval'". A program with flags shows --batch-interval
// instead; see [Replace].
func Ref(name string) string { return "option '" + name + "'" }

// Of returns the name of an option that each receiver has for itself: avro.max-connections. receiver is the receiver's
// name in metrics and logs.
func Of(receiver, name string) string { return receiver + "." + name }

// reference matches what Ref returns. Apostrophes are the same in plain text, in JSON and in a quoted text of a log.
var reference = regexp.MustCompile(`option '([a-z][a-z0-9._-]*)'`)

// Replace returns the text with spell's result in the place of each reference. It keeps a reference for whose name spell
// returns the empty string.
func Replace(text string, spell func(name string) string) string {
	return reference.ReplaceAllStringFunc(text, func(ref string) string {
		return cmp.Or(spell(reference.FindStringSubmatch(ref)[1]), ref)
	})
}

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
