//go:build integration

package integration

import (
	"context"
	"database/sql"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// checkpointRow holds the counts of a partition's checkpoint.
type checkpointRow struct {
	First, Next                                        int64
	Counted, Filtered, Dead, Gaps, Duplicates, Skipped int64
}

func readCheckpoints(ctx context.Context, t *testing.T, db *sql.DB, job string) map[int32]checkpointRow {
	t.Helper()
	rows, err := db.QueryContext(ctx, `SELECT partition_id, first_offset, next_offset, counted, filtered, dead, gaps,
duplicates, skipped FROM etl_checkpoint WHERE job = ?`, job)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	read := map[int32]checkpointRow{}
	for rows.Next() {
		var p int32
		var c checkpointRow
		if err := rows.Scan(&p, &c.First, &c.Next, &c.Counted, &c.Filtered, &c.Dead, &c.Gaps, &c.Duplicates, &c.Skipped); err != nil {
			t.Fatal(err)
		}
		read[p] = c
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return read
}

// readTable returns a query's rows as text: the first keys columns, joined, are the key, and the others the value.
func readTable(ctx context.Context, t *testing.T, db *sql.DB, query string, keys int) map[string]string {
	t.Helper()
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	cells := make([]sql.NullString, len(columns))
	places := make([]any, len(columns))
	for i := range cells {
		places[i] = &cells[i]
	}
	read := map[string]string{}
	for rows.Next() {
		if err := rows.Scan(places...); err != nil {
			t.Fatal(err)
		}
		texts := make([]string, len(cells))
		for i, c := range cells {
			texts[i] = "NULL"
			if c.Valid {
				texts[i] = c.String
			}
		}
		read[strings.Join(texts[:keys], " ")] = strings.Join(texts[keys:], " ")
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return read
}

// compare compares MySQL's rows, audit and dead letters exactly with the truth.
func compare(ctx context.Context, t *testing.T, db *sql.DB, tr *truth) {
	t.Helper()
	wantHits, wantHosts, wantPages := tr.tables()
	differ(t, "hits", wantHits, readTable(ctx, t, db, selectHits, 3))
	differ(t, "hosts", wantHosts, readTable(ctx, t, db, selectHosts, 1))
	differ(t, "pages", wantPages, readTable(ctx, t, db, selectPages, 1))

	want := map[int32]checkpointRow{}
	var dead int64
	for p, f := range tr.fates {
		want[p] = checkpointRow{Next: f.next, Counted: f.counted, Filtered: f.filtered, Dead: f.dead}
		dead += f.dead
	}
	if diff := cmp.Diff(want, readCheckpoints(ctx, t, db, job)); diff != "" {
		t.Errorf("etl_checkpoint against the topic (-expected +got):\n%s", diff)
	}
	var kept int64
	if err := db.QueryRowContext(ctx, "SELECT COUNT(*) FROM etl_dead_letter").Scan(&kept); err != nil {
		t.Fatal(err)
	}
	if kept != dead {
		t.Errorf("etl_dead_letter has %d records, expected %d, which do not parse", kept, dead)
	}
}

// differ reports the first differences between two tables and their number.
func differ(t *testing.T, table string, want, got map[string]string) {
	t.Helper()
	const most = 5
	n := 0
	report := func(key, w, g string) {
		if n++; n <= most {
			t.Errorf("%s %s: expected %s, got %s", table, key, w, g)
		}
	}
	for key, w := range want {
		if g, ok := got[key]; !ok {
			report(key, w, "no row")
		} else if g != w {
			report(key, w, g)
		}
	}
	for key, g := range got {
		if _, ok := want[key]; !ok {
			report(key, "no row", g)
		}
	}
	if n > most {
		t.Errorf("%s: %d differences in all, of %d rows", table, n, len(want))
	}
}

// audit checks the audit equation repeatedly until ctx is done, and returns the number of checks. A row that does not
// balance at any instant is a failure.
func audit(ctx context.Context, t *testing.T, db *sql.DB) int {
	looks := 0
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return looks
		}
		var p sql.NullInt64
		err := db.QueryRowContext(ctx, `SELECT MIN(partition_id) FROM etl_checkpoint
WHERE next_offset - first_offset <> counted + filtered + dead + gaps + duplicates + skipped`).Scan(&p)
		if err != nil {
			continue // the table is not there yet, or the server is away
		}
		looks++
		if p.Valid {
			t.Errorf("check %d: the audit of partition %d does not balance, expected one fate for each offset", looks, p.Int64)
			return looks
		}
	}
}
