package cli

import (
	"cmp"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
	"go.yaml.in/yaml/v3"

	"github.com/sluice-etl/sluice/internal/quote"
)

// configCmd has a command for each command with options. etl config without one is etl config run.
type configCmd struct {
	Run     configOf[runCmd]     `cmd:"" default:"withargs" help:"Options of etl run (the default)."`
	Ingest  configOf[ingestCmd]  `cmd:"" help:"Options of etl ingest."`
	Load    configOf[loadCmd]    `cmd:"" help:"Options of etl load."`
	Check   configOf[checkCmd]   `cmd:"" help:"Options of etl check."`
	DryRun  configOf[dryRunCmd]  `cmd:"" help:"Options of etl dry-run."`
	Plan    configOf[planCmd]    `cmd:"" help:"Options of etl plan."`
	Explain configOf[explainCmd] `cmd:"" help:"Options of etl explain."`
	Test    configOf[testCmd]    `cmd:"" help:"Options of etl test."`
	Send    configOf[sendCmd]    `cmd:"" help:"Options of etl send."`
	Replay  configOf[replayCmd]  `cmd:"" help:"Options of etl replay."`
	Offsets struct {
		Show configOf[offsetsShowCmd] `cmd:"" help:"Options of etl offsets show."`
		Set  configOf[offsetsSetCmd]  `cmd:"" help:"Options of etl offsets set."`
	} `cmd:"" help:"Options of etl offsets show and set."`
	Migrate configOf[migrateCmd] `cmd:"" help:"Options of etl migrate."`
}

// Help shows examples.
func (configCmd) Help() string {
	return `Prints the options of a command as they are in force, as a configuration file, with the flag, variable or line that set each. Defaults and secrets are comments. Put config in front of a command line to see what the command would use; arguments and required options may be left out.

Examples:

	etl config --config /etc/etl.yaml
	etl config ingest --config /etc/etl.yaml
	etl config --kafka-brokers k1:9092 --query-file hits.sql > etl.yaml`
}

// configOf takes the options and arguments of a command, and prints the options in place of running it.
type configOf[C any] struct {
	Command C `embed:""`
}

// Run prints the configuration.
func (*configOf[C]) Run(k *kong.Context, s Streams) error {
	return printConfig(k, s.Out)
}

// configNode is the name of the command that prints options.
const configNode = "config"

// isConfig reports whether a command's path is that of etl config or of a command below it, which has another command's
// options.
func isConfig(path string) bool { return path == configNode || strings.HasPrefix(path, configNode+" ") }

// nothingRequired makes all options and arguments below etl config optional: to print options needs none of them.
func nothingRequired(root *kong.Node) {
	var relax func(n *kong.Node)
	relax = func(n *kong.Node) {
		for _, f := range n.Flags {
			f.Required = false
		}
		for _, p := range n.Positional {
			p.Required = false
		}
		for _, c := range n.Children {
			relax(c)
		}
	}
	for _, c := range root.Children {
		if c.Name == configNode {
			relax(c)
		}
	}
}

// secrets are the options whose values are not printed.
var secrets = []string{"mysql-password", "kafka-password"}

// printConfig writes a configuration file that has the same effect as the flags, variables and file of this command. What
// is not set, and secrets, are comments.
func printConfig(ctx *kong.Context, out io.Writer) error {
	s := settingsOf(ctx)
	flags := slices.DeleteFunc(slices.Clone(ctx.Flags()), func(f *kong.Flag) bool {
		return f.Group == nil || f.Group.Key == "global"
	})
	order := func(f *kong.Flag) int {
		return slices.IndexFunc(groups, func(g kong.Group) bool { return g.Key == f.Group.Key })
	}
	slices.SortStableFunc(flags, func(a, b *kong.Flag) int { return cmp.Compare(order(a), order(b)) })
	group := ""
	for _, f := range flags {
		if f.Group.Title != group {
			if group != "" {
				fmt.Fprintln(out)
			}
			group = f.Group.Title
			fmt.Fprintf(out, "# %s\n", group)
		}
		o, err := s.origin(ctx, f)
		if err != nil {
			return usageError{err}
		}
		text, err := configEntry(f, o)
		if err != nil {
			return err
		}
		if _, err := io.WriteString(out, quote.Lines(text)); err != nil {
			return err
		}
	}
	return nil
}

// dsnPassword matches the password of a DSN, which may contain any character before the last @.
var dsnPassword = regexp.MustCompile(`^([^:@]*):.*@`)

// configEntry returns the lines of one option.
func configEntry(f *kong.Flag, o origin) (string, error) {
	value, from := f.Target.Interface(), o.name
	comment := o.level == byDefault
	if comment {
		from = "default"
	}
	switch text := fmt.Sprint(value); {
	case slices.Contains(secrets, f.Name) && text != "":
		value, comment = "********", true
	case f.Name == "mysql-dsn" && dsnPassword.MatchString(text):
		value, comment = dsnPassword.ReplaceAllString(text, "$1:********@"), true
	}
	if s, ok := value.(fmt.Stringer); ok { // durations and sizes as they are written
		value = s.String()
	}
	text, err := yaml.Marshal(map[string]any{f.Name: value})
	if err != nil {
		return "", fmt.Errorf("print %s: %w", f.Name, err)
	}
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	if len(lines) == 1 {
		lines[0] += " # " + quote.Text(from)
	} else {
		lines = append([]string{"# " + quote.Text(from)}, lines...)
	}
	if comment {
		for i, line := range lines {
			if !strings.HasPrefix(line, "#") {
				lines[i] = "# " + line
			}
		}
	}
	return strings.Join(lines, "\n") + "\n", nil
}
