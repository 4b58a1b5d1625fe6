package query

import (
	"regexp"
	"strings"
	"testing"
	"unicode"
)

// The place of an error in advices is the expression that it names, or has a part in common with the text that the
// advice replaces.
func TestPlace_advices(t *testing.T) {
	t.Parallel()
	placed := 0
	for _, a := range advices {
		from := strings.Index(a.query, "«")
		to := strings.LastIndex(a.query, "»") - len("«")
		if strings.Count(a.query, "«") != 1 {
			continue
		}
		text := strings.NewReplacer("«", "", "»", "").Replace(a.query)
		o := DefaultOptions()
		o.Format = a.format
		_, err := Compile(text, o)
		if err == nil {
			t.Errorf("%s compiles", text)
			continue
		}
		f, l, ok := Place(err)
		if !ok {
			continue
		}
		placed++
		named, _, _ := strings.Cut(strings.TrimPrefix(statementNumber.ReplaceAllString(err.Error(), ""), "GROUP BY "), ": ")
		if (f > to || l < from) && letters(text[f:l]) != letters(named) {
			t.Errorf("%s: the place is %q, expected %q or some of %q: %v", a.query, text[f:l], named, text[from:to], err)
		}
	}
	if placed < 80 {
		t.Errorf("%d errors have a place, expected 80 or more", placed)
	}
}

var statementNumber = regexp.MustCompile(`^statement \d+: `)

// letters returns the letters and digits of SQL, in lower case.
func letters(text string) string {
	return strings.ToLower(strings.Map(func(r rune) rune {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			return -1
		}
		return r
	}, text))
}
