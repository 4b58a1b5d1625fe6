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

// Rewrite registers the flag -rewrite of a test binary: what was captured becomes the golden. A package calls it once,
// for a variable of its tests.
func Rewrite() *bool {
	return flag.Bool("rewrite", false, "write what was captured from real servers to the goldens in testdata")
}

// Golden holds text against the file of that name, or writes it where rewrite says so.
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

// Compare holds text against the file of that name, but for what the expression matches; nil matches nothing.
func Compare(t testing.TB, name, text string, but *regexp.Regexp) {
	t.Helper()
	golden, err := os.ReadFile(name)
	if errors.Is(err, os.ErrNotExist) {
		t.Fatalf("%v: make it with -rewrite", err)
	}
	want, got := string(golden), text
	if but != nil {
		want, got = but.ReplaceAllString(want, "…"), but.ReplaceAllString(got, "…")
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

// Hex is hexadecimal with long runs cut short: 78*9000 is the byte 78, 9,000 times.
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
