// Package examples has no code: its test runs the queries of this directory over their tests.
package examples

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/sluice-etl/sluice/query/trial"
)

// Each query makes of the lines of its test what the test expects, and the test is written as etl test --update writes
// it.
func TestExamples(t *testing.T) {
	t.Parallel()
	for _, file := range queries(t) {
		queryText, text := read(t, file), read(t, trial.TestName(file))
		test, err := trial.Parse(text)
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		res, err := test.Run(context.Background(), queryText, strings.Clone)
		switch {
		case err != nil:
			t.Errorf("%s: %v", file, err)
		case len(res.Diff) > 0:
			t.Errorf("%s (- expected, + got):\n%s", file, strings.Join(res.Diff, "\n"))
		case res.Text != text:
			t.Errorf("%s is not written as etl test --update writes it", trial.TestName(file))
		case res.Rows == 0 || len(test.Lines) < 3:
			t.Errorf("%s: the test has %d lines and %d rows, expected 3 and 1 or more", file, len(test.Lines), res.Rows)
		}
	}
}

// README.md lists every query, and each of its links leads to one.
func TestExamples_readmeListsEveryQuery(t *testing.T) {
	t.Parallel()
	text := read(t, "README.md")
	linked := map[string]bool{}
	for _, m := range regexp.MustCompile(`\]\(([^)]*\.sql)\)`).FindAllStringSubmatch(text, -1) {
		linked[m[1]] = true
	}
	all := queries(t)
	for _, file := range all {
		if !linked[file] {
			t.Errorf("README.md does not list %s", file)
		}
	}
	if len(linked) != len(all) {
		t.Errorf("README.md lists %d queries, and there are %d", len(linked), len(all))
	}
}

func queries(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("*.sql")
	if err != nil || len(files) < 20 {
		t.Fatalf("found %d queries, expected 20 or more (%v)", len(files), err)
	}
	return files
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
