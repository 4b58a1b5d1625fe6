package query

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// nullableKeys returns the key columns of a query's table that can be NULL, and those that cannot.
func nullableKeys(t *testing.T, format, text string) (nullable, others []string) {
	t.Helper()
	table := plan(t, format, text).Tables()[0]
	for _, c := range table.Columns[:table.Keys] {
		if c.Nullable {
			nullable = append(nullable, c.Name)
		} else {
			others = append(others, c.Name)
		}
	}
	return nullable, others
}

// Questions that log sites ask compile as a person who knows MySQL writes them, without COALESCE.
func TestNullKeys_compile(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		format, text string
		nullable     []string
	}{
		{"combined", "SELECT REGEXP_SUBSTR(agent, '(Chrome|Firefox)/[0-9]+') AS browser, COUNT(*) AS hits FROM events GROUP BY browser", []string{"browser"}},
		{"json", "SELECT cache, mime, tls, COUNT(*) AS hits FROM events GROUP BY cache, mime, tls", []string{"cache", "mime", "tls"}},
		{"json", "SELECT TUMBLE(ts, INTERVAL 1 MINUTE) AS minute, SUM(time <= 0.5) AS satisfied, SUM(time > 0.5 AND time <= 2) AS tolerating, COUNT(time) AS n FROM events GROUP BY minute", []string{"minute"}},
		{"json", "SELECT TUMBLE(ts, INTERVAL 1 MINUTE) AS minute, service, level, COUNT(*) AS n FROM events GROUP BY minute, service, level", []string{"minute", "service", "level"}},
		{"json", "SELECT service, SUBSTRING_INDEX(exception, ':', 1) AS class, COUNT(*) AS n, MAX(ts) AS last FROM events WHERE exception IS NOT NULL GROUP BY service, class", []string{"service"}},
		{"json", "SELECT url, AVG(time) AS average, SUM(time) AS total, MAX(time) AS slowest FROM events GROUP BY url", []string{"url"}},
		{"json", "SELECT edge, SUM(CASE WHEN cache IN ('HIT', 'RefreshHit') THEN 1 ELSE 0 END) AS hits, COUNT(*) AS n, ROUND(100 * SUM(cache = 'HIT') / COUNT(*), 1) AS percent FROM events GROUP BY edge", []string{"edge"}},
		{"json", "SELECT requester, operation, COUNT(*) AS n, SUM(status >= 400) AS errors, SUM(bytes) AS bytes FROM events GROUP BY requester, operation", []string{"requester", "operation"}},
	} {
		if got, _ := nullableKeys(t, c.format, "INSERT INTO t "+c.text); !slices.Equal(got, c.nullable) {
			t.Errorf("%s: the keys %q can be NULL, expected %q", c.text, got, c.nullable)
		}
	}
}

// WHERE excludes NULL from keys, also through functions whose result is NULL only if an argument is.
func TestNullKeys_where(t *testing.T) {
	t.Parallel()
	for where, want := range map[string]string{
		"k IS NOT NULL":                          "",
		"events.k IS NOT NULL":                   "",
		"NOT (k IS NULL)":                        "",
		"k <> ''":                                "",
		"NOT k = 'a'":                            "",
		"'a' < k AND l LIKE '%x'":                "",
		"k IN ('a', 'b')":                        "",
		"k NOT IN ('a', 'b')":                    "",
		"k BETWEEN 'a' AND 'b'":                  "",
		"k NOT LIKE 'a%'":                        "",
		"l = 'x' AND (k = 'a' OR k IS NOT NULL)": "",
		"NOT (k IS NULL OR l = 'x')":             "",
		"CAST(k AS SIGNED) + 1 > 5":              "",
		"CAST(k AS SIGNED) > 5 IS TRUE":          "",
		"LEFT(k, 3) = 'abc'":                     "k", // only the whole expression is known not to be NULL
		"k <=> 'a'":                              "k",
		"k = 'a' OR l = 'b'":                     "k",
		"k IS NULL":                              "k",
		"NOT (k = 'a' AND l = 'b')":              "k",
		"COALESCE(k, 'a') <> ''":                 "k",
		"(CASE WHEN k IS NULL THEN 1 ELSE 0 END) IN (0, 1)": "k",
		"l IS NOT NULL":               "k",
		"K IS NOT NULL":               "k", // another field
		"k->>'$.a' IS NOT NULL":       "k",
		"(k IS NOT NULL) IS NOT TRUE": "k",
		"(k = 'a') IS NOT FALSE":      "k",
		"NOT (k IS NOT NULL)":         "k",
		"NOT NOT (k IS NOT NULL AND k <> '' AND TRUE = TRUE)": "k", // not looked into
	} {
		got, _ := nullableKeys(t, "json", "INSERT INTO t SELECT k, COUNT(*) AS n FROM events WHERE "+where+" GROUP BY k")
		if strings.Join(got, " ") != want {
			t.Errorf("WHERE %s: the keys %q can be NULL, expected %q", where, got, want)
		}
	}
	got, others := nullableKeys(t, "json", `INSERT INTO t SELECT SUBSTRING_INDEX(k, ':', 1) AS class, LEFT(l, 5) AS five, NULLIF(k, '') AS nk,
		TUMBLE(CAST(k AS DATETIME), INTERVAL 1 DAY) AS day, REGEXP_SUBSTR(k, 'x') AS x, REPLACE(l, 'a', 'b') AS rep, COUNT(*) AS n
		FROM events WHERE k IS NOT NULL AND LEFT(l, 5) <> '' GROUP BY 1, 2, 3, 4, 5, 6`)
	if diff := cmp.Diff([][]string{{"nk", "x", "rep"}, {"class", "five", "day"}}, [][]string{got, others}); diff != "" {
		t.Errorf("keys that can be NULL, and others (-expected +got):\n%s", diff)
	}
}

// WHERE does not change the columns outside of the key: tables of earlier releases have them.
func TestNullKeys_whereLeavesCells(t *testing.T) {
	t.Parallel()
	got := columnsOf(t, plan(t, "json", "INSERT INTO t SELECT k, COUNT(k) AS c, COUNT(*) AS n, SUM(CAST(k AS SIGNED)) / COUNT(k) AS mean FROM events WHERE k IS NOT NULL GROUP BY k"))
	want := []string{"k key", "c total", "n total", "[mean__1 total]", "mean(4) = ROUND((CAST(`mean__1` AS DECIMAL(65,9)) / NULLIF(CAST(`c` AS DECIMAL(65,0)), 0)), 4)"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-expected +got):\n%s", diff)
	}
}

// If the key of one statement can be NULL, the column of all statements into the table can.
func TestNullKeys_severalStatements(t *testing.T) {
	t.Parallel()
	const text = "INSERT INTO t SELECT k, COUNT(*) AS n FROM events WHERE k <> 'a' GROUP BY k; INSERT INTO t SELECT k, COUNT(*) AS n FROM events WHERE l = 'x' GROUP BY k"
	if got, _ := nullableKeys(t, "json", text); !slices.Equal(got, []string{"k"}) {
		t.Errorf("the keys %q can be NULL, expected k", got)
	}
	got := dryRunText(t, "json", "", text, lines(`{"k":"a"}`, `{"k":"b"}`, `{"l":"x"}`, `{"k":"b","l":"x"}`))
	if want := "t: 2 rows\nk     n\nNULL  1\nb     3\n"; !strings.HasPrefix(got, want) {
		t.Errorf("got\n%s\nexpected\n%s", got, want)
	}
}

// A group with NULL is a group of its own, beside those of the values that stand for NULL in the table.
func TestNullKeys_dryRun(t *testing.T) {
	t.Parallel()
	got := dryRunText(t, "json", "", `INSERT INTO t SELECT k, CAST(i AS SIGNED) AS i, CAST(d AS DECIMAL(9,2)) AS d, CAST(at AS DATETIME) AS at, COUNT(*) AS n,
		CAST(i AS SIGNED) + COUNT(*) AS more FROM events GROUP BY k, i, d, at`, lines(
		`{}`, `{"k":null}`, `{"k":"","i":0,"d":0,"at":"1970-01-01 00:00:01"}`, `{"k":"","i":0,"d":0,"at":"1970-01-01 00:00:01"}`, `{"k":"a","i":-1,"d":-0.5,"at":"2026-01-02"}`))
	want := `t: 3 rows
k        i      d  at                   n  more
         0   0.00  1970-01-01 00:00:01  2     2
NULL  NULL   NULL  NULL                 2  NULL
a       -1  -0.50  2026-01-02 00:00:00  1     0
`
	if !strings.HasPrefix(got, want) {
		t.Errorf("got\n%s\nexpected\n%s", got, want)
	}
}

func lines(l ...string) string { return strings.Join(l, "\n") }
