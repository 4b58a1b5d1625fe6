package cli

import (
	"errors"
	"regexp"
	"strings"

	"github.com/alecthomas/kong"
)

// inOptionsWords makes a usage error of what the packages say of their configuration, with what is wrong with the
// addresses among the options. Packages do not know flags: they write "batch-interval is 1ms, …", which becomes
// "--batch-interval is 1ms, …", as do names further on; and where the value came out of the environment the variable is
// named too.
func inOptionsWords(ctx *kong.Context, err error) error {
	lines, said := judgeAddresses(ctx) // several parts may look at one option
	if err == nil && lines == nil {
		return nil
	}
	if err == nil {
		return usageError{errors.New(strings.Join(lines, "\n"))}
	}
	flags := map[string]*kong.Flag{}
	for _, f := range ctx.Flags() {
		flags[letters(f.Name)] = f
	}
	dash := func(line string) string {
		return bareOption.ReplaceAllStringFunc(line, func(s string) string {
			if name := strings.TrimLeft(s, " ("); flags[letters(name)] != nil {
				return s[:len(s)-len(name)] + "--" + name
			}
			return s
		})
	}
	for line := range strings.SplitSeq(err.Error(), "\n") {
		m := optionName.FindStringSubmatch(line)
		if m == nil || flags[letters(m[1])] == nil {
			lines = append(lines, dash(line))
			continue
		}
		f := flags[letters(m[1])]
		if said[f] {
			continue
		}
		said[f] = true
		lines = append(lines, "--"+f.Name+dash(line[len(m[1]):])+fromVariable(ctx, f))
	}
	return usageError{sayError{strings.Join(lines, "\n"), err}}
}

// optionName is the words before the verb.
var optionName = regexp.MustCompile(`^([-a-z ]+?)(?:,| is | are | holds )`)

// bareOption is what may be an option's name amid a sentence; values are in quotes.
var bareOption = regexp.MustCompile(`(?:^|[ (])[a-z]+(?:-[a-z]+)+\b`)

// letters is the name without what parts its words.
func letters(name string) string { return strings.NewReplacer("-", "", " ", "").Replace(name) }

// sayError is an error in other words.
type sayError struct {
	text  string
	cause error
}

func (e sayError) Error() string { return e.text }
func (e sayError) Unwrap() error { return e.cause }
