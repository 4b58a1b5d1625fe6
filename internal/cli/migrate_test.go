package cli

import (
	"io"
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
	for _, f := range flumeConfs(t) {
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

func flumeConfs(t *testing.T) (all []*migrate.File) {
	t.Helper()
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
		all = append(all, f)
	}
	return all
}

// What etl migrate prints is taken by etl, once what it says is added.
func TestMigrate_printsCommandsThatStart(t *testing.T) {
	withoutEnvironment(t)
	confs := flumeConfs(t)
	t.Chdir(t.TempDir())
	if err := os.WriteFile("kafka-password", []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	commandLines := 0
	for _, f := range confs {
		for _, p := range migrate.Plans(f) {
			if p.Command == "" {
				continue
			}
			commandLines++
			args := []string{p.Command, "--mysql-dsn", "etl@tcp(db:3306)/s", "--format", "combined", "--query", "INSERT INTO h SELECT status, COUNT(*) AS n FROM events GROUP BY status"}
			for _, o := range p.Options {
				if o.Switch {
					args = append(args, o.Name)
				} else {
					args = append(args, o.Name+"="+strings.ReplaceAll(o.Value, "${BROKERS}", "k:9092"))
				}
			}
			var c commands
			k, err := etl(&c).Parse(args, Streams{Out: io.Discard, Err: io.Discard})
			if err == nil && p.Command == "run" {
				_, err = c.Run.Config(k, "")
			} else if err == nil {
				_, err = c.Load.config(k)
			}
			if err != nil {
				t.Errorf("agent %s: %s: %v", p.Agent, strings.Join(args, " "), err)
			}
		}
	}
	if commandLines < 10 {
		t.Errorf("%d commands were looked at", commandLines)
	}
}
