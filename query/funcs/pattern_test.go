package funcs

import (
	"strings"
	"testing"
)

// Patterns with other meanings in other engines are rejected, and the reason says what to write.
func TestPattern_rejected(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ pattern, want string }{
		{`\d+`, "write [0-9]"},
		{`[\w.]`, "write [0-9A-Za-z_]"},
		{`a\s`, `write [ \\t\\r\\n]`},
		{`\bword`, "write (^|[^0-9A-Za-z_])"},
		{`\pL`, "write the characters in [ ]"},
		{`\Qa.b\E`, "write a backslash in front of each character"},
		{`a\Z`, "write $"},
		{`\e`, "write the character itself"},
		{`\x{41}`, "write the character itself"},
		{`[[:alpha:]]`, "write [0-9], [A-Za-z]"},
		{`[a-z&&[^b]]`, "write [0-9], [A-Za-z]"},
		{`(a)\1`, "there are no back references"},
		{`a(?=b)`, "there are no lookaround"},
		{`(?<!a)b`, "there are no lookaround"},
		{`(?P<name>a)`, "write (…)"},
		{`(?<name>a)`, "write (…)"},
		{`(?>a)`, "write (…)"},
		{`(?m)^a`, "write (?i) to ignore case"},
		{`a(?i)b`, "write (?i) to ignore case"},
		{`a{,3}`, `write \\{`},
		{`a{`, `write \\{`},
		{`(a*)+`, "repeats what can match an empty text"},
		{`(|a)*`, "repeats what can match an empty text"},
		{`a++`, "invalid nested repetition"},
		{`(a`, "missing closing )"},
		{"a\xff", "must be UTF-8"},
	} {
		if _, err := compilePattern(c.pattern); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, expected an error with %q", c.pattern, err, c.want)
		}
	}
	for _, pattern := range []string{``, `^a$`, `(?i)a`, `(?s)a.b`, `(?is)a`, `\.(css|js)(\?|$)`, `a{2}`, `a{2,}b{1,3}`, `[]a]`, `[^]]`, `\{a}`, `a\|b`, `[\[\]]`, `(?:a|b)+?`, `\x41`} {
		if _, err := compilePattern(pattern); err != nil {
			t.Errorf("%s: got %v, expected that it is valid", pattern, err)
		}
	}
}

func TestReplacement(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		by     string
		groups int
		want   string
	}{
		{"", 0, "|"},
		{"a$0b", 0, "a|0 b|"},
		{"$12", 1, "|1 2|"},
		{"$12", 12, "|12 |"},
		{`\$1\\`, 1, `$1\|`},
		{"$2", 1, "error"},
		{"$", 1, "error"},
		{"$a", 1, "error"},
		{`\1`, 1, "error"},
		{`a\`, 1, "error"},
	} {
		by, err := parseReplacement([]byte(c.by), c.groups)
		got := "error"
		if err == nil {
			got = ""
			for _, p := range by {
				got += string(p.text) + "|"
				if p.group >= 0 {
					got += string('0' + rune(p.group/10))[:min(1, p.group/10)] + string('0'+rune(p.group%10)) + " "
				}
			}
		}
		if got != c.want {
			t.Errorf("%q with %d groups: got %q, expected %q", c.by, c.groups, got, c.want)
		}
	}
}
