package accesslog

import (
	"bytes"
	"regexp"
	"testing"
)

var line = regexp.MustCompile(`^\S+ - \S+ \[[^]]+\] "(?:[^"\\]|\\.)*" \d{3} (?:\d+|-) "(?:[^"\\]|\\.)*" "(?:[^"\\]|\\.)*"$`)

func TestAppend_everyLineIsCombined(t *testing.T) {
	t.Parallel()
	rng := New(1)
	absent := 0
	for n := range 20000 {
		b := Append(nil, rng, n)
		if !line.Match(b) {
			t.Fatalf("line %d is not in the combined format: %s", n, b)
		}
		if bytes.Contains(b, []byte(` - "`)) {
			absent++
		}
	}
	if absent == 0 {
		t.Error("no line without a size in 20000")
	}
}

func TestAppend_sameSeedSameBytes(t *testing.T) {
	t.Parallel()
	a, b := New(7), New(7)
	for n := range 1000 {
		if x, y := Append(nil, a, n), Append(nil, b, n); !bytes.Equal(x, y) {
			t.Fatalf("line %d: %s and %s", n, x, y)
		}
	}
}
