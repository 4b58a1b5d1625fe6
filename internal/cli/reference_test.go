package cli

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/sluice-etl/sluice/internal/etltest"
)

var rewrite = etltest.Rewrite()

// docs/options.md lists every option of every command, and those of cmd/standalone. go test ./internal/cli -run Reference -rewrite writes it.
func TestReference_options(t *testing.T) {
	withoutEnvironment(t)
	k, err := etl(&commands{}).parser(Streams{Out: io.Discard, Err: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	standalone, err := Program{Name: "standalone", Grammar: &struct {
		StandaloneOptions `embed:""`
	}{}}.parser(Streams{Out: io.Discard, Err: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	etltest.Golden(t, *rewrite, "../../docs/options.md", optionReference(k.Model.Node, standalone.Model.Node))
}

const optionsIntro = `# Options

<!-- Generated: go test ./internal/cli -run Reference -rewrite -->

Each option is a flag, an environment variable and a key of the configuration file. The variable's name is the flag's
in capitals, with ETL_ in front and underscores for dashes: --batch-interval, ETL_BATCH_INTERVAL, batch-interval.
[Operations](operations.md#setting-options) has the rules.

The commands that have an option follow it in italics. etl check and cmd/standalone take all options of
etl run, and etl config COMMAND those of the command.

Durations are numbers with a unit: 300ms, 5s, 1h30m. Sizes are bytes, or numbers with KiB, MiB, GiB, kB, MB or GB.
`

// optionReference returns Markdown: a heading for each group, and an item for each option with its default and its
// commands. standalone is the root of the grammar of cmd/standalone without the options of etl run.
func optionReference(root, standalone *kong.Node) string {
	type entry struct {
		flag     *kong.Flag
		commands []string
	}
	entries := map[string]*entry{} // by name, default and help: the same option in several commands
	byCommand := flagsByCommand(root)
	for _, command := range slices.Sorted(maps.Keys(byCommand)) {
		if isConfig(command) { // has the options of other commands
			continue
		}
		for _, f := range byCommand[command] {
			key := f.Name + "\x00" + f.Default + "\x00" + f.Help
			if entries[key] == nil {
				entries[key] = &entry{flag: f}
			}
			if command != "" && command != "offsets" { // nodes that are not commands themselves
				entries[key].commands = append(entries[key].commands, command)
			}
		}
	}
	for _, f := range standalone.Flags {
		if f.Group.Key == "standalone" {
			entries[f.Name] = &entry{f, []string{"cmd/standalone"}}
		}
	}
	var b strings.Builder
	b.WriteString(optionsIntro)
	for _, g := range groups {
		var of []*entry
		for _, e := range entries {
			if e.flag.Group.Key == g.Key {
				of = append(of, e)
			}
		}
		if of == nil {
			continue
		}
		for _, e := range of {
			if slices.Contains(e.commands, "run") { // check takes all options of run
				e.commands = slices.DeleteFunc(e.commands, func(c string) bool { return c == "check" })
			}
		}
		slices.SortFunc(of, func(a, b *entry) int {
			return cmp.Or(cmp.Compare(a.flag.Name, b.flag.Name), cmp.Compare(a.flag.Help, b.flag.Help))
		})
		fmt.Fprintf(&b, "\n## %s\n\n", g.Title)
		for _, e := range of {
			text := fmt.Sprintf("**`--%s`**: ", e.flag.Name)
			help := e.flag.Help
			switch {
			case e.flag.Required:
				help += " Required."
			case e.flag.Default != "":
				help = strings.Replace(help, " (default "+e.flag.Default+")", "", 1)
				help += " Default: " + e.flag.Default + "."
			}
			text += escape(help)
			if g.Key != "global" {
				text += " *" + strings.Join(e.commands, ", ") + "*"
			}
			b.WriteString(etltest.Item(text))
		}
	}
	return b.String()
}

// escape keeps Markdown from reading placeholders as markup.
func escape(text string) string {
	return strings.NewReplacer("*", `\*`, "_", `\_`, "<", `\<`).Replace(text)
}
