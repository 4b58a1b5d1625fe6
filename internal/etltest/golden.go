package etltest

import (
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Rewrite registers the flag -rewrite of a test binary, with which the recorded text replaces the golden file. A
// package calls it once, for a package variable.
func Rewrite() *bool {
	return flag.Bool("rewrite", false, "write what was captured from real servers to the goldens in testdata")
}

// Golden compares text with the named file, or writes the file if rewrite is set.
func Golden(t testing.TB, rewrite bool, name, text string) {
	t.Helper()
	if rewrite {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	Compare(t, name, text, nil)
}

// Compare compares text with the named file, except for what the expression matches; nil matches nothing.
func Compare(t testing.TB, name, text string, but *regexp.Regexp) {
	t.Helper()
	golden, err := os.ReadFile(name)
	if errors.Is(err, os.ErrNotExist) {
		t.Fatalf("%v: create it with -rewrite", err)
	}
	want, got := string(golden), text
	if but != nil {
		want, got = but.ReplaceAllString(want, "…"), but.ReplaceAllString(got, "…")
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-expected +got):\n%s", name, diff)
	}
}

// Hex returns hexadecimal text with long runs abbreviated: 78*9000 is the byte 78, 9,000 times.
func Hex(b []byte) string {
	var s strings.Builder
	for len(b) > 0 {
		run := 1
		for run < len(b) && b[run] == b[0] {
			run++
		}
		if run < 32 {
			run = 1
			s.WriteString(hex.EncodeToString(b[:1]))
		} else {
			fmt.Fprintf(&s, " %02x*%d ", b[0], run)
		}
		b = b[run:]
	}
	return s.String()
}
