package etltest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluice-etl/sluice/internal/jvmtest"
)

// Spool is the directory that an agent's spooldir source watches, and another one to write files in: a file must be
// complete when the agent sees it.
type Spool struct {
	// Dir is the directory that replaces {dir} in properties. The agent watches Dir/in.
	Dir string
}

// NewSpool creates the directories. They are removed with the test.
func NewSpool(t testing.TB) Spool {
	t.Helper()
	s := Spool{t.TempDir()}
	if strings.Contains(s.Dir, ",") {
		t.Fatalf("Flume's file channel treats a comma as the end of a directory name: %s, expected it not to contain %q", s.Dir, ",")
	}
	for _, name := range []string{"in", "new"} {
		if err := os.Mkdir(filepath.Join(s.Dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// In returns the directory that the agent watches.
func (s Spool) In() string { return filepath.Join(s.Dir, "in") }

// Put moves a complete file into the agent's directory.
func (s Spool) Put(t testing.TB, name string, text []byte) {
	t.Helper()
	at := filepath.Join(s.Dir, "new", name)
	if err := os.WriteFile(at, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(at, filepath.Join(s.In(), name)); err != nil {
		t.Fatal(err)
	}
}

// Completed returns how many files the agent has finished: all their lines are in its channel.
func (s Spool) Completed(t testing.TB) int {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(s.In(), "*.COMPLETED"))
	if err != nil {
		t.Fatal(err)
	}
	return len(names)
}

// Properties writes an agent's configuration from lines without the agent's name; {dir} is replaced by the spool's
// directory.
func (s Spool) Properties(lines ...string) string {
	var b strings.Builder
	for _, line := range lines {
		fmt.Fprintf(&b, "%s.%s\n", jvmtest.AgentName, strings.ReplaceAll(line, "{dir}", s.Dir))
	}
	return b.String()
}
