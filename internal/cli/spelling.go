package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// spellings lists the groups of alternative options: at one level (flags, variables, or the file) at most one alternative
// of a group may be used. An alternative is a set of flags that go together.
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
	s := settingsOf(ctx)
	origins := map[string]origin{}
	for _, f := range ctx.Flags() {
		o, err := s.origin(ctx, f)
		if err != nil {
			return usageError{err}
		}
		origins[f.Name] = o
	}
	for _, group := range spellings {
		for _, l := range []level{byFlag, byVariable, byFile} {
			set := func(name string) bool { return origins[name].level == l }
			name := func(name string) string {
				if l == byFile {
					return name + " (" + origins[name].name + ")"
				}
				return origins[name].name
			}
			if err := chooseOne(group, set, name); err != nil {
				return err
			}
		}
	}
	return nil
}

// isPutAside reports whether another alternative is set than the one that the option belongs to. set reports whether a
// flag is set at a higher level.
func isPutAside(ctx *kong.Context, name string, set func(*kong.Flag) bool) bool {
	for _, group := range spellings {
		mine := slices.ContainsFunc(group, func(alternative []string) bool { return slices.Contains(alternative, name) })
		if !mine {
			continue
		}
		for _, alternative := range group {
			if slices.Contains(alternative, name) {
				continue
			}
			if slices.ContainsFunc(ctx.Flags(), func(f *kong.Flag) bool { return slices.Contains(alternative, f.Name) && set(f) }) {
				return true
			}
		}
	}
	return false
}

// chooseOne returns an error if options of more than one alternative of the group are set.
func chooseOne(group [][]string, set func(string) bool, name func(string) string) error {
	chosen := ""
	for _, alternative := range group {
		i := slices.IndexFunc(alternative, set)
		switch {
		case i < 0:
		case chosen != "":
			return usageError{fmt.Errorf("%s and %s exclude each other: give only one of them", chosen, name(alternative[i]))}
		default:
			chosen = name(alternative[i])
		}
	}
	return nil
}

func envName(flag string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}
