package cli

import (
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-etl/sluice/migrate"
)

// Each option that etl migrate mentions is an option of the command that it prints.
func TestMigrate_namesExistingOptions(t *testing.T) {
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
			for _, c := range p.Commands {
				for _, o := range c.Options {
					need(c.Verb, o.Name)
				}
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(missing)) {
		t.Errorf("etl %s is not an option", name)
	}
}

func flumeConfs(t *testing.T) (all []*migrate.File) {
	t.Helper()
	files, err := filepath.Glob("../../migrate/testdata/*.conf")
	if err != nil || len(files) == 0 {
		t.Fatalf("got %v, %v; expected elements and no error", files, err)
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

// Each command that etl migrate prints is valid for a shell, and for etl once the options that the plan asks for are added.
func TestMigrate_printsCommandsThatStart(t *testing.T) {
	withoutEnvironment(t)
	confs := flumeConfs(t)
	t.Chdir(t.TempDir())
	commandLines := 0
	for _, f := range confs {
		for _, p := range migrate.Plans(f) {
			for i := range p.Commands {
				commandLines++
				args := shellWords(t, &p.Commands[i])
				files(t, args)
				if err := takes(args); err != nil {
					t.Errorf("agent %s: %s: %v", p.Agent, strings.Join(args, " "), err)
				}
			}
		}
	}
	if commandLines < 50 {
		t.Errorf("%d commands were looked at, expected at least 50", commandLines)
	}
}

// An unset variable ends the printed command before etl starts.
func TestMigrate_commandRequiresItsVariables(t *testing.T) {
	t.Parallel()
	f, err := migrate.Parse([]byte("a.sources = s\na.channels = c\na.sources.s.type = avro\na.sources.s.port = 4141\na.sources.s.channels = c\n"))
	if err != nil {
		t.Fatal(err)
	}
	c := migrate.Plans(f)[0].Commands[0]
	out, err := exec.CommandContext(t.Context(), "sh", "-uc", "etl() { echo started; }; "+c.String()).CombinedOutput()
	if err == nil || strings.Contains(string(out), "started") || !strings.Contains(string(out), "KAFKA_BROKERS") {
		t.Errorf("got %v: %s; expected an error, and output without %q that contains %q", err, out, "started", "KAFKA_BROKERS")
	}
}

// shellWords returns the arguments that a shell passes to etl for a printed command, with the required variables set.
func shellWords(t *testing.T, c *migrate.Command) []string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh", "-c", `etl() { for a in "$@"; do printf '%s\0' "$a"; done; }; `+c.String())
	cmd.Env = os.Environ()
	for _, o := range c.Options {
		for _, m := range regexp.MustCompile(`\$\{([A-Za-z_][A-Za-z0-9_]*)\}`).FindAllStringSubmatch(o.Value, -1) {
			value := "k:9092"
			if o.Name == "--kafka-topic" || o.Name == "--kafka-user" {
				value = "words"
			}
			if strings.HasSuffix(o.Value, ":"+m[0]) || strings.HasSuffix(o.Name, "-bytes") {
				value = "7001"
			}
			cmd.Env = append(cmd.Env, m[1]+"="+value)
		}
	}
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v", c.String(), err)
	}
	return strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
}

// files creates the files that a plan asks the user to create.
func files(t *testing.T, args []string) {
	t.Helper()
	for i, a := range args {
		if a == "--kafka-password-file" {
			if err := os.WriteFile(args[i+1], []byte("x"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// takes parses a command and validates its options as at a start.
func takes(args []string) error {
	if args[0] != "ingest" {
		args = append(args, "--mysql-dsn", "etl@tcp(db:3306)/s", "--format", "combined", "--query", "INSERT INTO h SELECT status, COUNT(*) AS n FROM events GROUP BY status")
	}
	var c commands
	k, err := etl(&c).Parse(args, Streams{Out: io.Discard, Err: io.Discard})
	if err != nil {
		return err
	}
	switch args[0] {
	case "run":
		_, err = c.Run.Config(k, "")
	case "load":
		_, err = c.Load.config(k)
	default:
		_, err = c.Ingest.config(k)
	}
	return err
}
