package mysqlout

import (
	"errors"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/internal/mariadbtest"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqltest"
	"github.com/sluice-etl/sluice/query"
)

const (
	evolveOld = "INSERT INTO t SELECT COALESCE(LEFT(k, 50), '') AS k, COUNT(*) AS n, SUM(CAST(v AS SIGNED)) AS total FROM events GROUP BY k"
	evolveNew = "INSERT INTO t SELECT COALESCE(LEFT(k, 50), '') AS k, COUNT(*) AS n, SUM(CAST(v AS SIGNED)) AS total, MIN(CAST(v AS SIGNED)) AS low, " +
		"COUNT(v) AS given FROM events GROUP BY k"
)

// evolveConfig is the configuration of a job with a changed query.
func evolveConfig(plan *query.Plan) Config {
	c := testConfig()
	c.QueryHash, c.QueryText = plan.Fingerprint()
	c.EvolveTable, c.ContinueQuery = true, true
	return c
}

// counted opens a database in which the query has counted two records of the key "old": v is 6 in each.
func counted(t *testing.T, server *mariadbtest.Server, text string) *fixture {
	t.Helper()
	f := newFixture(t, sqltest.Open(t, server), evolveConfig(sqltest.Plan(t, "json", text)))
	countMore(t, f, text, `{"k":"old","v":6}`, `{"k":"old","v":6}`)
	return f
}

// countMore counts records by a query, with its own sink.
func countMore(t *testing.T, f *fixture, text string, values ...string) {
	t.Helper()
	plan := sqltest.Plan(t, "json", text)
	f.sink = New(evolveConfig(plan), f.Pool, nil, nil)
	f.bind(t, plan)
	at := mustClaim(t, f.sink, 0)
	fold := plan.NewFold()
	var tally batch.Tally
	for i, value := range values {
		fold.Add(at[0].Partition, []batch.Record{{Offset: at[0].Next + int64(i), Value: []byte(value)}}, &tally)
	}
	if err := f.sink.Commit(t.Context(), taskBatch(byte(at[0].Next), int64(len(values)), fold.Take(), at...)); err != nil {
		t.Fatal(err)
	}
}

const evolved = "new 1 4 4 1\nold 3 15 3 1"

// A start adds what the query shows and the table lacks: an aggregate is that of the records from then on, and NULL before.
func TestEvolve(t *testing.T) {
	t.Parallel()
	f := counted(t, mariadbtest.Start(t), evolveOld)
	countMore(t, f, evolveNew, `{"k":"old","v":3}`, `{"k":"new","v":4}`)
	if got := f.Text(t, "SELECT k, n, total, low, given FROM t ORDER BY k"); got != evolved {
		t.Errorf("got\n%s\nexpected\n%s", got, evolved)
	}
}

// A start that crashed between two statements is completed by the next one, and processes that start at once add each
// column once.
func TestEvolve_inParts(t *testing.T) {
	t.Parallel()
	server := mariadbtest.Start(t)
	for done := range 3 {
		f := counted(t, server, evolveOld)
		plan := sqltest.Plan(t, "json", evolveNew)
		statements, err := New(evolveConfig(plan), f.Pool, nil, nil).schema.Missing(t.Context(), plan.Tables())
		if err != nil || len(statements) != 2 {
			t.Fatalf("got the statements %q and %v, expected two", statements, err)
		}
		f.Exec(t, statements[:done]...)
		var processes errgroup.Group
		for range 3 {
			processes.Go(func() error {
				for { // a start tries again if another process alters the table during its check
					_, err := New(evolveConfig(plan), f.Pool, nil, nil).Prepare(t.Context(), plan.Tables())
					if !errors.Is(err, checkpoint.ErrRetry) || t.Context().Err() != nil {
						return err
					}
				}
			})
		}
		if err := processes.Wait(); err != nil {
			t.Fatalf("after %d statements: %v", done, err)
		}
		countMore(t, f, evolveNew, `{"k":"old","v":3}`, `{"k":"new","v":4}`)
		if got := f.Text(t, "SELECT k, n, total, low, given FROM t ORDER BY k"); got != evolved {
			t.Errorf("after %d statements: got\n%s\nexpected\n%s", done, got, evolved)
		}
	}
}

// A process with the old query may write rows at the same moment, so no column is NOT NULL even if the table is empty.
func TestEvolve_emptyTable(t *testing.T) {
	t.Parallel()
	f := counted(t, mariadbtest.Start(t), evolveOld)
	f.Exec(t, "DELETE FROM t")
	plan := sqltest.Plan(t, "json", evolveNew)
	if err := New(evolveConfig(plan), f.Pool, nil, nil).evolve(t.Context(), plan.Tables()); err != nil {
		t.Fatal(err)
	}
	f.Exec(t, "INSERT INTO t (k, n, total) VALUES ('old', 2, 12)")
	countMore(t, f, evolveNew, `{"k":"old","v":3}`, `{"k":"new","v":4}`)
	if got := f.Text(t, "SELECT k, n, total, low, given FROM t ORDER BY k"); got != evolved {
		t.Errorf("got\n%s\nexpected\n%s", got, evolved)
	}
}

// Nothing is changed before the query and the table are known to be the job's, and nothing is added that would be wrong in
// the rows.
func TestEvolve_refused(t *testing.T) {
	t.Parallel()
	server := mariadbtest.Start(t)
	const group = " FROM events GROUP BY k"
	key := "INSERT INTO t SELECT COALESCE(LEFT(k, 50), '') AS k, COUNT(*) AS n, SUM(CAST(v AS SIGNED)) AS total"
	for name, test := range map[string]struct {
		text, want string
		change     func(*Config)
	}{
		"another query":     {evolveNew, "has counted by another query", func(c *Config) { c.ContinueQuery = false }},
		"another job":       {evolveNew, `table t belongs to job "job", this is job "other"`, func(c *Config) { c.Job = "other" }},
		"not asked":         {evolveNew, "ALTER TABLE `t` ADD COLUMN `low` BIGINT", func(c *Config) { c.EvolveTable = false }},
		"a key":             {key + ", COALESCE(CAST(v AS SIGNED), 0) AS v" + group + ", v", "count records of different values of v", nil},
		"a nullable key":    {key + ", CAST(v AS SIGNED) AS v" + group + ", v", "there are no columns v__key and v__null", nil},
		"a part":            {key + ", AVG(CAST(v AS SIGNED) + 1) AS mean" + group, "their mean would be computed without", nil},
		"a computed column": {key + ", SUM(CAST(v AS SIGNED)) / COUNT(*) AS mean" + group, "right only if none of these was added to rows later", nil},
		"a sketch":          {key + ", APPROX_COUNT_DISTINCT(v) AS d" + group, "their d would be computed without", nil},
		"declared":          {"CREATE TABLE t (k VARCHAR(50) COLLATE utf8mb4_nopad_bin PRIMARY KEY, n BIGINT NOT NULL, total DECIMAL(38,0), low INT NOT NULL DEFAULT 0); " + key + ", MIN(COALESCE(CAST(v AS SIGNED), 0)) AS low" + group, "there is no such column", nil},
		"a table of no job": {evolveNew, "ADD COLUMN", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := counted(t, server, evolveOld)
			if name == "a table of no job" {
				f.Exec(t, "DELETE FROM etl_target WHERE table_name = 't'")
			}
			before := f.Text(t, "SHOW CREATE TABLE t")
			plan := sqltest.Plan(t, "json", test.text)
			c := evolveConfig(plan)
			if test.change != nil {
				test.change(&c)
			}
			_, err := New(c, f.Pool, nil, nil).Prepare(t.Context(), plan.Tables())
			if !errors.Is(err, checkpoint.ErrRefused) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, expected a refusal with %q", err, test.want)
			}
			if after := f.Text(t, "SHOW CREATE TABLE t"); after != before {
				t.Errorf("the table was changed to\n%s", after)
			}
		})
	}
}

// A table that is missing, and must not be created, is refused as without the option.
func TestEvolve_missingTable(t *testing.T) {
	t.Parallel()
	f := counted(t, mariadbtest.Start(t), evolveOld)
	f.Exec(t, "DROP TABLE t")
	plan := sqltest.Plan(t, "json", evolveNew)
	c := evolveConfig(plan)
	c.CreateTables = false
	if _, err := New(c, f.Pool, nil, nil).Prepare(t.Context(), plan.Tables()); !errors.Is(err, checkpoint.ErrRefused) || !strings.Contains(err.Error(), "there is no such table") {
		t.Errorf("got %v, expected a refusal", err)
	}
}

// A column is added as the query declares it.
func TestEvolve_declared(t *testing.T) {
	t.Parallel()
	f := counted(t, mariadbtest.Start(t), evolveOld)
	countMore(t, f, "CREATE TABLE t (k VARCHAR(50) COLLATE utf8mb4_nopad_bin PRIMARY KEY, n BIGINT NOT NULL, total DECIMAL(38,0), low DECIMAL(5,1) UNSIGNED); "+
		"INSERT INTO t SELECT COALESCE(LEFT(k, 50), '') AS k, COUNT(*) AS n, SUM(CAST(v AS SIGNED)) AS total, MIN(CAST(v AS SIGNED)) AS low FROM events GROUP BY k", `{"k":"old","v":3}`)
	if got := f.Text(t, "SELECT n, low FROM t") + f.Text(t, "SELECT column_type FROM information_schema.columns WHERE table_schema = DATABASE() AND column_name = 'low'"); got != "3 3.0decimal(5,1) unsigned" {
		t.Errorf("got %s, expected the declared type", got)
	}
}
