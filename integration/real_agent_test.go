//go:build integration

package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluice-etl/sluice/internal/jvmtest"
)

// flumeVersions are the two lines of Flume that are in use: Avro 1.7 on Netty 3, and Avro 1.11 on Netty 4.
var flumeVersions = []jvmtest.Set{jvmtest.Flume19, jvmtest.Flume111}

// spool is the folder that an agent's spooldir source watches, and one beside it to write files in: a file must be
// whole when the agent sees it.
type spool struct{ dir string }

func newSpool(t *testing.T) spool {
	t.Helper()
	s := spool{t.TempDir()}
	for _, name := range []string{"in", "new"} {
		if err := os.Mkdir(filepath.Join(s.dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// in is the folder that the agent watches.
func (s spool) in() string { return filepath.Join(s.dir, "in") }

func (s spool) put(t *testing.T, name string, text []byte) {
	t.Helper()
	at := filepath.Join(s.dir, "new", name)
	if err := os.WriteFile(at, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(at, filepath.Join(s.in(), name)); err != nil {
		t.Fatal(err)
	}
}

// completed is how many files the agent has finished with: all their lines are in its channel.
func (s spool) completed(t *testing.T) int {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(s.in(), "*.COMPLETED"))
	if err != nil {
		t.Fatal(err)
	}
	return len(names)
}

// properties writes an agent's configuration; {dir} stands for the spool's folder.
func (s spool) properties(lines ...string) string {
	var b strings.Builder
	for _, line := range lines {
		fmt.Fprintf(&b, "%s.%s\n", jvmtest.AgentName, strings.ReplaceAll(line, "{dir}", s.dir))
	}
	return b.String()
}
