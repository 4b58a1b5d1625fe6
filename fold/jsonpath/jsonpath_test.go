package jsonpath

import (
	"strings"
	"testing"
)

func FuzzJSONPath(f *testing.F) {
	for _, s := range []string{"$", "$.a", `$."a\"b"[0]`, "$[last-1]", "$**.a", "$[1 to 2]", "$ . a [ 1 ]"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		steps, err := Parse(s)
		if err == nil && len(steps) == 0 && !strings.Contains(s, "$") {
			t.Errorf("%q is read as $", s)
		}
	})
}
