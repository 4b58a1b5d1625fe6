package query

import (
	"strings"
	"testing"
)

// MIN and MAX of a JSON field compare texts, and another value makes its record a dead letter. Beside the SUM or the AVG
// of the field they compare numbers, and it is the texts that are dead letters.
func TestMinMax_json(t *testing.T) {
	t.Parallel()
	input := lines(`{"x":"9"}`, `{"x":"10"}`, `{"x":10}`, `{"x":9}`, `{"x":null}`, `{}`, `{"x":{}}`, `{"x":true}`)
	const number = `: expected a number, got the text `
	for _, c := range []struct {
		items, want string
		dead        []string
	}{
		{
			"MIN(x) AS low, MAX(x) AS high", "10   9",
			[]string{"in:3: MIN(x) compares texts, got \"10\": write MIN(CAST(x AS DECIMAL(p,s)))", "in:4: MIN(x)", "in:7: MIN(x)", "in:8: MIN(x) compares texts, got \"true\""},
		},
		{"MIN(x) AS low, MAX(x) AS high, SUM(x) AS total", "1.000000  10.000000  20.000000", []string{"in:1: x" + number, "in:2: x" + number, "in:7: x: expected a number"}},
		{"MAX(x) + 1 AS high, 2 * AVG(events.x) AS mean", "11.000000  13.3333333333", []string{"in:1: ", "in:2: ", "in:7: "}},
		{"MAX(x) AS high, SUM(IF(x > 5, 1, 0)) AS n", "", []string{"in:1: ", "in:2: ", "in:3: MAX(x) compares texts", "in:4: ", "in:7: ", "in:8: "}},
	} {
		got := dryRunText(t, "json", "", "INSERT INTO t SELECT 'k' AS k, "+c.items+" FROM events GROUP BY k", input)
		for _, want := range append(c.dead, c.want) {
			if !strings.Contains(got, want) {
				t.Errorf("%s: got\n%s\nexpected %q", c.items, got, want)
			}
		}
		if n := strings.Count(got, "\nin:"); n != len(c.dead) {
			t.Errorf("%s: got %d dead letters, expected %d:\n%s", c.items, n, len(c.dead), got)
		}
	}
}
