package mysqlout

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/internal/mariadbtest"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqltest"
	"github.com/sluice-etl/sluice/query"
	"github.com/sluice-etl/sluice/row"
)

// computedQuery compiles a query of the table hits with computed columns.
func computedQuery(t *testing.T) *query.Plan {
	t.Helper()
	p := sqltest.Plan(t, "json", `INSERT INTO hits SELECT COALESCE(LEFT(p, 50), '') AS p, COUNT(*) AS n, SUM(CAST(b AS DECIMAL(20,2))) / COUNT(*) AS mean,
		ROUND(100 * COUNT(IF(s >= 500, 1, NULL)) / COUNT(*), 2) AS pct, AVG(CAST(b AS DECIMAL(20,2))) AS average,
		MAX(CAST(b AS DECIMAL(20,2))) - MIN(CAST(b AS DECIMAL(20,2))) AS spread, COUNT(b) AS sized FROM events GROUP BY p`)
	return p
}

// Computed columns have, after any number of batches, the values that the server computes from all records at once.
func TestComputed_equalsTheRecords(t *testing.T) {
	t.Parallel()
	f := newFixture(t, sqltest.Open(t, mariadbtest.Start(t)), testConfig())
	text := foldComputed(t, f)
	const shown = "p, n, mean, pct, average, spread, sized"
	got := f.Text(t, "SELECT "+shown+" FROM hits ORDER BY p")
	want := f.Text(t, `SELECT p, COUNT(*), SUM(b) / COUNT(*), ROUND(100 * COUNT(IF(s >= 500, 1, NULL)) / COUNT(*), 2), AVG(b), MAX(b) - MIN(b), COUNT(b)
		FROM records GROUP BY p ORDER BY p`)
	if got != want || strings.Count(got, "\n") != 6 {
		t.Errorf("after the batches of %s:\ngot\n%s\nexpected\n%s", text, got, want)
	}
	if all := f.Text(t, "SELECT * FROM hits ORDER BY p"); strings.Contains(all, "__") || strings.Count(all, " ") != strings.Count(got, " ") {
		t.Errorf("SELECT * returns\n%s\nexpected the columns %s in some order", all, shown)
	}
}

// The embedded database has computed columns, but its upserts fail in tables that have any. So a start is refused.
func TestComputed_embeddedIsRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t, sqltest.Embedded(t), testConfig())
	_, err := f.sink.Prepare(t.Context(), computedQuery(t).Tables())
	if !errors.Is(err, checkpoint.ErrRefused) || !strings.Contains(err.Error(), "hits.mean: the embedded database cannot") {
		t.Errorf("got %v, expected a refusal that names hits.mean", err)
	}
}

// foldComputed folds random records in several batches, commits them, and stores them in the table records.
func foldComputed(t *testing.T, f *fixture) (text string) {
	t.Helper()
	plan := computedQuery(t)
	f.bind(t, plan)
	f.Exec(t, "CREATE TABLE records (p VARCHAR(50), s INT, b DECIMAL(20,2))")
	rng := rand.New(rand.NewPCG(5, 7))
	at := mustClaim(t, f.sink, 0)
	fold := plan.NewFold()
	for id := range byte(6) {
		var records []batch.Record
		var values []string
		n := 1 + rng.IntN(60)
		for i := range n {
			p, s := rng.IntN(7), 100*(1+rng.IntN(5))
			b := "null"
			if p != 0 && rng.IntN(3) > 0 {
				b = fmt.Sprintf("%d.%02d", rng.IntN(100_000)-50_000, rng.IntN(100))
			}
			records = append(records, batch.Record{Offset: at[0].Next + int64(i), Value: fmt.Appendf(nil, `{"p":"%d","s":%d,"b":%s}`, p, s, b)})
			values = append(values, fmt.Sprintf("('%d',%d,%s)", p, s, b))
		}
		var tally batch.Tally
		fold.Add(at[0].Partition, records, &tally)
		if len(tally.Dead) > 0 {
			t.Fatalf("got dead letters %v, expected none", tally.Dead)
		}
		if err := f.sink.Commit(t.Context(), taskBatch(id+1, int64(n), fold.Take(), at...)); err != nil {
			t.Fatal(err)
		}
		at = advance(at, int64(n))
		f.Exec(t, "INSERT INTO records VALUES "+strings.Join(values, ","))
		text += fmt.Sprintf("%d records, ", n)
	}
	return strings.TrimSuffix(text, ", ")
}

// If the expression of a computed column is altered while the process runs, nothing is written until it is that of the
// query again: the table would show wrong numbers.
func TestP19_AnAlteredComputedColumnBlocks(t *testing.T) {
	t.Parallel()
	f := newFixture(t, sqltest.Open(t, mariadbtest.Start(t)), testConfig())
	plan := computedQuery(t)
	f.prepare(t, plan.Tables()...)
	at := mustClaim(t, f.sink, 0)
	commit := func(id byte) error {
		rows := rowsOf(&f.tables[0], 1, func(int) []byte { return textKey("a") }, func(r *row.Rows, _ int, cells []row.Cell) {
			for i := range cells {
				cells[i] = cell(3)
			}
		})
		err := f.sink.Commit(t.Context(), taskBatch(id, 1, row.Delta{Tables: []*row.Rows{rows}}, at...))
		if err == nil {
			at = advance(at, 1)
		}
		return err
	}
	if err := commit(1); err != nil {
		t.Fatal(err)
	}
	definition := f.Text(t, "SELECT CONCAT(column_type, ' GENERATED ALWAYS AS (', generation_expression, ') VIRTUAL') FROM information_schema.columns "+
		"WHERE table_schema = DATABASE() AND table_name = 'hits' AND column_name = 'mean'")
	f.Exec(t, "ALTER TABLE hits DROP COLUMN mean, ADD COLUMN mean "+strings.Replace(definition, "cast(", "cast(2 * ", 1))
	for _, want := range []error{checkpoint.ErrRetry, checkpoint.ErrBlocked, checkpoint.ErrBlocked} {
		if err := commit(2); !errors.Is(err, want) {
			t.Fatalf("got %v, expected %v", err, want)
		}
	}
	f.Exec(t, "ALTER TABLE hits DROP COLUMN mean, ADD COLUMN mean "+definition)
	if err := commit(2); err != nil {
		t.Fatalf("with the first expression again: got %v, expected none", err)
	}
	if got := f.Text(t, "SELECT n, mean FROM hits"); got != "6 0.010000" {
		t.Errorf("got %q, expected 6 records with the mean 0.010000", got)
	}
}
