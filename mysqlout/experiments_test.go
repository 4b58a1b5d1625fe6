package mysqlout

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/internal/mariadbtest"
	"github.com/sluice-etl/sluice/internal/mysqlproxy"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqltest"
	"github.com/sluice-etl/sluice/pool"
	"github.com/sluice-etl/sluice/row"
)

// hitsTable returns the target of GROUP BY status with a SUM, a MIN and a MAX that can be NULL.
func hitsTable() row.Table {
	return row.Table{Name: "hits", Grouped: true, Keys: 1, Columns: []row.Column{
		{Name: "status", Kind: row.Int, Merge: row.Key},
		{Name: "hits", Kind: row.Int, Merge: row.Add},
		{Name: "bytes", Kind: row.Decimal, Scale: 2, Merge: row.Add, Nullable: true},
		{Name: "least", Kind: row.Int, Merge: row.Min, Nullable: true},
		{Name: "most", Kind: row.Int, Merge: row.Max, Nullable: true},
		{Name: "path", Kind: row.Text, Merge: row.Max, Nullable: true},
	}}
}

func hitsDelta(table *row.Table, status int64, set func(r *row.Rows, c []row.Cell)) row.Delta {
	return row.Delta{Tables: []*row.Rows{rowsOf(table, 1,
		func(int) []byte { return row.AppendKeyNumber(nil, row.FromInt(status)) },
		func(r *row.Rows, _ int, c []row.Cell) {
			c[0] = cell(1)
			set(r, c)
		})}}
}

// A batch whose group is all NULL must not make SUM, MIN and MAX NULL permanently while COUNT and the audit are right.
func TestE1_P15_NullSafeMerge(t *testing.T) {
	t.Parallel()
	table := hitsTable()
	f := open(t, mariadbtest.Start(t), testConfig(), table)
	at := mustClaim(t, f.sink, 0)
	values := func(r *row.Rows, c []row.Cell) {
		c[1], c[2], c[3] = cell(6000050), cell(10), cell(900)
		r.SetBytes(&c[4], []byte("/b"))
	}
	nothing := func(*row.Rows, []row.Cell) {}
	other := func(r *row.Rows, c []row.Cell) {
		c[1], c[2], c[3] = cell(-25), cell(-3), cell(901)
		r.SetBytes(&c[4], []byte("/B"))
	}
	for i, set := range []func(*row.Rows, []row.Cell){nothing, values, nothing, other} {
		if err := f.sink.Commit(t.Context(), taskBatch(byte(i), 1, hitsDelta(&table, 200, set), at...)); err != nil {
			t.Fatal(err)
		}
		at = advance(at, 1)
	}
	if got, want := f.Text(t, "SELECT * FROM hits"), "200 4 60000.25 -3 901 /b"; got != want {
		t.Errorf("hits is %q, expected %q", got, want)
	}
}

// Table definitions that corrupted results in experiments are refused before a row is written.
func TestE1b_tablesThatSplitOrMergeRows(t *testing.T) {
	t.Parallel()
	server := mariadbtest.Start(t)
	for name, test := range map[string]struct{ ddl, want string }{
		"nullable key":     {"CREATE TABLE counts (item VARCHAR(200) COLLATE utf8mb4_nopad_bin NULL, n BIGINT NOT NULL, UNIQUE (item))", "can be NULL"},
		"prefix key":       {"CREATE TABLE counts (item VARCHAR(200) COLLATE utf8mb4_nopad_bin NOT NULL, n BIGINT NOT NULL, UNIQUE (item(5)))", "only a prefix of item"},
		"case-insensitive": {"CREATE TABLE counts (item VARCHAR(200) COLLATE utf8mb4_general_ci PRIMARY KEY, n BIGINT NOT NULL)", "different values are equal"},
		"padded":           {"CREATE TABLE counts (item VARCHAR(200) COLLATE utf8mb4_bin PRIMARY KEY, n BIGINT NOT NULL)", "different values are equal"},
		"char":             {"CREATE TABLE counts (item CHAR(200) COLLATE utf8mb4_nopad_bin PRIMARY KEY, n BIGINT NOT NULL)", "which pads"},
		"MyISAM":           {"CREATE TABLE counts (item VARCHAR(200) COLLATE utf8mb4_nopad_bin PRIMARY KEY, n BIGINT NOT NULL) ENGINE=MyISAM", "must be InnoDB"},
		"no key":           {"CREATE TABLE counts (item VARCHAR(200) COLLATE utf8mb4_nopad_bin NOT NULL, n BIGINT NOT NULL)", "no unique key is exactly (item)"},
		"wider key":        {"CREATE TABLE counts (item VARCHAR(200) COLLATE utf8mb4_nopad_bin NOT NULL, n BIGINT NOT NULL, PRIMARY KEY (item, n))", "is not the query's key"},
		"second key":       {"CREATE TABLE counts (item VARCHAR(200) COLLATE utf8mb4_nopad_bin PRIMARY KEY, n BIGINT NOT NULL, UNIQUE (n))", "is not the query's key"},
		"INT":              {"CREATE TABLE counts (item VARCHAR(200) COLLATE utf8mb4_nopad_bin PRIMARY KEY, n INT NOT NULL)", "a total would outgrow"},
		"missing column":   {"CREATE TABLE counts (item VARCHAR(200) COLLATE utf8mb4_nopad_bin PRIMARY KEY)", "counts.n: there is no such column"},
		"extra NOT NULL":   {"CREATE TABLE counts (item VARCHAR(200) COLLATE utf8mb4_nopad_bin PRIMARY KEY, n BIGINT NOT NULL, x INT NOT NULL)", "has no default"},
		"INT ids":          {"CREATE TABLE counts (id INT AUTO_INCREMENT PRIMARY KEY, item VARCHAR(200) COLLATE utf8mb4_nopad_bin NOT NULL UNIQUE, n BIGINT NOT NULL)", "would run out"},
		"view":             {"CREATE VIEW counts AS SELECT 'a' AS item, 1 AS n", "must be a table"},
		"wrong type":       {"CREATE TABLE counts (item VARCHAR(200) COLLATE utf8mb4_nopad_bin PRIMARY KEY, n VARCHAR(20) NOT NULL)", "must be BIGINT or DECIMAL"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := open(t, server, testConfig())
			f.Exec(t, test.ddl)
			_, err := f.sink.Prepare(t.Context(), []row.Table{sqltest.CountsTable()})
			if !errors.Is(err, checkpoint.ErrRefused) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error is %v, expected a refusal with %q", err, test.want)
			}
		})
	}
	for name, ddl := range map[string]string{
		"BIGINT ids": "CREATE TABLE counts (id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, item VARCHAR(200) COLLATE utf8mb4_nopad_bin NOT NULL UNIQUE, n BIGINT NOT NULL)",
		"VARBINARY":  "CREATE TABLE counts (item VARBINARY(800) PRIMARY KEY, n DECIMAL(20,0) NOT NULL, seen TIMESTAMP NOT NULL DEFAULT NOW())",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := open(t, server, testConfig())
			f.Exec(t, ddl)
			table := sqltest.CountsTable()
			f.prepare(t, table)
			at := mustClaim(t, f.sink, 0)
			for i := range 2 {
				if err := f.sink.Commit(t.Context(), taskBatch(byte(i), 4, countsDelta(&table, map[string]int64{"a": 1, "A": 1, "a ": 2}), at...)); err != nil {
					t.Fatal(err)
				}
				at = advance(at, 4)
			}
			if got := f.Text(t, "SELECT GROUP_CONCAT(n ORDER BY n) FROM counts"); got != "2,2,4" {
				t.Errorf("counts are %s, expected %q", got, "2,2,4")
			}
		})
	}
}

// through returns a sink that reaches the fixture's database through a proxy.
func (f *fixture) through(t *testing.T, want ...row.Table) (*Sink, *mysqlproxy.Proxy) {
	t.Helper()
	if want == nil {
		want = []row.Table{sqltest.CountsTable()}
	}
	proxy, err := mysqlproxy.Start(f.Server.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = proxy.Close() })
	p := sqltest.OpenPool(t, sqltest.Quick(f.Server.DSNVia(proxy.Addr(), f.Name)))
	s := New(testConfig(), p, nil, nil)
	if _, err := s.Prepare(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	return s, proxy
}

// If a transaction ends unnoticed between the fence and the rows, as after a proxy's change of backend, the rows are in
// a transaction without the fence. The closing check must detect that.
func TestE2_P11_LostTransactionIsDetected(t *testing.T) {
	t.Parallel()
	table := sqltest.CountsTable()
	f := open(t, mariadbtest.Start(t), testConfig(), table)
	s, proxy := f.through(t)
	at := mustClaim(t, s, 0)
	proxy.Intrude(func(statement string) bool { return strings.HasPrefix(statement, "INSERT INTO `counts`") })
	err := s.Commit(t.Context(), taskBatch(1, 3, countsDelta(&table, map[string]int64{"a": 3}), at...))
	if !errors.Is(err, checkpoint.ErrFenced) {
		t.Errorf("error is %v, expected fenced", err)
	}
	proxy.Intrude(nil)
	if got := f.Text(t, "SELECT COUNT(*) FROM counts"); got != "0" {
		t.Errorf("%s rows without a checkpoint, expected %q", got, "0")
	}
	if err := s.Commit(t.Context(), taskBatch(2, 3, countsDelta(&table, map[string]int64{"a": 3}), at...)); err != nil {
		t.Fatal(err)
	}
	if got := f.Text(t, "SELECT n, next_offset FROM counts, etl_checkpoint WHERE partition_id = 0"); got != "3 3" {
		t.Errorf("count and offset are %s, expected %q", got, "3 3")
	}
}

// If a process freezes after it has only locked the row, the row must be unlocked within I.
func TestE3_P21_FrozenSessionReleasesTheRowLock(t *testing.T) {
	t.Parallel()
	table := sqltest.CountsTable()
	f := open(t, mariadbtest.Start(t), testConfig(), table)
	mustClaim(t, f.sink, 0)
	tx, err := f.Pool.Tx(t.Context(), pool.PriorityHigh)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Discard()
	if _, err := f.sink.ledger.Read(t.Context(), tx, "logs", []int32{0}, true); err != nil {
		t.Fatal(err)
	}
	other := New(testConfig(), sqltest.OpenPool(t, sqltest.Quick(f.Server.DSN(f.Name))), nil, nil)
	if _, err := other.Prepare(t.Context(), []row.Table{table}); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	_, err = other.Claim(t.Context(), topic(8), []int32{0})
	if !errors.Is(err, checkpoint.ErrRetry) || !strings.Contains(err.Error(), "1205") {
		t.Fatalf("first attempt is %v, expected a lock wait timeout", err)
	}
	sqltest.Eventually(t, "the row is free", 10*time.Second, func() bool {
		_, err = other.Claim(t.Context(), topic(8), []int32{0})
		return err == nil
	})
	if took := time.Since(began); took > 6*time.Second {
		t.Errorf("the row was free after %v, expected about I (4s)", took)
	}
}

// A DBA's table lock is a metadata lock, which innodb_lock_wait_timeout does not end.
func TestE9_P21_MetadataLockIsBounded(t *testing.T) {
	t.Parallel()
	table := sqltest.CountsTable()
	f := open(t, mariadbtest.Start(t), testConfig(), table)
	at := mustClaim(t, f.sink, 0)
	dba, err := f.SQL.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer dba.Close()
	if _, err := dba.ExecContext(t.Context(), "LOCK TABLES counts WRITE"); err != nil {
		t.Fatal(err)
	}
	p := taskBatch(1, 3, countsDelta(&table, map[string]int64{"a": 3}), at...)
	began := time.Now()
	err = f.sink.Commit(t.Context(), p)
	if took := time.Since(began); !errors.Is(err, checkpoint.ErrRetry) || took > 5*time.Second {
		t.Errorf("after %v: %v, expected a retry after L (1s)", took, err)
	}
	if !strings.Contains(err.Error(), "1205") {
		t.Errorf("error is %v, expected 1205: the server's own timeout, before ours", err)
	}
	if _, err := dba.ExecContext(t.Context(), "UNLOCK TABLES"); err != nil {
		t.Fatal(err)
	}
	if err := f.sink.Commit(t.Context(), p); err != nil {
		t.Error(err)
	}
}

// The database is restored to an older state of its data directory while the job runs.
func TestE10_P12_RestoredToAnOlderState(t *testing.T) {
	t.Parallel()
	server := mariadbtest.Start(t, mariadbtest.Private())
	table := sqltest.CountsTable()
	f := open(t, server, testConfig(), table)
	commit := func(id byte, at []checkpoint.Checkpoint) []checkpoint.Checkpoint {
		t.Helper()
		if err := f.sink.Commit(t.Context(), taskBatch(id, 10, countsDelta(&table, map[string]int64{"a": 10}), at...)); err != nil {
			t.Fatal(err)
		}
		return advance(at, 10)
	}
	at := commit(1, mustClaim(t, f.sink, 0))
	older, err := server.CopyData()
	if err != nil {
		t.Fatal(err)
	}
	var second []checkpoint.Checkpoint
	sqltest.Eventually(t, "commit after the restart", 20*time.Second, func() bool {
		err = f.sink.Commit(t.Context(), taskBatch(2, 10, countsDelta(&table, map[string]int64{"a": 10}), at...))
		return err == nil
	})
	second = advance(at, 10)
	lost := taskBatch(3, 10, countsDelta(&table, map[string]int64{"a": 10}), second...)
	if err := server.RestoreData(older); err != nil {
		t.Fatal(err)
	}
	var outcome batch.Outcome
	sqltest.Eventually(t, "an answer", 20*time.Second, func() bool {
		outcome, err = f.sink.Resolve(t.Context(), lost.ID, lost.Advances)
		return err == nil
	})
	if outcome != batch.Superseded {
		t.Errorf("outcome is %d, expected Other", outcome)
	}
	if err := f.sink.Commit(t.Context(), lost); !errors.Is(err, checkpoint.ErrFenced) {
		t.Errorf("commit is %v, expected fenced", err)
	}
	again := mustClaim(t, f.sink, 0)
	if again[0].Next != 10 {
		t.Fatalf("claimed at %d, expected 10", again[0].Next)
	}
	again = commit(4, again)
	commit(5, again)
	if got := f.Text(t, "SELECT n, next_offset, counted FROM counts, etl_checkpoint WHERE partition_id = 0"); got != "30 30 30" {
		t.Errorf("count, offset and audit are %s, expected %q", got, "30 30 30")
	}
}

// The claim locks first and inserts only missing rows: the reverse order caused 1,081 deadlocks in 800 claims.
func TestE12_P7_ClaimersDoNotDeadlock(t *testing.T) {
	t.Parallel()
	table := sqltest.CountsTable()
	f := open(t, mariadbtest.Start(t), testConfig(), table)
	const claimers, each = 4, 25
	var wg sync.WaitGroup
	for range claimers {
		wg.Go(func() {
			for range each {
				if _, err := f.sink.Claim(context.Background(), topic(8), []int32{0, 1, 2, 3, 4, 5, 6, 7}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if n := counterValue(t, f.sink.metrics.errors.WithLabelValues("1213")); n != 0 {
		t.Errorf("%v deadlocks, expected 0", n)
	}
	want := fmt.Sprintf("%d %d", claimers*each, claimers*each)
	if got := f.Text(t, "SELECT MIN(epoch), MAX(epoch) FROM etl_checkpoint"); got != want {
		t.Errorf("epochs are %s, expected %s", got, want)
	}
}
