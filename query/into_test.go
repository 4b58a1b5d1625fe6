package query

import (
	"strings"
	"testing"
)

// A replay writes another table than the statements name. The rows mean the same, so the fingerprint does not change.
func TestInto(t *testing.T) {
	t.Parallel()
	compile := func(text, into string) (*Plan, error) {
		o := DefaultOptions()
		o.Format, o.Into = "words", into
		return Compile(text, o)
	}
	const text = "INSERT INTO site.words SELECT word, COUNT(*) AS n FROM events GROUP BY word; INSERT INTO site.words SELECT LEFT(word, 9) AS word, COUNT(*) AS n FROM events GROUP BY word"
	live, err := compile(text, "")
	if err != nil {
		t.Fatal(err)
	}
	again, err := compile(text, "words_again")
	if err != nil {
		t.Fatal(err)
	}
	if got := again.Tables(); len(got) != 1 || got[0].FullName() != "site.words_again" || len(got[0].Columns) != 2 {
		t.Errorf("the tables are %v, expected site.words_again", got)
	}
	if a, _ := live.Fingerprint(); true {
		if b, _ := again.Fingerprint(); a != b {
			t.Error("the fingerprint of the replay is another one")
		}
	}
	view, err := compile("INSERT INTO often SELECT word, COUNT(*) AS n FROM events GROUP BY word HAVING n > 1", "again")
	if err != nil {
		t.Fatal(err)
	}
	if got := view.Tables()[0]; got.Name != "again__groups" || got.View.Name != "again" || !strings.Contains(got.View.SQL, "`again__groups`") {
		t.Errorf("the table is %s with the view %s: %s; expected again", got.Name, got.View.Name, got.View.SQL)
	}
	declared, err := compile("/* a */ CREATE TABLE IF NOT EXISTS `site` . `a(b` (word VARCHAR(99) COLLATE utf8mb4_nopad_bin NOT NULL PRIMARY KEY, n BIGINT NOT NULL) COMMENT 'c';\n"+
		"INSERT INTO site.`a(b` SELECT word, COUNT(*) AS n FROM events GROUP BY word", "again")
	if err != nil {
		t.Fatal(err)
	}
	d := declared.Tables()[0].Declared
	if want := "CREATE TABLE IF NOT EXISTS `site`.`again` (word VARCHAR(99) COLLATE utf8mb4_nopad_bin NOT NULL PRIMARY KEY, n BIGINT NOT NULL) COMMENT 'c'"; d == nil || d.SQL != want || d.SQL[d.ListEnd:] != ") COMMENT 'c'" {
		t.Errorf("the declaration is %v, expected %s", d, want)
	}
	for _, test := range []struct{ text, into, want string }{
		{text, "words", "the table of the query itself"},
		{text, "WORDS", "the table of the query itself"},
		{"INSERT INTO a SELECT word, COUNT(*) AS n FROM events GROUP BY word; INSERT INTO b SELECT word, COUNT(*) AS n FROM events GROUP BY word", "c", "statement 2: it writes b, and an earlier statement a, but a replay writes one table"},
		{text, "site.again", "must be the name of a table"},
		{text, strings.Repeat("x", 65), "must be the name of a table"},
		{text, "a`b", "must be the name of a table"},
	} {
		if _, err := compile(test.text, test.into); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("into %s: got %v, expected an error that contains %q", test.into, err, test.want)
		}
	}
}
