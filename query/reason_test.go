package query

import (
	"bytes"
	"strings"
	"testing"
)

// Records that fail for the same cause have the same reason, and neither the reason nor the detail contains any of
// their text.
func TestDeadLetters_constantReasons(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		format, query string
		bodies        []string
	}{
		{"json", "SELECT a + 1 AS x FROM events", []string{`{"a":"secret1"}`, `{"a":"secret22"}`}},
		{"json", "SELECT a + 1 AS x FROM events", []string{`{"a":["secret1"]}`, `{"a":{"secret22":1}}`}},
		{"json", "SELECT CAST(a AS SIGNED) AS x FROM events", []string{`{"a":"secret1"}`, `{"a":"secret22"}`}},
		{"json", "SELECT CAST(a AS SIGNED) AS x FROM events", []string{`{"a":77777777777777777777}`, `{"a":777777777777777777777}`}},
		{"json", "SELECT CAST(a AS DATETIME) AS x FROM events", []string{`{"a":"secret1"}`, `{"a":"secret22"}`}},
		{"json", "SELECT a FROM events", []string{`{"a":secret1}`, `secret22`, `[1,"secret3"]`, `"secret"`}},
		{"json", "SELECT COALESCE(a, '') AS a, COUNT(*) AS n FROM events GROUP BY a", []string{`{"a":"` + strings.Repeat("secret", 200) + `"}`, `{"a":"` + strings.Repeat("secret", 201) + `"}`}},
		{"raw", "SELECT COALESCE(body, '') AS a, COUNT(*) AS n FROM events GROUP BY a", []string{"secret1\xff", "secret22\xff"}},
		{"combined", "SELECT ts FROM events", []string{`h - - [secret1] "GET / HTTP/1.1" 200 1 "-" "-"`, `h - - [secret22] "GET / HTTP/1.1" 200 1 "-" "-"`}},
		{"combined", "SELECT ts FROM events", []string{`h - - [x] "GET / HTTP/1.1" 200 7777777777777777777 "-" "-"`, `h - - [x] "GET / HTTP/1.1" 200 77777777777777777777 "-" "-"`}},
		{"combined", "SELECT ts FROM events", []string{"nginx: h - secret1" + afterHost, "secret: h - -" + afterHost}},
	} {
		f := plan(t, c.format, "INSERT INTO t "+c.query).NewFold()
		tally := feed(f, c.bodies...)
		if len(tally.Dead) != len(c.bodies) {
			t.Errorf("%s: %q: %d dead letters, expected %v", c.query, c.bodies, len(tally.Dead), len(c.bodies))
			continue
		}
		for _, d := range tally.Dead {
			if d.Reason != tally.Dead[0].Reason || strings.Contains(d.Reason+d.Detail, "secret") || strings.Contains(d.Reason+d.Detail, "777") {
				t.Errorf("%s: got reason %q and detail %q; expected the reason %q and none of the record's text", c.query, d.Reason, d.Detail, tally.Dead[0].Reason)
			}
		}
	}
}

// A dry run reads a user's own files, so its reasons show what was found.
func TestDryRun_reasonsShowTheText(t *testing.T) {
	t.Parallel()
	p := plan(t, "json", "INSERT INTO t SELECT a + 1 AS x FROM events")
	var out bytes.Buffer
	if _, err := DryRun(t.Context(), p, []Input{{Name: "f", Reader: strings.NewReader(`{"a":"one"}`)}}, &out, -1, strings.Clone); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), `got the text "one"`) {
		t.Errorf("got %v, expected it to contain %q", out.String(), `got the text "one"`)
	}
}
