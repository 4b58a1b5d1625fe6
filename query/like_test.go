package query

import (
	"strings"
	"testing"
)

// ILIKE ignores case, beside LIKEs that do not, in any order and depth. A name after a point and one in backticks is no
// operator.
func TestILike(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ where, want string }{
		{"a ILIKE '%bot%'", "t: 0 3"},
		{"a LIKE '%bot%'", "t: 0 2"},
		{"a ilike '%BOT%' AND a NOT LIKE '%B%'", "t: 0 2"},
		{"a NOT ILIKE '%bot%'", "t: 0 1"},
		{"a ILIKE '%|%BOT' ESCAPE '|'", "t: 0 1"},
		{"a ILIKE a.like", ""},
		{"`ilike` LIKE 'X' OR a ILIKE 'éCOLE'", "t: 0 1"},
		{"IF(a LIKE 'A', 'x', 'Y') ILIKE 'y' AND (a LIKE '%B%') ILIKE '1'", "t: 0 1"},
	} {
		f := plan(t, "json", "INSERT INTO t SELECT COUNT(*) AS n FROM events WHERE "+c.where).NewFold()
		feed(f, `{"a":"Googlebot"}`, `{"a":"BingBot"}`, `{"a":"10%bot"}`, `{"a":"ÉCOLE","b":1}`, `{"b":2}`)
		if got := strings.Join(printed(f.Take()), "; "); got != c.want {
			t.Errorf("%s: got %q, expected %q", c.where, got, c.want)
		}
	}
}

// LIKE and ILIKE are different queries.
func TestILike_fingerprint(t *testing.T) {
	t.Parallel()
	const text = "INSERT INTO t SELECT COUNT(*) AS n FROM events WHERE host LIKE 'a' AND agent LIKE '%bot%'"
	a, _ := plan(t, "combined", text).Fingerprint()
	b, _ := plan(t, "combined", strings.Replace(text, "agent LIKE", "agent ILIKE", 1)).Fingerprint()
	c, _ := plan(t, "combined", strings.Replace(text, "host LIKE", "host ILIKE", 1)).Fingerprint()
	if a == b || a == c || b == c {
		t.Errorf("got the fingerprints %x, %x and %x, expected three", a, b, c)
	}
}
