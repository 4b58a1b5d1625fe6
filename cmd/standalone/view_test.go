package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/sluice-etl/sluice/internal/quote"
)

// hostile sets the title, clears the screen, sets colours in three notations, and reverses the direction of the line.
const hostile = "\x1b]0;owned\x07\x1b[2J\u009b31m\x9b31m\u202eabc\u2066\u2028\x7f\r"

// The texts of a table come from logs, so they are not trusted.
func TestView_hostileText(t *testing.T) {
	t.Parallel()
	var table bytes.Buffer
	writeRows(&table, []string{"word", "n"}, [][]string{{hostile, "1"}, {"plain", "22"}})
	var log bytes.Buffer
	quieter(&log).Error("Failed", "err", hostile)
	quieter(&log).Error("Failed", "err", "\x7f")
	for name, text := range map[string]string{
		"table": table.String(), "line": oneLine("0 events", "words", [][]string{{hostile, "1"}}, 1, "http://x/"), "log": log.String(),
	} {
		if quote.Needed(strings.ReplaceAll(text, "\n", "")) || !strings.Contains(text, `\x1b]0;owned`) {
			t.Errorf("%s: %q", name, text)
		}
	}
	if lines := strings.Split(strings.TrimSuffix(table.String(), "\n"), "\n"); len(lines) != 4 || len([]rune(lines[2])) != len([]rune(lines[3])) {
		t.Errorf("the columns are not aligned:\n%s", table.String())
	}
}
