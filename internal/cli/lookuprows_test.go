package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Rows of joined tables come from a file where no server does.
func TestLookupRows(t *testing.T) {
	withoutEnvironment(t)
	rows := filepath.Join(t.TempDir(), "rows")
	if err := os.WriteFile(rows, []byte("== table hosts ==\n| name | team |\n| a | one |\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const query = "--query=CREATE TABLE hosts (name VARCHAR(9) PRIMARY KEY, team VARCHAR(9)); INSERT INTO t SELECT h.team, COUNT(*) AS n FROM events JOIN hosts h ON h.name = word GROUP BY team"
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"dry-run", "--format=words", query, "--lookup-rows=" + rows, "-"}, 0, "one   2"},
		{[]string{"dry-run", "--format=words", query, "-"}, ExitUsage, "--lookup-rows: the query joins hosts, whose rows are not given"},
		{[]string{"explain", "--format=words", query, "--lookup-rows=" + rows, "--line=a b"}, 0, "one   1"},
		{[]string{"explain", "--format=words", query}, 0, "join    `hosts` as h on h.`name` = word"},
		{[]string{"dry-run", "--format=words", query, "--lookup-rows=" + rows + ".none", "-"}, ExitUsage, "--lookup-rows: open "},
	} {
		var out, errs bytes.Buffer
		code := Main(c.args, Streams{In: strings.NewReader("a b a\n"), Out: &out, Err: &errs})
		if all := out.String() + errs.String(); code != c.code || !strings.Contains(all, c.want) {
			t.Errorf("%q: exit code %d and\n%s\nexpected %d and %q", c.args, code, all, c.code, c.want)
		}
	}
}
