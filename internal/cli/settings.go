package cli

import (
	"os"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// settings are the values of options that are not flags on the command line: those of variables and of the configuration
// file. kong gets them as its resolver. They belong to one parser and one goroutine.
type settings struct {
	detail detail // of help

	ctx  *kong.Context // of the parse that file and err belong to
	file *configFile   // nil if there is none
	err  error         // of reading file
}

// level is where a value can be set. A higher level takes precedence.
type level int

const (
	byDefault level = iota
	byFile
	byVariable
	byFlag
)

// origin is where an option's value comes from.
type origin struct {
	level level
	name  string // the flag, the variable, or FILE:LINE
	value string // as kong parses it; not of flags and defaults
}

// settingsOf returns the settings of the parser that made ctx.
func settingsOf(ctx *kong.Context) *settings {
	var found *settings
	if _, err := ctx.Call(func(s *settings) { found = s }); err != nil {
		panic("BUG: settings are not bound: " + err.Error())
	}
	return found
}

// Validate implements kong.Resolver.
func (s *settings) Validate(*kong.Application) error { return nil }

// Resolve implements kong.Resolver. kong's own reading of the environment is disabled, because it reads a variable even
// if the flag is given, and takes an empty variable as a value.
func (s *settings) Resolve(ctx *kong.Context, _ *kong.Path, f *kong.Flag) (any, error) {
	o, err := s.origin(ctx, f)
	if err != nil {
		s.err = err // reported by Program.parse, because kong would prefix it
		return nil, nil
	}
	if o.level == byFile || o.level == byVariable {
		return o.value, nil
	}
	return nil, nil //nolint:nilnil // kong's contract for a flag without a value
}

// origin returns where the flag's value comes from. A flag takes precedence over a variable, and a variable over the file;
// so do the alternatives of an option (see spellings). The error is that of a value in the file.
func (s *settings) origin(ctx *kong.Context, f *kong.Flag) (origin, error) {
	if given(ctx, f) {
		return origin{level: byFlag, name: "--" + f.Name}, nil
	}
	if name, value, ok := variable(ctx, f); ok {
		return origin{byVariable, name, value}, nil
	}
	file := s.configFile(ctx)
	if file == nil {
		return origin{}, nil
	}
	v, ok := file.values[f.Name]
	if !ok || isPutAside(ctx, f.Name, func(other *kong.Flag) bool {
		if given(ctx, other) {
			return true
		}
		_, _, ok := variable(ctx, other)
		return ok
	}) {
		return origin{}, nil
	}
	text, err := file.text(f, v)
	return origin{byFile, file.at(v), text}, err
}

// configFile returns the file that --config or ETL_CONFIG names, nil if there is none or it has errors. It is read once
// per parse.
func (s *settings) configFile(ctx *kong.Context) *configFile {
	if s.ctx == ctx {
		return s.file
	}
	s.ctx, s.file, s.err = ctx, nil, nil
	path := ""
	for _, f := range ctx.Model.Flags {
		if f.Name != configOption {
			continue
		}
		if given(ctx, f) {
			path, _ = ctx.FlagValue(f).(string)
		} else if _, value, ok := variable(ctx, f); ok {
			path = value
		}
	}
	if path == "" {
		return nil
	}
	file, err := loadConfigFile(path, fileOptions(ctx.Model))
	if err != nil {
		s.err = err
		return nil
	}
	s.file = file
	return file
}

// configOption is the option that names the configuration file.
const configOption = "config"

// fileOptions returns the names of the options that may be in a configuration file: those of all commands.
func fileOptions(model *kong.Application) []string {
	var names []string
	for _, flags := range flagsByCommand(model.Node) {
		for _, f := range flags {
			if f.Name != configOption && f.Name != "help" && f.Name != "help-all" && !slices.Contains(names, f.Name) {
				names = append(names, f.Name)
			}
		}
	}
	return names
}

// fromOrigin returns the suffix of an error that names the variable or the line of the file that set the flag's value, if
// one did.
func fromOrigin(ctx *kong.Context, f *kong.Flag) string {
	if o, err := settingsOf(ctx).origin(ctx, f); err == nil && (o.level == byVariable || o.level == byFile) {
		return " (from " + o.name + ")"
	}
	return ""
}

// variable returns the variable that sets the flag, and its value. There is none if the flag or one of its alternatives is
// on the command line, or if the variable is empty, all white space, or not an option of etl.
func variable(ctx *kong.Context, f *kong.Flag) (name, value string, ok bool) {
	if given(ctx, f) || isPutAside(ctx, f.Name, func(other *kong.Flag) bool { return given(ctx, other) }) {
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

// given reports whether the flag is on the command line.
func given(ctx *kong.Context, f *kong.Flag) bool {
	return slices.ContainsFunc(ctx.Path, func(p *kong.Path) bool { return p.Flag == f && !p.Resolved })
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
