package avrorpc

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/sluice-etl/sluice/internal/avrobin"
)

// A server's error may have as many bytes as an answer: what is kept of it, logged and shown is bounded.
func TestOutcome_longError(t *testing.T) {
	t.Parallel()
	answer := append([]byte{0, 1}, avrobin.AppendBytes([]byte{0}, strings.Repeat("é", 32<<20))...)
	_, err := outcome(answer, 0)
	var system *SystemError
	if !errors.As(err, &system) {
		t.Fatal(err)
	}
	if n := len(system.Text); n > maxText+40 || !utf8.ValidString(system.Text) || !strings.HasSuffix(system.Text, "… (67108864 bytes)") {
		t.Errorf("got a text of %d bytes that ends with …%s, expected a short one with its length", n, system.Text[n-30:])
	}
}

func TestCutText(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", maxText)
	for text, want := range map[string]string{
		"": "", "no events": "no events", long: long, long + "y": long + "… (4097 bytes)",
		long[1:] + "éz": long[1:] + "… (4098 bytes)",
	} {
		if got := CutText([]byte(text)); got != want {
			t.Errorf("%d bytes became %d, expected valid UTF-8 that is cut: …%s", len(text), len(got), got[max(0, len(got)-20):])
		}
	}
}
