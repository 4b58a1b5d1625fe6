package query

import (
	"fmt"
	"strings"
	"testing"
)

// The tree of a JSON text takes hundreds of bytes for each value, so a body of 16 MiB would take 3.8 GB, in every
// process that reads it, again after each restart. A body with too many values is a dead letter, and the memory of a
// large tree is released.
func TestJSON_manyValues(t *testing.T) {
	t.Parallel()
	p := plan(t, "json", "INSERT INTO t SELECT COALESCE(a, '') AS a, COUNT(*) AS n FROM events GROUP BY a")
	const maxValues = 100_000
	const reason = "the JSON has more than 100000 values"
	for name, c := range map[string]struct{ body, reason string }{
		"as many as may be":       {`{"a":1,"b":[` + strings.Repeat("0,", maxValues-4) + `0]}`, ""},
		"one more":                {`{"a":1,"b":[` + strings.Repeat("0,", maxValues-3) + `0]}`, reason},
		"objects":                 {`{"a":1,"b":[` + strings.Repeat("{},", maxValues/2) + `0]}`, reason},
		"names":                   {`{"a":1` + strings.Repeat(`,"b":0`, maxValues) + `}`, reason},
		"16 MiB of numbers":       {`{"a":1,"b":[` + strings.Repeat("0,", 8<<20) + `0]}`, reason},
		"nested":                  {`{"a":1,"b":` + strings.Repeat("[", 8<<20) + `}`, reason},
		"a long text of commas":   {`{"a":1,"b":"` + strings.Repeat(`,[{\"`, 1<<20) + `"}`, ""},
		"many lines of some each": {strings.Repeat(`{"a":1,"b":2,"c":[3,4]}`+"\n", maxValues/5), ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tally := feed(p.NewFold(), c.body)
			switch {
			case c.reason == "" && tally.Counted != 1:
				t.Errorf("got dead letters %+v, expected 1 counted record", tally.Dead)
			case c.reason != "" && (len(tally.Dead) != 1 || !strings.Contains(tally.Dead[0].Reason, c.reason)):
				t.Errorf("got %d counted and dead letters %+v; expected one with the reason %q", tally.Counted, tally.Dead, c.reason)
			}
		})
	}
}

// A pattern from the record makes the work the product of two lengths: 16 MiB would take days.
func TestLike_patternOfTheRecord(t *testing.T) {
	t.Parallel()
	p := plan(t, "json", "INSERT INTO t SELECT COALESCE(n, '') AS n, COUNT(*) AS c FROM events WHERE a LIKE b GROUP BY n")
	body := func(a, b string) string { return fmt.Sprintf(`{"n":1,"a":"%s","b":"%s"}`, a, b) }
	for name, c := range map[string]struct {
		body string
		dead bool
	}{
		"short":    {body("xay", "%a%"), false},
		"long":     {body(strings.Repeat("a", 1<<20), "%a"), false},
		"too long": {body(strings.Repeat("a", 1<<20), "%"+strings.Repeat("a", 100)+"b"), true},
	} {
		tally := feed(p.NewFold(), c.body)
		if c.dead != (len(tally.Dead) == 1 && strings.HasPrefix(tally.Dead[0].Reason, "LIKE: ")) || !c.dead && tally.Counted != 1 {
			t.Errorf("%s: got %+v, expected a dead letter: %v", name, tally, c.dead)
		}
	}
}
