package cli

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-etl/sluice/migrate"
)

// Each option that etl migrate speaks of is one of etl run or etl load, and what it has etl load take is etl load's.
func TestMigrate_namesOptionsThatAreThere(t *testing.T) {
	withoutEnvironment(t)
	var c commands
	k := parse(t, &c, "version")
	flags := map[string]map[string]bool{}
	for command, of := range flagsByCommand(k.Model.Node) {
		flags[command] = map[string]bool{}
		for _, f := range of {
			flags[command]["--"+f.Name] = true
		}
	}
	option := regexp.MustCompile(`--[a-z]+(-[a-z]+)*`)
	missing := map[string]bool{}
	need := func(command, text string) {
		for _, name := range option.FindAllString(text, -1) {
			if !flags[command][name] {
				missing[command+" "+name] = true
			}
		}
	}
	for _, r := range migrate.Rules() {
		need("run", strings.Join(r.Options, " ")+" "+r.Text)
	}
	files, err := filepath.Glob("../../migrate/testdata/*.conf")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		f, err := migrate.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		plans := migrate.Plans(f)
		need("run", migrate.Text(f, plans))
		for _, p := range plans {
			for _, o := range p.Options {
				need(p.Command, o.Name)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(missing)) {
		t.Errorf("etl %s is no option", name)
	}
}
