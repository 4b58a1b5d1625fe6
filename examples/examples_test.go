// Package examples has no code: its test runs the queries of this directory over their tests.
package examples

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/sluice-etl/sluice/query"
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

// The way of a line that etl explain shows ends as the fold ends it: in rows, filtered, or dead.
func TestExamples_explainedAsFolded(t *testing.T) {
	t.Parallel()
	for _, file := range queries(t) {
		test, err := trial.Parse(read(t, trial.TestName(file)))
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		plan, err := query.Compile(read(t, file), test.Options)
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		if err := trial.SetJoined(plan, test.Joined); err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		for _, line := range test.Lines {
			var out strings.Builder
			if err := query.ExplainLine(t.Context(), plan, line, test.Time, &out, strings.Clone); err != nil {
				t.Errorf("%s: %q: %v", file, line, err)
				continue
			}
			text := out.String()
			failed := strings.Contains(text, "    failed: ") || strings.Contains(text, "is not of the format")
			want := "1 filtered"
			switch {
			case failed:
				want = "1 dead"
			case strings.Contains(text, "\n    row 1 of "):
				want = "1 counted"
			}
			if !strings.Contains(text, want) {
				t.Errorf("%s: %q: the way and the totals disagree, expected %s of:\n%s", file, line, want, text)
			}
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
