//go:build integration

package integration

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluice-etl/sluice/internal/etltest"
)

func readDocs(t *testing.T) map[string]string {
	t.Helper()
	names, err := filepath.Glob("../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	docs := map[string]string{}
	for _, name := range append(names, "../README.md") {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		docs[filepath.Base(name)] = string(text)
	}
	return docs
}

// The metrics in the documentation are those of a running process.
func TestDocs_metricsExist(t *testing.T) {
	ctx := etltest.Bounded(t, time.Minute)
	s := newSite(t)
	s.every = []string{"--dedup-header=id"}
	p := s.start(t, "run", "")
	missing := map[string]string{}
	name := regexp.MustCompile(`\betl_(receiver|produce|consume|batch|commit|pool)_[a-z_]+`)
	for doc, text := range readDocs(t) {
		for _, metric := range name.FindAllString(text, -1) {
			missing[metric] = doc
		}
	}
	// The metrics of a partition exist once it is assigned.
	within, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for len(missing) > 0 && within.Err() == nil {
		exposed := p.Metrics(within)
		for metric := range missing {
			if strings.Contains(exposed, "# TYPE "+metric+" ") {
				delete(missing, metric)
			}
		}
	}
	for metric, doc := range missing {
		t.Errorf("%s mentions %s, which /metrics does not have", doc, metric)
	}
}

// The options in the documentation are those of the commands.
func TestDocs_optionsExist(t *testing.T) {
	flag := regexp.MustCompile(`--[a-z][a-z-]*[a-z]`)
	var known []string
	for _, command := range []string{"run", "ingest", "load", "check", "plan", "dry-run", "explain", "test", "send", "replay", "offsets show", "offsets set", "migrate", "config", "version"} {
		out, err := exec.Command(etlBinary, append(strings.Fields(command), "--help-all")...).Output()
		if err != nil {
			t.Fatalf("etl %s --help-all: %v", command, err)
		}
		known = append(known, flag.FindAllString(strings.ReplaceAll(string(out), "--[no-]", "--"), -1)...)
	}
	// Options of other programs, and of cmd/standalone.
	known = append(known, "--single-transaction", "--ssl-mode", "--demo", "--demo-rate", "--data-dir", "--kafka-listen", "--mysql-listen",
		"--quick", "--integration", "--env-file")
	kafkas := regexp.MustCompile(`(?m)^ +kafka-acls\.sh .*$`) // has options of its own
	for doc, text := range readDocs(t) {
		for _, option := range flag.FindAllString(kafkas.ReplaceAllString(text, ""), -1) {
			if !slices.Contains(known, option) {
				t.Errorf("%s mentions %s, which no command has", doc, option)
			}
		}
	}
}
