package cli

import (
	"errors"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/sluice-etl/sluice/internal/option"
)

// optionErrors turns the errors of a configuration into one usage error, a line for each. Lines about one option say
// which variable or line of the configuration file set it, if one did. Invalid addresses among the options come first.
// It returns nil if nothing is wrong.
func optionErrors(ctx *kong.Context, err error) error {
	lines, invalid := checkAddresses(ctx) // several packages may validate one option
	reported := map[[2]string]bool{}      // options with their values
	ours := map[string]*kong.Flag{}
	for _, f := range ctx.Flags() {
		ours[f.Name] = f
	}
	for _, err := range leaves(err) {
		bad, ok := errors.AsType[*option.OptionError](err)
		var f *kong.Flag
		if ok {
			f = ours[flagName(bad.Option)]
		}
		if f == nil {
			lines = append(lines, withFlags(err.Error()))
			continue
		}
		value := [2]string{bad.Option, bad.Value}
		if bad.Value != "" && (invalid[f] || reported[value]) {
			continue
		}
		reported[value] = true
		lines = append(lines, withFlags(err.Error())+fromOrigin(ctx, f))
	}
	if lines == nil {
		return nil
	}
	return usageError{renderedError{strings.Join(lines, "\n"), err}}
}

// leaves returns the errors that errors.Join has joined, in their order.
func leaves(err error) []error {
	if err == nil {
		return nil
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var all []error
	var texts []string
	for _, e := range joined.Unwrap() {
		all = append(all, leaves(e)...)
		texts = append(texts, e.Error())
	}
	if strings.Join(texts, "\n") != err.Error() { // an error that wraps several in a text of its own
		return []error{err}
	}
	return all
}

// renderedError is an error with another text.
type renderedError struct {
	text  string
	cause error // nil if only addresses are invalid
}

func (e renderedError) Error() string { return e.text }
func (e renderedError) Unwrap() error { return e.cause }
