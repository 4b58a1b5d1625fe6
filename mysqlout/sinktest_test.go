package mysqlout

import (
	"database/sql"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/batch/sinktest"
	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/internal/mariadbtest"
	"github.com/sluice-etl/sluice/internal/mysqlproxy"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqltest"
	"github.com/sluice-etl/sluice/pool"
	"github.com/sluice-etl/sluice/row"
)

func TestSinktest_mariadb(t *testing.T) {
	t.Parallel()
	runSinktest(t, "CREATE TABLE counts (item VARCHAR(200) COLLATE utf8mb4_nopad_bin PRIMARY KEY, n BIGINT NOT NULL)",
		sqltest.CountsTable(), countsDelta)
}

// The same protocol holds for a table with a state, whose rows are read, joined and written back.
func TestSinktest_stateful(t *testing.T) {
	t.Parallel()
	runSinktest(t, createLatest, latestTable(), latestCounts())
}

// The same protocol holds for a table whose key can be NULL: the key that the suite adds to in most tests is NULL here.
func TestSinktest_nullKey(t *testing.T) {
	t.Parallel()
	table := sqltest.CountsTable()
	table.Columns[0].Nullable = true
	const create = `CREATE TABLE counts (item__key VARCHAR(200) COLLATE utf8mb4_nopad_bin NOT NULL, item__null TINYINT NOT NULL, n BIGINT NOT NULL,
		item VARCHAR(200) COLLATE utf8mb4_nopad_bin GENERATED ALWAYS AS (CASE WHEN item__null = 0 THEN item__key END) VIRTUAL, PRIMARY KEY (item__key, item__null))`
	runSinktest(t, create, table, func(table *row.Table, counts map[string]int64) row.Delta {
		r := row.NewRows(table)
		for key, n := range counts {
			k := row.AppendNotNullKey(row.AppendKeyBytes(nil, []byte(key)))
			if key == "a" {
				k = table.Columns[0].AppendNullKey(nil)
			}
			i, _ := r.Find(k)
			r.Cells(i)[0] = cell(n)
		}
		return row.Delta{Tables: []*row.Rows{r}}
	})
}

// latestCounts returns a function that builds a delta of latestTable. Each row is of a later record than those before.
func latestCounts() func(table *row.Table, counts map[string]int64) row.Delta {
	var offset atomic.Int64
	return func(table *row.Table, counts map[string]int64) row.Delta {
		r := row.NewRows(table)
		for key, n := range counts {
			foldLatest(r, record{0, offset.Add(1), 0}, key, row.Value{Number: row.FromInt(n), Set: true}, row.Value{})
		}
		return row.Delta{Tables: []*row.Rows{r}}
	}
}

func runSinktest(t *testing.T, create string, table row.Table, delta func(*row.Table, map[string]int64) row.Delta) {
	server := mariadbtest.Start(t)
	sinktest.Run(t, func(t *testing.T) sinktest.Harness[row.Delta] {
		proxy, err := mysqlproxy.Start(server.Addr())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = proxy.Close() })
		db := server.Database(t)
		c := pool.DefaultConfig()
		c.DSN = server.DSNVia(proxy.Addr(), db)
		h := sqltest.OpenSQL(t, server.DSN(db))
		p := sqltest.OpenPool(t, c)
		harness, server := sqlHarness(t, p, h, table, delta), sqltest.Version(t, p)
		harness.Rejected = "bad"
		for _, text := range []string{create, refuseBad(server)} {
			if _, err := h.Exec(sqltest.Adapt(server, text)); err != nil {
				t.Fatal(err)
			}
		}
		harness.Lose = func(carriedOut bool) {
			if carriedOut {
				proxy.Commits(mysqlproxy.Once(mysqlproxy.CutAfter))
			} else {
				proxy.Commits(mysqlproxy.Once(mysqlproxy.CutBefore))
			}
		}
		return harness
	})
}

// sqlHarness returns a Harness for a database that SQL reaches.
func sqlHarness(
	t *testing.T, p *pool.Pool, h *sql.DB, table row.Table, delta func(*row.Table, map[string]int64) row.Delta,
) sinktest.Harness[row.Delta] {
	do := func(text string) {
		t.Helper()
		if _, err := h.Exec(text); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	}
	make1 := func(c Config) batch.Sink[row.Delta] {
		t.Helper()
		s := New(c, p, nil, nil)
		if _, err := s.Prepare(t.Context(), []row.Table{table}); err != nil {
			t.Fatal(err)
		}
		return s
	}
	return sinktest.Harness[row.Delta]{
		Open: func() batch.Sink[row.Delta] { return make1(testConfig()) },
		OpenQuery: func() batch.Sink[row.Delta] {
			c := testConfig()
			c.QueryHash, c.QueryText = [32]byte{9}, "another"
			return make1(c)
		},
		Delta: func(counts map[string]int64) row.Delta { return delta(&table, counts) },
		Rows: func() map[string]int64 {
			t.Helper()
			out := map[string]int64{}
			rows, err := h.Query("SELECT COALESCE(item, 'a'), n FROM counts")
			if err != nil {
				t.Fatal(err)
			}
			defer rows.Close()
			for rows.Next() {
				var item string
				var n int64
				if err := rows.Scan(&item, &n); err != nil {
					t.Fatal(err)
				}
				out[item] = n
			}
			return out
		},
		Checkpoints: func(topic string) []checkpoint.Checkpoint {
			t.Helper()
			offsets, err := New(testConfig(), p, nil, nil).ledger.Offsets(t.Context(), topic)
			if err != nil {
				t.Fatal(err)
			}
			var out []checkpoint.Checkpoint
			for _, o := range offsets {
				out = append(out, o.Checkpoint)
			}
			return out
		},
		DeadLetters: func() (n int) {
			t.Helper()
			if err := h.QueryRow("SELECT COUNT(*) FROM etl_dead_letter").Scan(&n); err != nil {
				t.Fatal(err)
			}
			return n
		},
		Delete: func(c checkpoint.Partition) {
			do(fmt.Sprintf("DELETE FROM etl_checkpoint WHERE partition_id = %d", c.ID))
		},
		Copy: func() func() {
			tables := []string{"etl_checkpoint", "etl_target", "etl_dead_letter", "counts"}
			for _, name := range tables {
				do("CREATE TABLE copy_" + name + " AS SELECT * FROM " + name)
			}
			return func() {
				for _, name := range slices.Backward(tables) {
					do("DELETE FROM " + name)
					columns := written(t, h, name)
					do("INSERT INTO " + name + " (" + columns + ") SELECT " + columns + " FROM copy_" + name)
				}
			}
		},
	}
}

// written returns the columns of a table that are not generated.
func written(t *testing.T, h *sql.DB, table string) (columns string) {
	t.Helper()
	err := h.QueryRow("SELECT GROUP_CONCAT(column_name) FROM information_schema.columns "+
		"WHERE table_schema = DATABASE() AND table_name = ? AND extra NOT LIKE '%VIRTUAL%'", table).Scan(&columns)
	if err != nil {
		t.Fatal(err)
	}
	return columns
}
