package option

import (
	"strings"
	"testing"
)

func TestRetention(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{ // a want that begins with ! is part of the error
		"":                        "0s",
		"0s":                      "0s",
		"90d":                     "90d",
		" 36h ":                   "36h0m0s",
		"hits=90d":                "hits=90d",
		"hits=90d, site.day=400d": "hits=90d,site.day=400d",
		"1m":                      "1m0s",
		"90s":                     "1m30s",
		"59s":                     "!must be at least 1m0s",
		"90":                      "!or like hits=90d",
		"hits=":                   "!table hits",
		"=90d":                    "!a table and an age",
		"hits=90d,7d":             "!a table and an age",
		"hits=0s":                 "!leave the table out",
		"hits=90d,HITS=80d":       "!given twice",
	} {
		var got Retention
		err := got.UnmarshalText([]byte(text))
		if part, fails := strings.CutPrefix(want, "!"); fails {
			if err == nil || !strings.Contains(err.Error(), part) {
				t.Errorf("%q: got %s, %v; expected an error with %q", text, got, err, part)
			}
			continue
		}
		var again Retention
		if err != nil || got.String() != want || again.UnmarshalText([]byte(want)) != nil || again.String() != want {
			t.Errorf("%q: got %s, %v; expected %s, which is read back as itself", text, got, err, want)
		}
		if got.IsZero() != (want == "0s") {
			t.Errorf("%q: IsZero is %v", text, got.IsZero())
		}
	}
}
