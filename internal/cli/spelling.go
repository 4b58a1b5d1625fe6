package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// spellings lists the groups of alternative options: at one level (flags, or variables) at most one alternative of a
// group may be used. An alternative is a set of flags that go together.
var spellings = [][][]string{
	{
		{"mysql-dsn"},
		{"mysql-dsn-file"},
		{"mysql-host", "mysql-port", "mysql-user", "mysql-password", "mysql-password-file", "mysql-database"},
	},
	{{"mysql-password"}, {"mysql-password-file"}},
	{{"kafka-password"}, {"kafka-password-file"}},
	{{"query"}, {"query-file"}},
}

// checkSpellings reports two alternatives of a group that are used at the same level.
func checkSpellings(ctx *kong.Context) error {
	flags := map[string]*kong.Flag{}
	for _, f := range ctx.Flags() {
		flags[f.Name] = f
	}
	onLine := func(name string) bool { return flags[name] != nil && given(ctx, flags[name]) }
	inVariable := func(name string) bool {
		if flags[name] == nil {
			return false
		}
		_, _, ok := variable(ctx, flags[name])
		return ok
	}
	for _, group := range spellings {
		if _, err := choose(group, onLine, func(n string) string { return "--" + n }); err != nil {
			return err
		}
		if _, err := choose(group, inVariable, envName); err != nil {
			return err
		}
	}
	return nil
}

// isPutAside reports whether flags on the command line choose another alternative than the one that this option belongs
// to, so that its variable is not read.
func isPutAside(ctx *kong.Context, name string) bool {
	for _, group := range spellings {
		mine, other := false, false
		for _, alternative := range group {
			if slices.Contains(alternative, name) {
				mine = true
			} else if slices.ContainsFunc(ctx.Path, func(p *kong.Path) bool {
				return p.Flag != nil && !p.Resolved && slices.Contains(alternative, p.Flag.Name)
			}) {
				other = true
			}
		}
		if mine && other {
			return true
		}
	}
	return false
}

// choose returns the alternative of which an option is set, nil if there is none.
func choose(group [][]string, set func(string) bool, name func(string) string) ([]string, error) {
	var chosen []string
	var said string
	for _, alternative := range group {
		i := slices.IndexFunc(alternative, set)
		if i < 0 {
			continue
		}
		if chosen != nil {
			return nil, usageError{fmt.Errorf("%s and %s exclude each other: give only one of them", said, name(alternative[i]))}
		}
		chosen, said = alternative, name(alternative[i])
	}
	return chosen, nil
}

func envName(flag string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}
