package query

import (
	"strings"
	"testing"
)

// A CREATE TABLE is that of a target, in front of what writes it. The text between « and » is the place of the error.
func TestCompile_declared(t *testing.T) {
	t.Parallel()
	const count = " SELECT host, COUNT(*) AS n FROM events GROUP BY host"
	for marked, reason := range map[string]string{
		"CREATE TABLE «other» (a INT); INSERT INTO t" + count:                       "statement 1: no statement writes or joins other: leave CREATE TABLE out",
		"CREATE TABLE «T» (a INT); INSERT INTO t" + count:                           "statement 1: no statement writes or joins T: statement 2 writes t, which must be written in the same way",
		"CREATE TABLE «t» (a INT); INSERT INTO db.t" + count:                        "statement 1: no statement writes or joins t: statement 2 writes db.t, which must be",
		"CREATE TABLE IF NOT EXISTS «`db` . t» (a INT); INSERT INTO t" + count:      "statement 1: no statement writes or joins db.t: statement 2 writes t, which must be",
		"INSERT INTO t" + count + "; CREATE TABLE «t» (a INT)":                      "statement 2: statement 1 writes t before this one creates it: write CREATE TABLE first",
		"CREATE TABLE t (a INT); CREATE TABLE «t» (a INT); INSERT INTO t" + count:   "statement 2: a second CREATE TABLE of t: write one",
		"CREATE TABLE «t» (a INT); INSERT INTO t" + count + " HAVING n > 3":         "statement 1: t is a view of the table t__groups, because the query has HAVING, SESSION or an outer SELECT, and both are created without a declaration",
		"CREATE TABLE «t__groups» (a INT); INSERT INTO t" + count + " HAVING n > 3": "statement 1: t is a view of the table t__groups",
		"CREATE TABLE t (a INT, «a INT»); INSERT INTO t" + count:                    "statement 1: column a: it is declared twice",
		"CREATE TABLE t (a INT, b INT«»":                                            "statement 1: syntax error",
		"CREATE TABLE t (a INT)":                                                    "the query is empty",
	} {
		text := strings.NewReplacer("«", "", "»", "").Replace(marked)
		o := DefaultOptions()
		o.Format = "combined"
		_, err := Compile(text, o)
		if err == nil || !strings.HasPrefix(err.Error(), reason) {
			t.Errorf("%s: got %v, expected %q", text, err, reason)
			continue
		}
		before, rest, placed := strings.Cut(marked, "«")
		place, _, _ := strings.Cut(rest, "»")
		if from, to, ok := Place(err); ok != placed || placed && (from != len(before) || text[from:to] != place) {
			t.Errorf("%s: got the place %d to %d, %v, expected %q", text, from, to, ok, place)
		}
	}
}

// The declaration is not a part of what rows mean, and reaches the target unchanged.
func TestCompile_declarationIsNotHashed(t *testing.T) {
	t.Parallel()
	const insert = "INSERT INTO t SELECT host, COUNT(*) AS n FROM events GROUP BY host"
	const create = "CREATE TABLE t (host VARCHAR(99) NOT NULL, -- who\n n BIGINT, PRIMARY KEY (host)) COMMENT='hits' COLLATE=utf8mb4_0900_bin"
	o := DefaultOptions()
	o.Format = "combined"
	var hashes [2][32]byte
	for i, text := range []string{insert, "/* a */ " + create + " ; " + insert} {
		p, err := Compile(text, o)
		if err != nil {
			t.Fatal(err)
		}
		hashes[i], _ = p.Fingerprint()
		d := p.Tables()[0].Declared
		if i == 0 {
			if d != nil {
				t.Errorf("got the declaration %+v, expected none", d)
			}
			continue
		}
		if d.SQL != create || d.Column("HOST").Collate != "utf8mb4_0900_bin" || d.Column("n").Precision != -1 || !d.HasUnique() || d.Keys[0].Columns[0] != "host" {
			t.Errorf("got the declaration %+v", d)
		}
	}
	if hashes[0] != hashes[1] {
		t.Error("the fingerprint changes with the declaration")
	}
}
