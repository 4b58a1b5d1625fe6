package query

import (
	"bytes"
	"strings"
	"testing"

	terminal "github.com/sluice-etl/sluice/internal/quote"
)

// The content of a log has no effect on the terminal: keys, values, dead letters and the name of the file are escaped.
func TestDryRun_hostileText(t *testing.T) {
	t.Parallel()
	const hostile = "\x1b]0;owned\x07\x1b[2J\u009b31m\x9b31m\u202eabc\u2066\u2028\x7f\r"
	for _, c := range []struct{ format, query, line string }{
		{"raw", "INSERT INTO t SELECT body, COUNT(*) AS n FROM events GROUP BY body", `quotes " and \ beside ` + strings.ToValidUTF8(hostile, "")},
		{"raw", "INSERT INTO t SELECT 1 AS one, MAX(body) AS most FROM events GROUP BY one", strings.ToValidUTF8(hostile, "")},
		{"combined", "INSERT INTO t SELECT status, COUNT(*) AS n FROM events GROUP BY status", hostile},
	} {
		var out bytes.Buffer
		if _, err := DryRun(t.Context(), plan(t, c.format, c.query), []Input{{Name: hostile, Reader: strings.NewReader(c.line + "\n" + c.line + "\n")}}, &out, -1, strings.Clone); err != nil {
			t.Fatal(err)
		}
		if text := out.String(); terminal.Needed(strings.ReplaceAll(text, "\n", "")) || !strings.Contains(text, "]0;owned") {
			t.Errorf("%s: got %q, expected ]0;owned without its control characters", c.format, text)
		}
	}
}
