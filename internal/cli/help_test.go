package cli

import (
	"bytes"
	"maps"
	"slices"
	"strings"
	"testing"
)

// screen is how many lines of help a terminal shows.
const screen = 50

// The help of each command fits on a screen, and --help-all names every option.
func TestHelp_fitsOnAScreen(t *testing.T) {
	withoutEnvironment(t)
	k, err := etl(&commands{}).parser(Streams{})
	if err != nil {
		t.Fatal(err)
	}
	byCommand := flagsByCommand(k.Model.Node)
	for _, command := range slices.Sorted(maps.Keys(byCommand)) {
		help := func(flag string) string {
			var out bytes.Buffer
			_, err := etl(&commands{}).Parse(append(strings.Fields(command), flag), Streams{Out: &out, Err: &out})
			if ExitCode(err) != ExitDone || err == nil {
				t.Fatalf("etl %s %s: got %v; expected an error with exit code %v", command, flag, err, ExitDone)
			}
			return out.String()
		}
		short, long := help("--help"), help("--help-all")
		if n := strings.Count(short, "\n"); n > screen {
			t.Errorf("etl %s --help has %d lines, must be at most %d:\n%s", command, n, screen, short)
		}
		if strings.Contains(short+long, "${") {
			t.Errorf("the help of etl %s has a variable without its value:\n%s", command, short)
		}
		for _, f := range byCommand[command] {
			if !strings.Contains(long, "--"+f.Name) && !strings.Contains(long, "--[no-]"+f.Name) {
				t.Errorf("etl %s --help-all does not name --%s", command, f.Name)
			}
		}
	}
}
