package mysqlout

import (
	"strings"
	"testing"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/internal/mariadbtest"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqltest"
)

// A query without GROUP BY adds to one row, in the table that etl creates and in an existing one after the advice of the
// check, whose row is kept.
func TestOneRow(t *testing.T) {
	t.Parallel()
	server := mariadbtest.Start(t)
	for name, db := range map[string]*sqltest.DB{"created": sqltest.Open(t, server), "existing": sqltest.Open(t, server), "embedded": sqltest.Embedded(t)} {
		f := newFixture(t, db, testConfig())
		plan := sqltest.Plan(t, "json", "INSERT INTO t SELECT COUNT(*) AS n, MAX(CAST(v AS SIGNED)) AS most FROM events WHERE v IS NOT NULL")
		want, columns := "4 9", "*"
		switch name {
		case "existing":
			want = "14 9"
			f.Exec(t, "CREATE TABLE t (n BIGINT NOT NULL, most BIGINT)", "INSERT INTO t VALUES (10, 7)")
			if _, err := f.sink.Prepare(t.Context(), plan.Tables()); err == nil {
				t.Fatal("got a table without a key prepared, expected a refusal")
			}
			for _, x := range findingsOf(t, f.sink, plan.Tables()...) {
				if strings.HasPrefix(x.Do, "ALTER TABLE") {
					f.Exec(t, x.Do)
				}
			}
			f.sink.config.Adopt = true
		case "embedded":
			columns = "n, most" // it has no invisible columns
		}
		f.bind(t, plan)
		at := mustClaim(t, f.sink, 0)
		fold := plan.NewFold()
		for id := range byte(2) {
			var tally batch.Tally
			fold.Add(at[0].Partition, []batch.Record{{Offset: at[0].Next, Value: []byte(`{"v":3}`)}, {Offset: at[0].Next + 1, Value: []byte(`{"v":9}`)}}, &tally)
			if err := f.sink.Commit(t.Context(), taskBatch(id+1, 2, fold.Take(), at...)); err != nil {
				t.Fatal(err)
			}
			at = advance(at, 2)
		}
		if got := f.Text(t, "SELECT "+columns+" FROM t"); got != want {
			t.Errorf("%s: got %q, expected %q", name, got, want)
		}
	}
}
