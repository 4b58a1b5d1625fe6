package query

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A subquery and a WITH are names for expressions: a query with them has the columns, rows, fates and dead letters of one
// without.
func TestSubquery_isNamesForExpressions(t *testing.T) {
	t.Parallel()
	bodies := map[string][]string{
		"combined": {line(200, "5"), line(404, "-"), line(500, "7"), strings.Replace(line(200, "9"), "GET / ", "GET /A?b ", 1), "no log line"},
		"json": {
			`{"level":"WARN","ms":5,"a":{"b":"x","c":{"b":"y"}},"events":{"a":7}}`, `{"level":"warn","ms":"five","a":{"b":"5"},"_Topic":"u"}`,
			`{"level":"Info","ms":1.5,"x":{"a":3}}`, `{"ms":2}`, `{"level":5}`, `[`,
		},
	}
	for _, c := range []struct{ format, nested, flat string }{
		{
			"combined", "INSERT INTO t SELECT p, COUNT(*) AS n FROM (SELECT LOWER(path) AS p, status FROM events WHERE status < 500) x WHERE p LIKE '/%' GROUP BY p",
			"INSERT INTO t SELECT LOWER(path) AS p, COUNT(*) AS n FROM events WHERE status < 500 AND LOWER(path) LIKE '/%' GROUP BY p",
		},
		{ // GROUP BY: an alias, a position, a qualified name, an expression, a name that is selected under an alias
			"combined", "INSERT INTO t SELECT p AS q, x.h, CONCAT(p, h) AS c, s, status, COUNT(*) AS n FROM (SELECT LOWER(path) AS p, host AS h, status DIV 100 AS s, status FROM events e) AS x GROUP BY p, x.h, CONCAT(p, h), 4, status",
			"INSERT INTO t SELECT LOWER(path) AS q, host AS h, CONCAT(LOWER(path), host) AS c, status DIV 100 AS s, status, COUNT(*) AS n FROM events GROUP BY q, h, c, s, status",
		},
		{ // the same text has another meaning in each SELECT
			"combined", "INSERT INTO t SELECT b AS k, UPPER(a) AS m, COUNT(*) AS n FROM (SELECT UPPER(a) AS b, h AS a FROM (SELECT path AS a, host AS h FROM events) y) x GROUP BY k, UPPER(a)",
			"INSERT INTO t SELECT UPPER(path) AS k, UPPER(host) AS m, COUNT(*) AS n FROM events GROUP BY k, m",
		},
		{
			"combined", "WITH a AS (SELECT * FROM events WHERE status <> 404), b (u, s) AS (SELECT path, a.status FROM a WHERE bytes > 5) INSERT INTO t SELECT u, b.s FROM b WHERE u <> 'x'",
			"INSERT INTO t SELECT path AS u, status AS s FROM events WHERE status <> 404 AND bytes > 5 AND path <> 'x'",
		},
		{ // MySQL has WITH here
			"combined", "INSERT INTO t WITH events AS (SELECT host AS path, status FROM events) SELECT path, MAX(status) AS m FROM events AS e GROUP BY e.path",
			"INSERT INTO t SELECT host AS path, MAX(status) AS m FROM events GROUP BY path",
		},
		{
			"combined", "INSERT INTO t SELECT h, SUM(s) / COUNT(*) AS a, AVG(s) AS b, SUM(s) AS c FROM (SELECT host AS h, status + 1 AS s FROM events) x GROUP BY h",
			"INSERT INTO t SELECT host AS h, SUM(status + 1) / COUNT(*) AS a, AVG(status + 1) AS b, SUM(status + 1) AS c FROM events GROUP BY h",
		},
		{
			"combined", "REPLACE INTO t SELECT h, s FROM (SELECT host AS h, status AS s FROM events) x GROUP BY h",
			"REPLACE INTO t SELECT host AS h, status AS s FROM events GROUP BY h",
		},
		{ // what the inner WHERE excludes or does not know is not evaluated further
			"json", "INSERT INTO t SELECT CAST(m AS SIGNED) AS m FROM (SELECT ms AS m, level FROM events WHERE level = 'WARN') x WHERE m > 3",
			"INSERT INTO t SELECT CAST(ms AS SIGNED) AS m FROM events WHERE IF(level = 'WARN', ms > 3, FALSE)",
		},
		{ // fields and paths
			"json", "INSERT INTO t SELECT f.b, f.c.b AS cb, g->>'$.b' AS gb, x.f->>'$.c.b' AS pb, h->>'$.b' AS hb, i FROM (SELECT a AS f, events.a AS g, a->'$.c' AS h, e.events.a AS i FROM events e) x",
			"INSERT INTO t SELECT a.b, a.c.b AS cb, events.a->>'$.b' AS gb, a->>'$.c.b' AS pb, a->>'$.c.b' AS hb, e.events.a AS i FROM events e",
		},
		{ // Kafka's columns and fields of their names
			"json", "INSERT INTO t SELECT _topic AS a, x._topic AS b, x._Topic AS c, events.a AS d, x.a.b AS e FROM (SELECT * FROM events) x",
			"INSERT INTO t SELECT _topic AS a, _topic AS b, _Topic AS c, events.events.a AS d, a.b AS e FROM events",
		},
		{ // a name of an inner WHERE is no alias of the outer SELECT
			"json", "INSERT INTO t SELECT UPPER(l) AS ms FROM (SELECT COALESCE(level, '') AS l FROM events WHERE ms IS NOT NULL) x",
			"INSERT INTO t SELECT UPPER(COALESCE(level, '')) AS ms FROM events WHERE events.ms IS NOT NULL",
		},
	} {
		nested, flat := plan(t, c.format, c.nested), plan(t, c.format, c.flat)
		if got, expected := fmt.Sprint(nested.Tables()), fmt.Sprint(flat.Tables()); got != expected {
			t.Errorf("%s\n  got the tables %s\n  expected       %s", c.nested, got, expected)
		}
		got, expected := nested.NewFold(), flat.NewFold()
		one, other := feed(got, bodies[c.format]...), feed(expected, bodies[c.format]...)
		if one.Counted != other.Counted || one.Filtered != other.Filtered || len(one.Dead) != len(other.Dead) || other.Counted == 0 {
			t.Errorf("%s\n  got      %+v\n  expected %+v", c.nested, one, other)
		}
		if diff := cmp.Diff(printed(expected.Take()), printed(got.Take())); diff != "" {
			t.Errorf("%s (-expected +got):\n%s", c.nested, diff)
		}
	}
}

// What is more than names for expressions is rejected.
func TestSubquery_rejected(t *testing.T) {
	t.Parallel()
	wide := "SELECT CONCAT(path, path) AS a FROM events"
	for range 40 {
		wide = "SELECT CONCAT(a, a) AS a FROM (" + wide + ") x"
	}
	deep := "WITH x0 AS (SELECT status AS a FROM events)"
	for i := range 300 {
		deep += fmt.Sprintf(", x%d AS (SELECT a + 1 AS a FROM x%d)", i+1, i)
	}
	for _, c := range []struct{ text, want string }{
		{"SELECT h FROM (SELECT host AS h FROM events LIMIT 3) x", "subquery x: LIMIT"},
		{"SELECT h FROM (SELECT host AS h FROM events ORDER BY h) x", "subquery x: ORDER BY"},
		{"SELECT h FROM (SELECT DISTINCT host AS h FROM events) x", "subquery x: SELECT DISTINCT"},
		{"SELECT h FROM (SELECT host AS h FROM events UNION SELECT path FROM events) x", "subquery x: expected SELECT"},
		{"SELECT h FROM (SELECT host AS h FROM logs) x", "subquery x: expected FROM events"},
		{"SELECT x.h FROM (SELECT host AS h FROM events) x, events", "expected FROM events"},
		{"SELECT h FROM (SELECT host AS h FROM events)", "must have its own alias"},
		{"SELECT h FROM (SELECT host AS h, path AS H FROM events) x", "column H is selected twice"},
		{"SELECT h FROM (SELECT host, path FROM events) x (h, H)", "column H is listed twice"},
		{"SELECT h FROM (SELECT host, path FROM events) x (h)", "has 1 names, and its query 2"},
		{"SELECT host FROM (SELECT host AS h, path FROM events) x", "host: no such column in x, which selects h, path"},
		{"SELECT y.h FROM (SELECT host AS h FROM events) x", "y.h: no such column in x"},
		{"SELECT _topic FROM (SELECT host AS h FROM events) x", "_topic: no such column in x"},
		{"SELECT x.hots FROM (SELECT * FROM events) x", "hots: no such column"},
		{"SELECT h FROM (SELECT x.* FROM events x) x", "name the columns"},
		{"SELECT p.a AS b FROM (SELECT LOWER(path) AS p FROM events) x", "which is not a field"},
		{"SELECT h, COUNT(*) AS n FROM (SELECT host AS h, path FROM events) x GROUP BY path", "not in SELECT"},
		{"SELECT a FROM (" + wide + ") x", "more than 20000 operators"},
		{deep + " SELECT a FROM x300", "nested more than 200 deep"},
		{"WITH a AS (SELECT host FROM events), A AS (SELECT host FROM events) SELECT host FROM a", "the name is given twice"},
		{"WITH RECURSIVE a AS (SELECT host FROM events) SELECT host FROM a", "RECURSIVE"},
		{"WITH a AS (SELECT host FROM a) SELECT host FROM a", "subquery a: expected FROM events"},
	} {
		o := DefaultOptions()
		o.Format = "combined"
		if _, err := Compile("INSERT INTO t "+c.text, o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.200s\n  got       %v\n  expected  %s", c.text, err, c.want)
		}
	}
}

// P2: the expressions of a WITH and of a subquery are part of the fingerprint.
func TestP2_subqueriesAreHashed(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"WITH x AS (SELECT LEFT(path, 9) AS p FROM events) INSERT INTO t SELECT p, COUNT(*) AS n FROM x GROUP BY p",
		"INSERT INTO t WITH x AS (SELECT LEFT(path, 9) AS p FROM events) SELECT p, COUNT(*) AS n FROM x GROUP BY p",
		"INSERT INTO t SELECT p, COUNT(*) AS n FROM (SELECT LEFT(path, 9) AS p FROM events) x GROUP BY p",
	} {
		one, _ := plan(t, "combined", text).Fingerprint()
		other, _ := plan(t, "combined", strings.Replace(text, "9", "8", 1)).Fingerprint()
		if one == other {
			t.Errorf("%s\n  has the fingerprint of another expression", text)
		}
	}
}
