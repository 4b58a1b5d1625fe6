package cli

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// spellings lists what can be said in several ways: of each group at most one alternative may be used at one level.
// An alternative is a set of flags that go together.
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

// checkSpellings finds two spellings of one thing at the same level. Where flags choose one spelling, variables of
// another are put aside: their fields go back to the default.
func checkSpellings(ctx *kong.Context) error {
	flags := map[string]*kong.Flag{}
	for _, f := range ctx.Flags() {
		flags[f.Name] = f
	}
	given := map[string]bool{}
	for _, p := range ctx.Path {
		if p.Flag != nil && !p.Resolved {
			given[p.Flag.Name] = true
		}
	}
	fromEnv := func(name string) bool {
		f := flags[name]
		return f != nil && slices.ContainsFunc(f.Envs, func(e string) bool { return os.Getenv(e) != "" })
	}
	for _, group := range spellings {
		chosen, err := choose(group, func(name string) bool { return given[name] }, func(n string) string { return "--" + n })
		if err != nil {
			return err
		}
		if chosen == nil {
			if _, err := choose(group, fromEnv, envName); err != nil {
				return err
			}
			continue
		}
		for _, alternative := range group {
			for _, name := range alternative {
				if f := flags[name]; f != nil && fromEnv(name) && !slices.Contains(chosen, name) {
					if err := putAside(f); err != nil {
						return err
					}
				}
			}
		}
	}
	return nil
}

// choose returns the alternative of which something is set, nil where none is.
func choose(group [][]string, set func(string) bool, name func(string) string) ([]string, error) {
	var chosen []string
	var said string
	for _, alternative := range group {
		i := slices.IndexFunc(alternative, set)
		if i < 0 {
			continue
		}
		if chosen != nil {
			return nil, usageError{fmt.Errorf("%s and %s say the same thing: give one of them", said, name(alternative[i]))}
		}
		chosen, said = alternative, name(alternative[i])
	}
	return chosen, nil
}

// putAside gives the flag's field its default, whatever the environment says.
func putAside(f *kong.Flag) error {
	envs := f.Value.Tag.Envs
	f.Value.Tag.Envs = nil
	defer func() { f.Value.Tag.Envs = envs }()
	return f.Value.Reset()
}

func envName(flag string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}
