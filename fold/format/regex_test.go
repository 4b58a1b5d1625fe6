package format

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-etl/sluice/internal/accesslog"
)

func TestRegex_lines(t *testing.T) {
	t.Parallel()
	testBodies(t, "regex", `(?P<host>\S+) (\S+) (?<status>\d+)(?: (?P<size>\d+)|-)?`, []bodyCase{
		{"host status size", "h x 200 17", "h|200|17"},
		{"Host size", "h x 200\r\nh2 y 404-\n\n", "h|NULL // h2|NULL"},
		{"host", "é\xff x 200", "é\xff"},
		{"host", "h x 200 17 ", "!regex: expected a line that option 'log-format-string' matches from its beginning to its end, but"},
		{"host", " h x 200", "!regex: expected a line that option 'log-format-string' matches from"},
		{"host", "h x y", "!regex: expected a line that option 'log-format-string' matches (the line has 5 bytes)"},
		{"host", "h x 200\nh", "!regex: expected"},
		{"host", "", "!the line is empty"},
	})
	testBodies(t, "regex", `(?i)(?P<a>x|y)(?P<b>z*)(?P<c>z){1,2}(?P<d>w){0,2}|(?P<e>\(.*\))`, []bodyCase{
		{"a b c d e", "Xzz", "X|z|z|NULL|NULL"},
		{"a b e", "(x)", "NULL|NULL|(x)"},
	})
	testBodies(t, "regex", `(?P<a>[a-z]+) \Q(end)`, []bodyCase{{"a", "x (end)", "x"}, {"a", "x (end))", "!regex"}})
	testBodies(t, "regex", `(?P<a>.*?)x(?P<_>.)$`, []bodyCase{{"a", "xxy", "x"}, {"a", "xxyz", "!regex"}})
	testBodies(t, "regex", `a|(?P<a>ab)`, []bodyCase{{"a", "ab", "ab"}}) // not cut at the first alternative
}

// Only groups that may be absent from a match make columns that can be NULL.
func TestRegex_nullable(t *testing.T) {
	t.Parallel()
	f, err := New("regex", `(?P<always>x)(?P<plus>y)+(?P<twice>z){2,3}(?:(?P<maybe>a))?(?:b(?P<alternative>c)|d)(?P<star>e)*(?P<upto>f){0,2}(?:((?P<nested>g))h)?`)
	if err != nil {
		t.Fatal(err)
	}
	var nullable []string
	for _, name := range f.Names() {
		if c, _ := f.Column([]string{name}); c.Nullable {
			nullable = append(nullable, name)
		}
	}
	if want := []string{"maybe", "alternative", "star", "upto", "nested"}; !slices.Equal(nullable, want) {
		t.Errorf("%q can be NULL, expected %q", nullable, want)
	}
}

func TestRegex_definitions(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ definition, want string }{
		{"", "log format regex needs option 'log-format-string': a regular expression"},
		{`(\S+)`, "it has no named group"},
		{`(?P<a>x`, "missing closing )"},
		{`(?P<a>x)(?P<a>y)`, "which another column has"},
		{`(?P<a>x)(?P<A>y)`, "which another column has"},
		{`(?P<_topic>x)`, "must not begin with an underscore"},
		{`(?P<a>x)(?=y)`, "invalid or unsupported Perl syntax"},
		{"(?P<a>" + strings.Repeat("x", 9000) + ")", "expected at most 8192"},
	} {
		if _, err := New("regex", c.definition); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: got %v, expected %s", c.definition, err, c.want)
		}
	}
}

const combinedRegex = `(?P<host>\S+) (?P<ident>\S+) (?P<user>\S.*?) \[(?P<time>[^]]+)\] "(?P<request>(?:[^"\\]|\\.)*)" (?P<status>\d{3}) (?:(?P<bytes>\d+)|-) "(?P<referer>(?:[^"\\]|\\.)*)" "(?P<agent>(?:[^"\\]|\\.)*)"`

// An expression for the combined format reads what the parser of that format reads.
func TestRegex_equalsCombined(t *testing.T) {
	t.Parallel()
	rng := accesslog.New(7)
	byRegex := newReader(t, "regex", combinedRegex, "host", "user", "status", "bytes", "referer", "agent")
	combined := newReader(t, "combined", "", "host", "user", "status", "bytes", "referer", "agent")
	for n := range 5000 {
		line := accesslog.Append(nil, rng, n)
		got, want := byRegex.summary(string(line)), combined.summary(string(line))
		if got != want {
			t.Fatalf("%s:\n     got %s\nexpected %s", line, got, want)
		}
	}
}

func FuzzRegex(f *testing.F) {
	f.Add(`(?P<a>\S+) (?P<b>.*)`, "x y z")
	f.Add(`(?P<a>x)|(?P<b>xy)`, "xy")
	f.Add(`(?s)(?P<a>.)*(?i:(?P<b>Z)?)`, "\xffz")
	f.Fuzz(func(t *testing.T, text, line string) {
		format, err := New("regex", text)
		if err != nil || strings.TrimSpace(line) == "" || strings.ContainsAny(line, "\r\n\ufeff") {
			return
		}
		r := newReader(t, "regex", text, format.Names()...)
		want := regexp.MustCompile("^(?:" + text + ")$").FindStringSubmatch(line)
		rows, err := r.read([]byte(line))
		if (err == nil) != (want != nil) {
			t.Fatalf("%q of %q: got the error %v, expected a match: %v", text, line, err, want != nil)
		}
		re := regexp.MustCompile(text)
		for i, name := range format.Names() {
			if err == nil && rows[0][i] != want[re.SubexpIndex(name)] && rows[0][i] != "NULL" {
				t.Fatalf("%q of %q: %s is %q, expected %q", text, line, name, rows[0][i], want[re.SubexpIndex(name)])
			}
		}
	})
}
