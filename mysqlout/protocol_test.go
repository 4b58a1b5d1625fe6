package mysqlout

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/internal/mariadbtest"
	"github.com/sluice-etl/sluice/internal/mysqlproxy"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqltest"
	"github.com/sluice-etl/sluice/mysqlout/ledger"
	"github.com/sluice-etl/sluice/row"
)

func counterValue(t *testing.T, c prometheus.Collector) float64 {
	t.Helper()
	return testutil.ToFloat64(c)
}

// An open transaction that is returned to the pool is continued, and committed, by the next user.
func TestP9_OpenTransactionNeverReturnsToThePool(t *testing.T) {
	t.Parallel()
	table := sqltest.CountsTable()
	f := open(t, mariadbtest.Start(t), testConfig(), table)
	at := mustClaim(t, f.sink, 0)
	f.Exec(t, refuseBad(f.Version(t)))
	f.prepare(t, table)
	// After a failure at any point of a transaction, no later user of any connection sees any of it.
	err := f.sink.Commit(t.Context(), taskBatch(1, 2, countsDelta(&table, map[string]int64{"a": 1, "bad": 1}), at...))
	if _, ok := errors.AsType[*batch.RejectedRows](err); !ok {
		t.Fatalf("error is %v, expected rejected rows", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_ = f.sink.Commit(ctx, taskBatch(2, 2, countsDelta(&table, map[string]int64{"a": 1}), at...))
	for range 8 {
		mustClaim(t, f.sink, 1) // commits on any connection of the pool
	}
	if got := f.Text(t, "SELECT COUNT(*) FROM counts"); got != "0" {
		t.Errorf("%s rows of a transaction that failed, expected %q", got, "0")
	}
	f.awaitTransactions(t, "no transaction is open", 3*time.Second, "1", "0") // less than I, the timeout that would end one
}

// Two passes over one table caused 918 deadlocks; one ascending pass causes none.
func TestP10_OnePassNoDeadlocks(t *testing.T) {
	t.Parallel()
	table := sqltest.CountsTable()
	f := open(t, mariadbtest.Start(t), testConfig(), table)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	const writers, parts, keys = 2, 30, 300
	var wg sync.WaitGroup
	for w := range writers {
		at := mustClaim(t, f.sink, int32(w))
		random := rand.New(rand.NewPCG(seed, uint64(w)))
		wg.Go(func() {
			for n := range parts {
				// Two statements into one table share one Rows; its rows are in no order.
				r := row.NewRows(&table)
				for statement := range 2 {
					for _, k := range random.Perm(keys) {
						i, _ := r.Find(textKey("%d-%03d", statement, k))
						r.Cells(i)[0].Number, _ = r.Cells(i)[0].Plus(row.FromInt(1))
						r.Cells(i)[0].Set = true
					}
				}
				p := taskBatch(byte(n), 600, row.Delta{Tables: []*row.Rows{r}}, at...)
				p.ID[2] = byte(w)
				err := f.sink.Commit(context.Background(), p)
				for errors.Is(err, checkpoint.ErrRetry) {
					err = f.sink.Commit(context.Background(), p)
				}
				if err != nil {
					t.Error(err)
					return
				}
				at = advance(at, 600)
			}
		})
	}
	wg.Wait()
	if n := counterValue(t, f.sink.metrics.errors.WithLabelValues("1213")); n != 0 {
		t.Errorf("%v deadlocks, expected none", n)
	}
	if got, want := f.Text(t, "SELECT COUNT(*), MIN(n), MAX(n) FROM counts"), fmt.Sprintf("600 %d %d", writers*parts, writers*parts); got != want {
		t.Errorf("rows are %s, expected %s", got, want)
	}
}

// Two batches with the same rows, folded in opposite orders, do not deadlock: both write them in ascending order, so the
// second one waits at the first row, before it has locked another.
func TestP10_RowsAreWrittenInAscendingOrder(t *testing.T) {
	t.Parallel()
	table := sqltest.CountsTable()
	f := open(t, mariadbtest.Start(t), testConfig(), table)
	seed := mustClaim(t, f.sink, 2)
	if err := f.sink.Commit(t.Context(), taskBatch(9, 3, countsDelta(&table, map[string]int64{"a": 1, "m": 1, "z": 1}), seed...)); err != nil {
		t.Fatal(err)
	}
	other, err := f.SQL.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Exec("SELECT n FROM counts WHERE item = 'm' FOR UPDATE"); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for w, keys := range []string{"amz", "zma"} {
		r := row.NewRows(&table)
		for _, k := range keys {
			i, _ := r.Find(textKey("%c", k))
			r.Cells(i)[0].Number, r.Cells(i)[0].Set = row.FromInt(1), true
		}
		p := taskBatch(byte(w), 3, row.Delta{Tables: []*row.Rows{r}}, mustClaim(t, f.sink, int32(w))...)
		wg.Go(func() {
			err := f.sink.Commit(context.Background(), p)
			for errors.Is(err, checkpoint.ErrRetry) { // a wait for the lock may take longer than a statement may
				err = f.sink.Commit(context.Background(), p)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	f.awaitTransactions(t, "both commits wait", 10*time.Second, "trx_state = 'LOCK WAIT'", "2")
	if err := other.Commit(); err != nil {
		t.Error(err)
	}
	wg.Wait()
	if n := counterValue(t, f.sink.metrics.errors.WithLabelValues("1213")); n != 0 {
		t.Errorf("%v deadlocks, expected none", n)
	}
	if got := f.Text(t, "SELECT GROUP_CONCAT(item, n ORDER BY item) FROM counts"); got != "a3,m3,z3" {
		t.Errorf("rows are %s, expected a3,m3,z3", got)
	}
}

// While COMMIT is delayed in the network, its outcome is unknown: Resolve must not return one.
func TestP12_DelayedCommitHasNoOutcome(t *testing.T) {
	t.Parallel()
	table := sqltest.CountsTable()
	f := open(t, mariadbtest.Start(t), testConfig(), table)
	s, proxy := f.through(t)
	at := mustClaim(t, s, 0)
	p := taskBatch(1, 3, countsDelta(&table, map[string]int64{"a": 3}), at...)
	proxy.Commits(mysqlproxy.Once(mysqlproxy.Hold))
	done := make(chan error, 1)
	go func() { done <- s.Commit(context.Background(), p) }()
	sqltest.Eventually(t, "COMMIT is held", 5*time.Second, func() bool { return proxy.Done(mysqlproxy.Hold) == 1 })
	outcome, err := f.sink.Resolve(t.Context(), p.ID, p.Advances)
	if !errors.Is(err, checkpoint.ErrRetry) {
		t.Errorf("while COMMIT was held, Resolve returned %d, %v; expected no outcome", outcome, err)
	}
	proxy.Release()
	err = <-done
	for range 10 {
		if outcome, err2 := f.sink.Resolve(t.Context(), p.ID, p.Advances); err2 == nil {
			want := batch.Committed
			if err != nil { // the delay exceeded R, and I
				want = batch.NotCommitted
			}
			if outcome != want && err == nil {
				t.Errorf("after error %v, the outcome is %d", err, outcome)
			}
			return
		}
	}
	t.Error("Resolve returned no outcome after COMMIT was released")
}

// A lost reply costs R, and Resolve then finds the outcome on the server.
func TestP12_LostReply(t *testing.T) {
	t.Parallel()
	table := sqltest.CountsTable()
	f := open(t, mariadbtest.Start(t), testConfig(), table)
	s, proxy := f.through(t)
	at := mustClaim(t, s, 0)
	p := taskBatch(1, 3, countsDelta(&table, map[string]int64{"a": 3}), at...)
	proxy.Commits(mysqlproxy.Once(mysqlproxy.Swallow))
	if err := s.Commit(t.Context(), p); !errors.Is(err, checkpoint.ErrUnknown) {
		t.Fatalf("error is %v, expected unknown", err)
	}
	outcome, err := s.Resolve(t.Context(), p.ID, p.Advances)
	if err != nil || outcome != batch.Committed {
		t.Errorf("outcome %d, %v; expected committed", outcome, err)
	}
}

// Sums are exact beyond 64 bits and beyond the precision of a double, in any order of batches.
func TestP16_SumsAreExact(t *testing.T) {
	t.Parallel()
	table := row.Table{Name: "sums", Grouped: true, Keys: 1, Columns: []row.Column{
		{Name: "k", Kind: row.Int, Merge: row.Key},
		{Name: "s", Kind: row.Decimal, Scale: 6, Merge: row.Add, Nullable: true},
	}}
	f := open(t, mariadbtest.Start(t), testConfig(), table)
	at := mustClaim(t, f.sink, 0)
	values := []row.Number{
		{Hi: 1 << 30, Lo: 1},            // 1.98e28 and a millionth
		row.FromInt(-1), row.FromInt(3), // millionths
		{Hi: -(1 << 30), Lo: 0},           // subtracts the large one again
		row.FromInt(9007199254740993_000), // 2^53 + 1, at scale 3
	}
	for i, v := range values {
		r := rowsOf(&table, 1, func(int) []byte { return row.AppendKeyNumber(nil, row.FromInt(-1)) },
			func(_ *row.Rows, _ int, c []row.Cell) { c[0] = row.Cell{Number: v, Set: true} })
		if err := f.sink.Commit(t.Context(), taskBatch(byte(i), 1, row.Delta{Tables: []*row.Rows{r}}, at...)); err != nil {
			t.Fatal(err)
		}
		at = advance(at, 1)
	}
	if got, want := f.Text(t, "SELECT k, s FROM sums"), "-1 9007199254740.993003"; got != want {
		t.Errorf("sum is %s, expected %s", got, want)
	}
}

// Each error code of P18 is a row's own fault: the row is found by the row number that the server reports, or by
// halving, and the other rows are not affected.
func TestP18_EachCode(t *testing.T) {
	t.Parallel()
	server := mariadbtest.Start(t)
	key := row.Column{Name: "k", Kind: row.Int, Merge: row.Key}
	for name, test := range map[string]struct {
		code   string
		ddl    string
		column row.Column
		good   func(r *row.Rows, c *row.Cell)
		bad    func(r *row.Rows, c *row.Cell)
	}{
		"1264 out of range": {"out of range", "v TINYINT NULL", row.Column{Kind: row.Int, Merge: row.Max, Nullable: true},
			func(_ *row.Rows, c *row.Cell) { *c = cell(1) }, func(_ *row.Rows, c *row.Cell) { *c = cell(300) }},
		"1406 too long": {"1406", "v VARCHAR(3) COLLATE utf8mb4_nopad_bin NULL", row.Column{Kind: row.Text, Merge: row.Last, Nullable: true},
			func(r *row.Rows, c *row.Cell) { r.SetBytes(c, []byte("abc")) }, func(r *row.Rows, c *row.Cell) { r.SetBytes(c, []byte("abcdefghijklm")) }},
		"1366 not the character set": {"1366", "v VARCHAR(30) CHARACTER SET latin1 NULL", row.Column{Kind: row.Text, Merge: row.Last, Nullable: true},
			func(r *row.Rows, c *row.Cell) { r.SetBytes(c, []byte("abc")) }, func(r *row.Rows, c *row.Cell) { r.SetBytes(c, []byte("\u4e16")) }},
		"1292 no such time": {"1292", "v DATETIME NULL", row.Column{Kind: row.Datetime, Merge: row.Last, Nullable: true},
			func(_ *row.Rows, c *row.Cell) { *c = cell(0) },
			func(_ *row.Rows, c *row.Cell) { *c = cell(10_000 * 366 * 86400 * 1e6) }},
		"4025 CHECK": {"4025", "v BIGINT NULL CHECK (v <> 7)", row.Column{Kind: row.Int, Merge: row.Last, Nullable: true},
			func(_ *row.Rows, c *row.Cell) { *c = cell(1) }, func(_ *row.Rows, c *row.Cell) { *c = cell(7) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test.column.Name = "v"
			table := row.Table{Name: "target", Grouped: true, Keys: 1, Columns: []row.Column{key, test.column}}
			f := open(t, server, testConfig())
			if test.code == "4025" {
				if test.code = refusedByCheck(f.Version(t)); test.code == "" {
					t.Skip("NOT RUN: this server reads CHECK and does nothing about it")
				}
			}
			f.Exec(t, "CREATE TABLE target (k BIGINT PRIMARY KEY, "+test.ddl+")")
			f.prepare(t, table)
			at := mustClaim(t, f.sink, 0)
			const rows = 50
			bad := map[int]bool{0: true, 17: true, 18: true, 49: true}
			r := rowsOf(&table, rows, func(i int) []byte { return row.AppendKeyNumber(nil, row.FromInt(int64(i))) },
				func(r *row.Rows, i int, c []row.Cell) {
					if bad[i] {
						test.bad(r, &c[0])
					} else {
						test.good(r, &c[0])
					}
				})
			err := f.sink.Commit(t.Context(), taskBatch(1, rows, row.Delta{Tables: []*row.Rows{r}}, at...))
			var refused *batch.RejectedRows
			if !errors.As(err, &refused) {
				t.Fatalf("error is %v, expected rejected rows", err)
			}
			if len(refused.Rows) != len(bad) {
				t.Errorf("%d rows rejected, expected %d", len(refused.Rows), len(bad))
			}
			for _, got := range refused.Rows {
				n, _ := row.KeyNumber(got.Key)
				if k, _ := n.Int64(); !bad[int(k)] || !strings.Contains(got.Reason, test.code) {
					t.Errorf("rejected row %d: %s", k, got.Reason)
				}
			}
			if got := f.Text(t, "SELECT COUNT(*), SUM(next_offset) FROM target, etl_checkpoint"); got != "0 NULL" {
				t.Errorf("rows and offsets are %s, expected nothing written", got)
			}
		})
	}
}

// A fault of the table blocks the task, the message says what to do, and a DBA's fix ends the block without a restart.
func TestP19_BlockedUntilRepaired(t *testing.T) {
	t.Parallel()
	server := mariadbtest.Start(t)
	for name, test := range map[string]struct{ code, harm, repair, seen string }{
		"1054 column lost":      {"1054", "ALTER TABLE counts CHANGE n m BIGINT NOT NULL DEFAULT 0", "ALTER TABLE counts CHANGE m n BIGINT NOT NULL", "there is no such column"},
		"1146 table lost":       {"1146", "RENAME TABLE counts TO gone", "RENAME TABLE gone TO counts", ""},
		"1364 new column":       {"1364", "ALTER TABLE counts ADD x INT NOT NULL", "ALTER TABLE counts DROP x", "NOT NULL and has no default"},
		"1690 total overflows":  {"1690", "INSERT INTO counts VALUES ('a', 9223372036854775806)", "DELETE FROM counts", ""},
		"1264 decimal overflow": {"1264", "ALTER TABLE counts MODIFY n DECIMAL(3,0) NOT NULL; INSERT INTO counts VALUES ('a', 998)", "ALTER TABLE counts MODIFY n DECIMAL(30,0) NOT NULL; DELETE FROM counts", ""},
		"4025 CHECK on a total": {"4025", "INSERT INTO counts VALUES ('a', 999); ALTER TABLE counts ADD CONSTRAINT few CHECK (n < 1000)",
			"ALTER TABLE counts DROP CONSTRAINT few; DELETE FROM counts", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			table := sqltest.CountsTable()
			f := open(t, server, testConfig())
			f.Exec(t, "CREATE TABLE counts (item VARCHAR(200) COLLATE utf8mb4_nopad_bin PRIMARY KEY, n BIGINT NOT NULL) CHARSET utf8mb4")
			f.prepare(t, table)
			at := mustClaim(t, f.sink, 0)
			f.Exec(t, strings.Split(test.harm, "; ")...)
			f.sink.OnAltered(func(tables []row.Table) error { table = tables[0]; return nil })
			commit := func() error {
				for {
					now := table
					err := f.sink.Commit(t.Context(), taskBatch(1, 4, countsDelta(&now, map[string]int64{"a": 2, "b": 2}), at...))
					altered := errors.Is(err, checkpoint.ErrRetry) && strings.Contains(err.Error(), "was altered")
					if !altered && !errors.Is(err, checkpoint.ErrStale) || t.Context().Err() != nil {
						return err // otherwise the table is checked, or the batch folded, again first
					}
				}
			}
			err := commit()
			var classed *checkpoint.Error
			if !errors.Is(err, checkpoint.ErrBlocked) || !errors.As(err, &classed) || !strings.Contains(err.Error(), cmp.Or(test.seen, test.code)) {
				t.Fatalf("error is %v, expected blocked by %s", err, cmp.Or(test.seen, test.code))
			}
			if classed.Hint == "" {
				t.Error("the error does not say what to do")
			}
			if err := commit(); !errors.Is(err, checkpoint.ErrBlocked) {
				t.Errorf("second attempt is %v, expected blocked", err)
			}
			f.Exec(t, strings.Split(test.repair, "; ")...)
			if err := commit(); err != nil {
				t.Fatalf("after the repair: %v", err)
			}
			if got := f.Text(t, "SELECT GROUP_CONCAT(item, n ORDER BY item) FROM counts"); got != "a2,b2" {
				t.Errorf("counts are %s, expected %q", got, "a2,b2")
			}
		})
	}
}

// A claim compares under the lock, so it detects concurrent changes.
func TestP7_ComparesUnderTheLock(t *testing.T) {
	t.Parallel()
	table := sqltest.CountsTable()
	f := open(t, mariadbtest.Start(t), testConfig(), table)
	mustClaim(t, f.sink, 0)
	person, err := f.SQL.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := person.Exec("UPDATE etl_checkpoint SET topic_id = x'77' WHERE partition_id = 0"); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := f.sink.Claim(context.Background(), topic(8), []int32{0})
		for errors.Is(err, checkpoint.ErrRetry) {
			_, err = f.sink.Claim(context.Background(), topic(8), []int32{0})
		}
		done <- err
	}()
	f.awaitTransactions(t, "the claim waits", 10*time.Second, "trx_state = 'LOCK WAIT'", "1")
	if err := person.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; !errors.Is(err, checkpoint.ErrRefused) {
		t.Errorf("claim is %v, expected refused", err)
	}
}

// A job without a checkpoint does not start on a target that holds rows or belongs to another job.
func TestP3_TargetOfAnotherJob(t *testing.T) {
	t.Parallel()
	server := mariadbtest.Start(t)
	table := sqltest.CountsTable()
	f := open(t, server, testConfig(), table)
	f.Exec(t, "INSERT INTO counts VALUES ('a', 5)")
	_, err := f.sink.Claim(t.Context(), topic(2), []int32{0})
	if !errors.Is(err, checkpoint.ErrRefused) || !strings.Contains(err.Error(), "holds rows") {
		t.Errorf("error is %v, expected a refusal", err)
	}
	if got := f.Text(t, "SELECT COUNT(*) FROM etl_checkpoint"); got != "0" {
		t.Errorf("a refused claim left %s checkpoints, expected %q", got, "0")
	}
	c := testConfig()
	c.Adopt = true
	adopts := New(c, f.Pool, nil, nil)
	if _, err := adopts.Prepare(t.Context(), []row.Table{table}); err != nil {
		t.Fatal(err)
	}
	mustClaim(t, adopts, 0)
	c = testConfig()
	c.Job = "other"
	other := New(c, f.Pool, nil, nil)
	if _, err := other.Prepare(t.Context(), []row.Table{table}); err != nil {
		t.Fatal(err)
	}
	_, err = other.Claim(t.Context(), topic(2), []int32{0})
	if !errors.Is(err, checkpoint.ErrRefused) || !strings.Contains(err.Error(), `belongs to job "job"`) {
		t.Errorf("error is %v, expected a refusal that names the job", err)
	}
}

func TestP2_QueryChange(t *testing.T) {
	t.Parallel()
	table := sqltest.CountsTable()
	f := open(t, mariadbtest.Start(t), testConfig(), table)
	mustClaim(t, f.sink, 0)
	c := testConfig()
	c.QueryHash, c.QueryText = [32]byte{7}, "SELECT item, COUNT(*)\nraw"
	open2 := func() *Sink {
		s := New(c, f.Pool, nil, nil)
		if _, err := s.Prepare(t.Context(), []row.Table{table}); err != nil {
			t.Fatal(err)
		}
		return s
	}
	_, err := open2().Claim(t.Context(), topic(8), []int32{0})
	if !errors.Is(err, checkpoint.ErrRefused) || !strings.Contains(err.Error(), "was words; is raw") {
		t.Errorf("error is %v, expected the difference", err)
	}
	c.ContinueQuery = true
	mustClaim(t, open2(), 0)
	if got := f.Text(t, "SELECT query_text FROM etl_target"); !strings.HasSuffix(got, "raw") {
		t.Errorf("etl_target has %q, expected it to end with %q", got, "raw")
	}
}

// A checkpoint that is moved while a process owns it fences that process, and a dry run does not.
func TestP9_AMovedCheckpointFencesItsOwner(t *testing.T) {
	t.Parallel()
	f := open(t, mariadbtest.Start(t), testConfig(), sqltest.CountsTable())
	at := mustClaim(t, f.sink, 0)
	c := ledger.CheckpointMove{Partition: at[0].Partition, Next: 150, Reason: "Kafka has lost 0 to 149", DryRun: true}
	if _, _, err := f.sink.ledger.MoveCheckpoint(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if err := f.sink.Commit(t.Context(), taskBatch(1, 4, row.Delta{}, at...)); err != nil {
		t.Fatalf("a dry run disturbed the owner: %v", err)
	}
	c.DryRun = false
	if _, _, err := f.sink.ledger.MoveCheckpoint(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if err := f.sink.Commit(t.Context(), taskBatch(2, 4, row.Delta{}, advance(at, 4)...)); !errors.Is(err, checkpoint.ErrFenced) {
		t.Errorf("the old owner's commit is %v, expected fenced", err)
	}
	got := f.Text(t, "SELECT next_offset, counted, skipped, epoch FROM etl_checkpoint WHERE partition_id = 0")
	if got != "150 4 146 2" {
		t.Errorf("checkpoint is %s, expected %q", got, "150 4 146 2")
	}
}
