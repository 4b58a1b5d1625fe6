package cli

import (
	"os"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// variables gives kong the values of flags that are not on the command line. kong's own way of reading the environment
// is turned off, because it reads a variable even where the flag is given, and takes an empty variable for a value.
func variables(ctx *kong.Context, _ *kong.Path, f *kong.Flag) (any, error) {
	_, value, ok := variable(ctx, f)
	if !ok {
		return nil, nil //nolint:nilnil // kong's way to say that there is none
	}
	return value, nil
}

// withoutEnvars keeps kong from reading the environment: each flag keeps the names of its variables in Envs, where help
// and the functions here find them.
func withoutEnvars(k *kong.Kong) {
	for _, flags := range flagsByCommand(k.Model.Node) {
		for _, f := range flags {
			f.Tag.Envs = nil
		}
	}
}

// helpOf is an option's help with the name of its variable.
func helpOf(v *kong.Value) string {
	if v.Flag == nil || len(v.Flag.Envs) == 0 {
		return v.Help
	}
	return strings.TrimSuffix(v.Help, ".") + " ($" + strings.Join(v.Flag.Envs, ", $") + ")."
}

// variable is the variable that sets the flag, and its value. There is none where the flag, or another spelling of what
// it says, is on the command line, where the variable is empty or all spaces, and where it is not ours.
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

// fromVariable says where the flag's value is from, where that is a variable, as it stands behind an error.
func fromVariable(ctx *kong.Context, f *kong.Flag) string {
	if name, _, ok := variable(ctx, f); ok {
		return " (it is from " + name + ")"
	}
	return ""
}

// given reports whether the flag is on the command line.
func given(ctx *kong.Context, f *kong.Flag) bool {
	return slices.ContainsFunc(ctx.Path, func(p *kong.Path) bool { return p.Flag == f && !p.Resolved })
}

// verbatim are the options whose values may begin or end with spaces that count. They lose only the ends of lines that
// files and secrets put behind a value.
var verbatim = []string{"mysql-password", "kafka-password", "log-format-string"}

// clean takes off what surrounds a variable's value, and each value in a list; empty places in a list are left out.
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

// trimmed is the list without what surrounds its values, and without the empty ones.
func trimmed(list []string) []string {
	kept := make([]string, 0, len(list))
	for _, s := range list {
		if s = strings.TrimSpace(s); s != "" {
			kept = append(kept, s)
		}
	}
	return kept
}
