package cli

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// Program is the command line of etl or of standalone.
type Program struct {
	Name        string
	Description string
	// Grammar is a pointer to the struct of flags and commands, as kong reads it.
	Grammar any
	// Vars are interpolated into the grammar's tags: defaults that differ between programs.
	Vars map[string]string
}

// Streams are the standard streams of a command.
type Streams struct {
	In  io.Reader
	Out io.Writer
	Err io.Writer
}

// Parse reads args, the environment and the configuration file into the grammar. An invalid command line is an error with exit code 2;
// after --help the error has exit code 0.
func (p Program) Parse(args []string, s Streams) (*kong.Context, error) {
	k, err := p.parser(s)
	if err != nil {
		return nil, err
	}
	return p.parse(k, args)
}

// parser builds the parser of the grammar. It may parse several times.
func (p Program) parser(s Streams) (*kong.Kong, error) {
	own := &settings{}
	k, err := kong.New(p.Grammar,
		kong.Name(p.Name), kong.Description(p.Description), kong.Vars(p.Vars), kong.Vars{"formats": formatNames()},
		kong.NoDefaultHelp(), kong.Embed(&globalOptions{}), kong.Bind(own), kong.DefaultEnvars(strings.TrimSuffix(envPrefix, "_")),
		kong.Resolvers(own), kong.ValueFormatter(own.optionHelp),
		kong.Writers(s.Out, s.Err), kong.ExplicitGroups(groups),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 110, NoAppDescFormat: true}),
	)
	if err != nil {
		return nil, fmt.Errorf("BUG: grammar of %s: %w", p.Name, err)
	}
	withoutEnvars(k)
	nothingRequired(k.Model.Node)
	return k, nil
}

func (p Program) parse(k *kong.Kong, args []string) (*kong.Context, error) {
	ctx, err := k.Parse(args)
	if errors.Is(err, errDone) {
		return nil, err
	}
	parsed := ctx
	if err != nil {
		parsed = contextOf(err)
	}
	if parsed != nil {
		if s := settingsOf(parsed); s.ctx == parsed && s.err != nil { // kong's error may only follow from this one
			return nil, usageError{s.err}
		}
	}
	if err != nil {
		return nil, p.explain(k, err)
	}
	if err := checkEnvironment(k.Model, os.Environ()); err != nil {
		return nil, err
	}
	trimAddresses(ctx)
	return ctx, checkSpellings(ctx)
}

var unknownFlag = regexp.MustCompile(`^unknown flag --?([^\s,=]+)`)

// explain turns an error of kong into a usage error that suggests the nearest flag, or names the commands that have it.
func (p Program) explain(k *kong.Kong, err error) error {
	if ExitCode(err) == ExitDone {
		return err
	}
	text := err.Error()
	if m := unknownFlag.FindStringSubmatch(text); m != nil {
		text = "unknown flag --" + m[1] + p.nearest(k, err, m[1])
	}
	if strings.HasPrefix(text, "expected one of ") {
		text = "no command: " + text
	}
	if at := strings.Index(text, ": expected "); at > 0 && strings.HasSuffix(text, `value but got "EOL" (<EOL>)`) {
		text = text[:at] + ": a value is missing"
	}
	text += sourceOf(err, text)
	return usageError{fmt.Errorf("%s\nRun \"%s\" to see the options", text, p.helpCommand(err))}
}

func (p Program) nearest(k *kong.Kong, err error, name string) string {
	var candidates []string
	if ctx := contextOf(err); ctx != nil {
		for _, f := range ctx.Flags() {
			candidates = append(candidates, "--"+f.Name)
		}
	}
	if near := didYouMean("--"+name, candidates); near != "" {
		return near
	}
	var has []string
	all := flagsByCommand(k.Model.Node)
	for _, command := range slices.Sorted(maps.Keys(all)) {
		if !isConfig(command) && slices.ContainsFunc(all[command], func(f *kong.Flag) bool { return f.Name == name }) {
			has = append(has, command)
		}
	}
	if has == nil {
		return ""
	}
	return ": it is an option of " + strings.Join(has, ", ")
}

var optionOfValue = regexp.MustCompile(`^--([a-z0-9-]+)(?:: | must be one of )`)

// sourceOf names the variable or the line of the file that set the value which an error of kong is about.
func sourceOf(err error, text string) string {
	m, ctx := optionOfValue.FindStringSubmatch(text), contextOf(err)
	if m == nil || ctx == nil {
		return ""
	}
	for _, f := range ctx.Flags() {
		if f.Name == m[1] {
			return fromOrigin(ctx, f)
		}
	}
	return ""
}

func contextOf(err error) *kong.Context {
	if pe, ok := err.(*kong.ParseError); ok { //nolint:errorlint // kong returns it as it is
		return pe.Context
	}
	return nil
}

func (p Program) helpCommand(err error) string {
	name := p.Name
	if ctx := contextOf(err); ctx != nil {
		if n := ctx.Selected(); n != nil {
			name = n.FullPath()
		}
	}
	return name + " --help"
}
