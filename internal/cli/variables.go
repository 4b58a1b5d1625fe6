package cli

import (
	"os"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// variables gives kong the values of flags that are not on the command line. kong's own reading of the environment is
// disabled, because it reads a variable even if the flag is given, and takes an empty variable as a value.
func variables(ctx *kong.Context, _ *kong.Path, f *kong.Flag) (any, error) {
	_, value, ok := variable(ctx, f)
	if !ok {
		return nil, nil //nolint:nilnil // kong's contract for a flag without a value
	}
	return value, nil
}

// withoutEnvars keeps kong from reading the environment. The names of the variables stay in each flag's Envs, for help
// and for the functions here.
func withoutEnvars(k *kong.Kong) {
	for _, flags := range flagsByCommand(k.Model.Node) {
		for _, f := range flags {
			f.Tag.Envs = nil
		}
	}
}

// helpOf returns an option's help with the name of its variable.
func helpOf(v *kong.Value) string {
	if v.Flag == nil || len(v.Flag.Envs) == 0 {
		return v.Help
	}
	return strings.TrimSuffix(v.Help, ".") + " ($" + strings.Join(v.Flag.Envs, ", $") + ")."
}

// variable returns the variable that sets the flag, and its value. There is none if the flag or one of its alternatives is
// on the command line, or if the variable is empty, all white space, or not an option of etl.
func variable(ctx *kong.Context, f *kong.Flag) (name, value string, ok bool) {
	if given(ctx, f) || isPutAside(ctx, f.Name) {
		return "", "", false
	}
	for _, name := range f.Envs {
		value := os.Getenv(name)
		if strings.TrimSpace(value) != "" && !foreign(name, value) {
			return name, clean(f, value), true
		}
	}
	return "", "", false
}

// fromVariable returns the suffix of an error that names the variable from which the flag's value comes, if any.
func fromVariable(ctx *kong.Context, f *kong.Flag) string {
	if name, _, ok := variable(ctx, f); ok {
		return " (from " + name + ")"
	}
	return ""
}

// given reports whether the flag is on the command line.
func given(ctx *kong.Context, f *kong.Flag) bool {
	return slices.ContainsFunc(ctx.Path, func(p *kong.Path) bool { return p.Flag == f && !p.Resolved })
}

// verbatim are the options whose values may begin or end with significant spaces. Only line ends are removed, which files
// and secrets append to a value.
var verbatim = []string{"mysql-password", "kafka-password", "log-format-string"}

// clean removes white space around a variable's value and around each value of a list; empty values of a list are dropped.
func clean(f *kong.Flag, value string) string {
	if slices.Contains(verbatim, f.Name) {
		return strings.TrimRight(value, "\r\n")
	}
	sep := rune(-1)
	switch {
	case f.IsSlice():
		sep = f.Tag.Sep
	case f.IsMap():
		sep = f.Tag.MapSep
	}
	if sep == -1 {
		return strings.TrimSpace(value)
	}
	return kong.JoinEscaped(trimmed(kong.SplitEscaped(value, sep)), sep)
}

// trimmed returns the list without white space around its values, and without the empty ones.
func trimmed(list []string) []string {
	kept := make([]string, 0, len(list))
	for _, s := range list {
		if s = strings.TrimSpace(s); s != "" {
			kept = append(kept, s)
		}
	}
	return kept
}
