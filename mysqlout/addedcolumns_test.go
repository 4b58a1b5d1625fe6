package mysqlout

import (
	"slices"
	"strings"
	"testing"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/internal/mariadbtest"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqltest"
	"github.com/sluice-etl/sluice/query"
)

// addedTo starts the query text on a table t that holds a row for the key "old", after the check's advice was followed.
// It adds two records, with v 6 and 6, to that row, and two to the new row "new".
func addedTo(t *testing.T, server *mariadbtest.Server, text string, statements ...string) *fixture {
	t.Helper()
	f := newFixture(t, sqltest.Open(t, server), testConfig())
	plan := sqltest.Plan(t, "json", text)
	f.Exec(t, statements...)
	for _, x := range findingsOf(t, f.sink, plan.Tables()...) {
		if strings.HasPrefix(x.Do, "ALTER TABLE") {
			f.Exec(t, x.Do)
		}
	}
	f.sink.config.Adopt = true
	f.bind(t, plan)
	at := mustClaim(t, f.sink, 0)
	fold := plan.NewFold()
	var tally batch.Tally
	for i, value := range []string{`{"k":"old","v":6}`, `{"k":"new","v":6}`} {
		fold.Add(at[0].Partition, []batch.Record{{Offset: at[0].Next + 2*int64(i), Value: []byte(value)}, {Offset: at[0].Next + 2*int64(i) + 1, Value: []byte(value)}}, &tally)
	}
	if err := f.sink.Commit(t.Context(), taskBatch(1, 4, fold.Take(), at...)); err != nil {
		t.Fatal(err)
	}
	return f
}

const keyedTable = "CREATE TABLE t (k VARCHAR(50) COLLATE utf8mb4_nopad_bin PRIMARY KEY, n BIGINT NOT NULL)"

// An aggregate whose column is added to a table of rows says what the records from then on say, and NULL for a row without
// them. A 0 in its place would be the smallest value, or clear every bit.
func TestAddedColumns_startWithoutAValue(t *testing.T) {
	t.Parallel()
	server := mariadbtest.Start(t)
	f := addedTo(t, server, `INSERT INTO t SELECT COALESCE(LEFT(k, 50), '') AS k, COUNT(*) AS n, MIN(CAST(v AS SIGNED)) AS low, MAX(-CAST(v AS SIGNED)) AS high,
		SUM(CAST(v AS SIGNED)) AS total, COUNT(v) AS given, BIT_AND(CAST(v AS SIGNED)) AS ones, BIT_OR(CAST(v AS SIGNED)) AS bits,
		BIT_XOR(CAST(v AS SIGNED)) AS odd, ANY_VALUE(v) AS example FROM events GROUP BY k`,
		keyedTable, "INSERT INTO t VALUES ('old', 100), ('quiet', 7)")
	const want = "new 2 6 -6 12 2 6 6 0 6\nold 102 6 -6 12 2 6 6 0 6\nquiet 7 NULL NULL NULL NULL NULL NULL NULL NULL"
	if got := f.Text(t, "SELECT * FROM t ORDER BY k"); got != want {
		t.Errorf("got\n%s\nexpected\n%s", got, want)
	}
}

// A column that would be wrong in the rows that exist cannot be added to them, but to an empty table.
func TestAddedColumns_refusedInRows(t *testing.T) {
	t.Parallel()
	server := mariadbtest.Start(t)
	for name, test := range map[string]struct{ text, want string }{
		"key":           {"INSERT INTO t SELECT COALESCE(LEFT(k, 50), '') AS k, COALESCE(CAST(v AS SIGNED), 0) AS v, COUNT(*) AS n FROM events GROUP BY k, v", "which count records of different values of v"},
		"nullable key":  {"INSERT INTO t SELECT COALESCE(LEFT(k, 50), '') AS k, CAST(v AS SIGNED) AS v, COUNT(*) AS n FROM events GROUP BY k, v", "there are no columns v__key and v__null"},
		"first record":  {"INSERT IGNORE INTO t SELECT COALESCE(LEFT(k, 50), '') AS k, _offset AS n, CAST(v AS SIGNED) AS v FROM events GROUP BY k", "their v would be computed without"},
		"part of a sum": {"INSERT INTO t SELECT COALESCE(LEFT(k, 50), '') AS k, COUNT(*) AS n, AVG(CAST(v AS SIGNED)) AS mean FROM events GROUP BY k", "their mean would be computed without"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			plan := sqltest.Plan(t, "json", test.text)
			check := func(statements ...string) (refusals []string) {
				f := newFixture(t, sqltest.Open(t, server), testConfig())
				f.Exec(t, statements...)
				for _, x := range findingsOf(t, f.sink, plan.Tables()...) {
					refusals = append(refusals, x.String())
				}
				return refusals
			}
			missing := func(s string) bool {
				return strings.Contains(s, test.want) && strings.Contains(s, "empty the table and read")
			}
			if got := check(keyedTable, "INSERT INTO t VALUES ('old', 100)"); !slices.ContainsFunc(got, missing) {
				t.Errorf("got %q for a table of rows, expected one with %q", got, test.want)
			}
			got := check(keyedTable)
			if slices.ContainsFunc(got, missing) || !slices.ContainsFunc(got, func(s string) bool { return strings.Contains(s, "ADD COLUMN") }) {
				t.Errorf("got %q for an empty table, expected the ALTER TABLE", got)
			}
		})
	}
}

// The groups of a view are read as a whole: an aggregate of them that lacks records would be shown as if it were theirs.
func TestAddedColumns_refusedInGroupsOfAView(t *testing.T) {
	t.Parallel()
	plan := func(having string) *query.Plan {
		return sqltest.Plan(t, "json", "INSERT INTO t SELECT COALESCE(LEFT(k, 50), '') AS k, COUNT(*) AS n FROM events GROUP BY k HAVING "+having)
	}
	f := newFixture(t, sqltest.Open(t, mariadbtest.Start(t)), testConfig())
	f.prepare(t, plan("n > 1").Tables()...)
	f.Exec(t, "INSERT INTO t__groups (k, n) VALUES ('old', 100)")
	var got []string
	for _, x := range findingsOf(t, f.sink, plan("n > 1 AND MAX(CAST(v AS SIGNED)) > 1").Tables()...) {
		got = append(got, x.String())
	}
	if !slices.ContainsFunc(got, func(s string) bool { return strings.Contains(s, "their values in t would be computed without") }) {
		t.Errorf("got %q, expected a refusal of the column that the view needs", got)
	}
}
