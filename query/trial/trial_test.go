package trial

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const words = "INSERT INTO counts SELECT LEFT(word, 3) AS w, COUNT(*) AS n, MAX(NULLIF(CHAR_LENGTH(word), 1)) AS longest FROM events GROUP BY w"

func run(t *testing.T, queryText, text string) *Result {
	t.Helper()
	f, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	res, err := f.Run(t.Context(), queryText, strings.Clone)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// Rows are compared in any order and with any spaces between cells; what differs is shown with the names of the columns.
func TestRun_diff(t *testing.T) {
	t.Parallel()
	const given = "format: words\n\n== lines ==\naaaa b b\n'\n\n"
	for name, c := range map[string]struct {
		expected string
		diff     []string
	}{
		"passes": {"== rows of counts ==\n|w|n|longest|\n| b |2| NULL |\n| aaa | 1 | 4 |\n|'''|1|NULL|\n", nil},
		"another value": {
			"== rows of counts ==\n| w | n | longest |\n| ''' | 1 | NULL |\n| b | 3 | NULL |\n| aaa | 1 | 4 |\n",
			[]string{"rows of counts:", "  | w   | n | longest |", "- | b   | 3 |    NULL |", "+ | b   | 2 |    NULL |"},
		},
		"a row twice": {
			"== rows of counts ==\n| w | n | longest |\n| ''' | 1 | NULL |\n| b | 2 | NULL |\n| b | 2 | NULL |\n| aaa | 1 | 4 |\n",
			[]string{"rows of counts:", "  | w   | n | longest |", "- | b   | 2 |    NULL |"},
		},
		"nothing expected": {
			"",
			[]string{"rows of counts:", "  | w   | n | longest |", "+ | ''' | 1 |    NULL |", "+ | aaa | 1 |       4 |", "+ | b   | 2 |    NULL |"},
		},
		"other columns": {
			"== rows of counts ==\n| w | n |\n| b | 2 |\n",
			[]string{"rows of counts:", "- | w | n |", "+ | w | n | longest |"},
		},
		"another table and a dead letter": {
			"== rows of counts ==\n| w | n | longest |\n| ''' | 1 | NULL |\n| b | 2 | NULL |\n| aaa | 1 | 4 |\n\n== rows of t ==\n| w |\n\n== dead letters ==\n1: bad\n",
			[]string{"rows of t:", "- the query has no such table", "dead letters:", "- 1: bad"},
		},
	} {
		res := run(t, words, given+c.expected)
		if diff := cmp.Diff(c.diff, res.Diff); diff != "" {
			t.Errorf("%s (-expected +got):\n%s", name, diff)
		}
		if again := run(t, words, res.Text); again.Diff != nil || again.Text != res.Text {
			t.Errorf("%s: the updated test fails, or is updated again: %v\n%s", name, again.Diff, res.Text)
		}
		if !strings.HasPrefix(res.Text, strings.TrimRight(given, "\n")) {
			t.Errorf("%s: the updated test does not begin with what was given:\n%s", name, res.Text)
		}
	}
}

// Dead letters have the number of their line, computed columns their value, and the record's time is that of the test.
func TestRun_values(t *testing.T) {
	t.Parallel()
	const queryText = "INSERT INTO t SELECT TUMBLE(_timestamp, INTERVAL 1 DAY) AS day, AVG(CAST(n AS SIGNED)) AS mean, COUNT(*) / 0 AS x FROM events GROUP BY day"
	res := run(t, queryText, "# comment\nformat: json\ntime-zone: Europe/Vienna\nkafka-time: 2026-11-28 23:30:00\n== lines ==\n{\"n\":1}\n{\"n\":\"a\"}\n{\"n\":2}\n")
	const want = "# comment\nformat: json\ntime-zone: Europe/Vienna\nkafka-time: 2026-11-28 23:30:00\n== lines ==\n{\"n\":1}\n{\"n\":\"a\"}\n{\"n\":2}\n" +
		"\n== rows of t ==\n| day                 |   mean | x    |\n"
	if !strings.Contains(res.Text, "| 2026-11-28 23:00:00 | 1.5000 |") || !strings.Contains(res.Text, "\n== dead letters ==\n2: CAST(n as SIGNED)") || res.Dead != 1 {
		t.Errorf("got\n%s\nexpected it to begin with\n%s", res.Text, want)
	}
}

// A test that cannot be read says which line and what was expected.
func TestParse_errors(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"format: words\n":                                         "there is no section == lines ==",
		"formt: words\n== lines ==\n":                             "line 1: there is no option formt; there are format, log-format-string, time-zone, max-lateness, max-ahead and kafka-time",
		"a b\n== lines ==\n":                                      "line 1: expected an option such as format: combined, a comment, or == lines ==; got a b",
		"time-zone: Mars\n== lines ==\n":                          "line 1: time-zone is \"Mars\", must be",
		"kafka-time: now\n== lines ==\n":                          "line 1: kafka-time is \"now\", must be",
		"== lines ==\na\n== lines ==\n":                           "line 3: a second section \"lines\"",
		"== lines ==\na\n== rows of t ==\nx\n":                    "line 4: expected a row such as",
		"== lines ==\na\n== rows of t ==\n|a|b|\n|1|\n":           "line 5: the row has 1 cells, and the table 2 columns",
		"== rows of t ==\n|a|\n== rows of t ==\n|a|\n== lines ==": "line 3: a second section \"rows of t\"",
	} {
		if _, err := Parse(text); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: got the error %v, expected %s", text, err, want)
		}
	}
}

// Texts that would be read as something else are written in quotes or with escapes, so that two values never look alike.
func TestCell(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"": "''", " a": "' a'", "a|b": `a\x7cb`, "a b": "a b", "'": "'''", "a\tb": `a\tb`, "é": "é"} {
		if got := Cell(text); got != want {
			t.Errorf("%q: got %s, expected %s", text, got, want)
		}
	}
}

// The limits of lateness are those of the flags, and compare with kafka-time.
func TestRun_lateness(t *testing.T) {
	t.Parallel()
	const queryText = "INSERT INTO t SELECT DATE(ts) AS day, COUNT(*) AS n FROM events GROUP BY day"
	res := run(t, queryText, "format: json\nkafka-time: 2026-11-28 12:00:00\nmax-lateness: 1d\nmax-ahead: 5m\n== lines ==\n{\"ts\":\"2026-11-27 12:00:00\"}\n{\"ts\":\"2026-11-27 11:59:59\"}\n{\"ts\":\"2026-11-28 12:05:01\"}\n")
	const want = "\n== dead letters ==\n" +
		"2: ts is 2026-11-27 11:59:59.000000, more than 24h0m0s (option 'max-lateness') before the record's timestamp in Kafka, 2026-11-28 12:00:00.000000\n" +
		"3: ts is 2026-11-28 12:05:01.000000, more than 5m0s (option 'max-ahead') after the record's timestamp in Kafka, 2026-11-28 12:00:00.000000\n"
	if !strings.Contains(res.Text, "| 2026-11-27 00:00:00 | 1 |") || !strings.HasSuffix(res.Text, want) {
		t.Errorf("got\n%s\nexpected one row of 2026-11-27 and\n%s", res.Text, want)
	}
	if _, err := Parse("max-ahead: 5\n== lines ==\n"); err == nil || !strings.HasPrefix(err.Error(), `line 1: max-ahead: "5" is not an age, must be like 14d`) {
		t.Errorf("got %v, expected an error of line 1 about max-ahead", err)
	}
}

// The rows of joined tables are given in sections of the test; columns that are left out are NULL.
func TestRun_joined(t *testing.T) {
	t.Parallel()
	const queryText = "CREATE TABLE site.hosts (name VARCHAR(9) PRIMARY KEY, team VARCHAR(9), rack INT);" +
		"INSERT INTO t SELECT word, COALESCE(h.team, '-') AS team, h.rack, COUNT(*) AS n FROM events LEFT JOIN site.hosts h ON h.name = word GROUP BY word, team, rack"
	const given = "format: words\n\n== lines ==\na b c NULL\n\n== table site.hosts ==\n| team | name   |\n| one  | a      |\n| NULL | b      |\n| ''   | 'NULL' |\n"
	res := run(t, queryText, given+"== rows of t ==\n| word | team | rack | n |\n| 'NULL' | '' | NULL | 1 |\n")
	const want = given + "\n== rows of t ==\n| word | team | rack | n |\n| NULL | ''   | NULL | 1 |\n| a    | one  | NULL | 1 |\n| b    | -    | NULL | 1 |\n| c    | -    | NULL | 1 |\n"
	if diff := cmp.Diff(want, res.Text); diff != "" {
		t.Errorf("(-expected +got):\n%s", diff)
	}
	for given, reason := range map[string]string{
		"":                                      "the query joins site.hosts, whose rows are not given: expected a section == table site.hosts == with them",
		"== table hosts ==\n":                   "table hosts: the query does not join it",
		"== table site.hosts ==\n|nam|\n":       "table site.hosts: the query declares no column nam",
		"== table site.hosts ==\n|team|\n|a|\n": "table site.hosts: the row with name = NULL: column name is NULL, but the query declares it NOT NULL",
		"== table site.hosts ==\n|name|rack|\n|a|x|\n": `table site.hosts: the row with name = "a": column rack is "x", which is no INT`,
	} {
		f, err := Parse("format: words\n== lines ==\na\n" + given)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Run(t.Context(), queryText, strings.Clone); err == nil || err.Error() != reason {
			t.Errorf("%q: got %v, expected %q", given, err, reason)
		}
	}
	if _, err := Parse("== lines ==\n== rows of t ==\n== table h ==\n"); err == nil || err.Error() != `line 3: the section "table h" must be in front of what is expected` {
		t.Errorf("a table behind what is expected: got %v", err)
	}
}

// A file for other commands has nothing but such sections.
func TestParseTables(t *testing.T) {
	t.Parallel()
	got, err := ParseTables("== table a ==\n|x|\n|1|\n\n== table b ==\n")
	if err != nil || len(got) != 2 || got[0].Name != "a" || len(got[0].Rows) != 2 || got[1].Name != "b" {
		t.Errorf("got %v and %v, expected the tables a and b", got, err)
	}
	for _, text := range []string{"format: words\n== table a ==\n", "== table a ==\n== lines ==\n", "== table a ==\n== dead letters ==\n", "== table a ==\nx\n"} {
		if _, err := ParseTables(text); err == nil {
			t.Errorf("%q: got no error", text)
		}
	}
}
