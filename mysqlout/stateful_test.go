package mysqlout

import (
	"context"
	"errors"
	"strings"
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

// latestTable returns countsTable with a column for the value of each item's last record.
func latestTable() row.Table {
	t := sqltest.CountsTable()
	t.Columns = append(t.Columns, row.Column{Name: "latest", Kind: row.Int, Merge: row.Replace, Nullable: true},
		row.Column{Name: "position", Kind: row.Bytes, Merge: row.Latest})
	return t
}

const createLatest = "CREATE TABLE counts (item VARCHAR(200) COLLATE utf8mb4_nopad_bin PRIMARY KEY, n BIGINT NOT NULL, " +
	"latest BIGINT NULL, position MEDIUMBLOB NOT NULL)"

// record is the position of a record: partition, offset and timestamp.
type record struct {
	partition    int32
	offset, time int64
}

// foldLatest folds one record into a row of latestTable, as a fold does.
func foldLatest(r *row.Rows, from record, key string, n, latest row.Value) {
	i, _ := r.FindIn(from.partition, row.AppendKeyBytes(nil, []byte(key)))
	foldCells(r, i, from, n, latest)
}

func foldCells(r *row.Rows, i int, from record, n, latest row.Value) {
	position := row.Value{Bytes: row.AppendPosition(nil, [16]byte{1}, from.partition, from.offset, from.time), Set: true}
	for j, v := range []row.Value{n, latest, position} {
		c := &r.Table.Columns[1+j]
		c.Merge.Fold(r, &r.Cells(i)[j], c.Kind, v)
	}
}

func number1(n int64) row.Value { return row.Value{Number: row.FromInt(n), Set: true} }

// latestDelta folds records of item "a", each with a count of 1 and its offset as its value.
func latestDelta(table *row.Table, records ...record) row.Delta {
	r := row.NewRows(table)
	for _, from := range records {
		foldLatest(r, from, "a", number1(1), number1(from.offset+int64(from.partition)*1000))
	}
	return row.Delta{Tables: []*row.Rows{r}}
}

func mustCommit(t testing.TB, s *Sink, p *batch.TaskBatch[row.Delta]) {
	t.Helper()
	if err := s.Commit(t.Context(), p); err != nil {
		t.Fatalf("commit: %v", err)
	}
}

// openLatest returns a fixture with latestTable, whose sink connects through a proxy.
func openLatest(t *testing.T) (f *fixture, proxy *mysqlproxy.Proxy, table row.Table) {
	t.Helper()
	f = open(t, mariadbtest.Start(t), testConfig())
	f.Exec(t, createLatest)
	proxy, err := mysqlproxy.Start(f.Server.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = proxy.Close() })
	f.sink = New(testConfig(), sqltest.OpenPool(t, sqltest.Quick(f.Server.DSNVia(proxy.Addr(), f.Name))), nil, nil)
	table = latestTable()
	f.prepare(t, table)
	return f, proxy, table
}

// wantLatest compares the one row: its count and the value of its last record.
func (f *fixture) wantLatest(t testing.TB, want string) {
	t.Helper()
	if got := f.Text(t, "SELECT n, latest FROM counts"); got != want {
		t.Errorf("count and last value are %s, expected %s", got, want)
	}
}

// A batch is repeated after a lost COMMIT reply only if it was not committed. In both cases the last record's value is
// stored, and a batch with earlier records does not replace it.
func TestLatest_lostReply(t *testing.T) {
	t.Parallel()
	for _, at := range []mysqlproxy.Fate{mysqlproxy.CutBefore, mysqlproxy.CutAfter} {
		f, proxy, table := openLatest(t)
		held := mustClaim(t, f.sink, 0)
		p := taskBatch(1, 2, latestDelta(&table, record{0, 0, 50}, record{0, 1, 40}), held...)
		proxy.Commits(mysqlproxy.Once(at))
		if err := f.sink.Commit(t.Context(), p); !errors.Is(err, checkpoint.ErrUnknown) {
			t.Fatalf("error is %v, expected an unknown outcome", err)
		}
		outcome, err := f.sink.Resolve(t.Context(), p.ID, p.Advances)
		for errors.Is(err, checkpoint.ErrRetry) {
			outcome, err = f.sink.Resolve(t.Context(), p.ID, p.Advances)
		}
		if err != nil {
			t.Fatal(err)
		}
		if outcome == batch.NotCommitted {
			mustCommit(t, f.sink, p)
		}
		f.wantLatest(t, "2 1") // the higher offset, although its time is earlier
		mustCommit(t, f.sink, taskBatch(2, 1, latestDelta(&table, record{0, 2, 10}), advance(held, 2)...))
		f.wantLatest(t, "3 2")
	}
}

// Rows, states and checkpoints are rolled back together, and the records that are read again give the same row.
func TestLatest_olderStateRestored(t *testing.T) {
	t.Parallel()
	f, _, table := openLatest(t)
	held := mustClaim(t, f.sink, 0, 1)
	mustCommit(t, f.sink, taskBatch(1, 1, latestDelta(&table, record{0, 0, 10}, record{1, 0, 20}), held...))
	f.wantLatest(t, "2 1000")
	tables := []string{"etl_checkpoint", "etl_target", "counts"}
	for _, name := range tables {
		f.Exec(t, "CREATE TABLE copy_"+name+" AS SELECT * FROM "+name)
	}
	again := latestDelta(&table, record{0, 1, 30}, record{1, 1, 5})
	mustCommit(t, f.sink, taskBatch(2, 1, again, advance(held, 1)...))
	f.wantLatest(t, "4 1")
	for _, name := range tables {
		f.Exec(t, "DELETE FROM "+name, "INSERT INTO "+name+" SELECT * FROM copy_"+name)
	}
	f.wantLatest(t, "2 1000")
	// This time the records are in different batches, the later partition first.
	held = mustClaim(t, f.sink, 0, 1)
	mustCommit(t, f.sink, taskBatch(3, 1, latestDelta(&table, record{1, 1, 5}), held[1]))
	f.wantLatest(t, "3 1001")
	mustCommit(t, f.sink, taskBatch(4, 1, latestDelta(&table, record{0, 1, 30}), held[0]))
	f.wantLatest(t, "4 1")
}

// Two tasks have a record of the same key each: regardless of which commits first, the same record is the last one. A
// NULL replaces too.
func TestLatest_twoPartitions(t *testing.T) {
	t.Parallel()
	for _, order := range [][]int{{0, 1}, {1, 0}} {
		f, _, table := openLatest(t)
		held := mustClaim(t, f.sink, 0, 1)
		null := row.NewRows(&table)
		foldLatest(null, record{1, 0, 30}, "a", number1(1), number1(7))
		foldLatest(null, record{1, 1, 20}, "a", number1(1), row.Value{})
		batches := []*batch.TaskBatch[row.Delta]{
			taskBatch(1, 1, latestDelta(&table, record{0, 0, 25}), held[0]),
			taskBatch(2, 2, row.Delta{Tables: []*row.Rows{null}}, held[1]),
		}
		for _, n := range order {
			mustCommit(t, f.sink, batches[n])
		}
		f.wantLatest(t, "3 NULL")
	}
}

// A commit waits for a row that another task has inserted but not committed, and joins it.
func TestLatest_waitsForAnotherTasksRow(t *testing.T) {
	t.Parallel()
	f, _, table := openLatest(t)
	held := mustClaim(t, f.sink, 0)
	other, err := f.SQL.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Exec("INSERT INTO counts VALUES ('a', 1, 1000, ?)", row.AppendPosition(nil, [16]byte{1}, 1, 0, 99)); err != nil {
		t.Fatal(err)
	}
	p := taskBatch(1, 1, latestDelta(&table, record{0, 0, 5}), held...)
	done := make(chan error, 1)
	go func() { done <- f.sink.Commit(context.Background(), p) }()
	f.awaitTransactions(t, "the commit waits for the other transaction", 5*time.Second, "trx_state = 'LOCK WAIT'", "1")
	if err := other.Commit(); err != nil {
		t.Fatal(err)
	}
	if err = <-done; errors.Is(err, checkpoint.ErrRetry) { // the wait may have taken longer than a statement may
		err = f.sink.Commit(t.Context(), p)
	}
	if err != nil {
		t.Fatal(err)
	}
	f.wantLatest(t, "2 1000")
}

// A row that is inserted between the locking read and the insert is not overwritten: the commit is retried, and reads
// it.
func TestLatest_anotherTaskInsertsFirst(t *testing.T) {
	t.Parallel()
	f, _, table := openLatest(t)
	held := mustClaim(t, f.sink, 0)
	delta := latestDelta(&table, record{0, 0, 5})
	tables, err := f.sink.orderTables(delta)
	if err != nil {
		t.Fatal(err)
	}
	tx, err := f.sink.pool.Tx(t.Context(), pool.PriorityLow)
	if err != nil {
		t.Fatal(err)
	}
	joined, err := f.sink.joinStored(t.Context(), tx, &tables[0], tables[0].order, share{})
	if err != nil || len(joined.fresh) != 1 {
		t.Fatalf("%d keys are new, %v; expected 1", len(joined.fresh), err)
	}
	if _, err := f.SQL.Exec("INSERT INTO counts VALUES ('a', 1, 1000, ?)", row.AppendPosition(nil, [16]byte{1}, 1, 0, 99)); err != nil {
		t.Fatal(err)
	}
	err = f.sink.writeJoined(t.Context(), tx, &tables[0], joined.rows, joined.fresh, "")
	tx.Rollback(t.Context())
	if !errors.Is(err, checkpoint.ErrRetry) {
		t.Fatalf("error is %v, expected a retry", err)
	}
	mustCommit(t, f.sink, taskBatch(1, 1, delta, held...))
	f.wantLatest(t, "2 1000")
}

// Of the rows of a key, the one that MySQL rejects is found, and the others are counted.
func TestLatest_rejectedRow(t *testing.T) {
	t.Parallel()
	f, _, table := openLatest(t)
	f.Exec(t, "CREATE TRIGGER seven BEFORE INSERT ON counts FOR EACH ROW IF NEW.latest = 7 THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'seven'; END IF",
		"CREATE TRIGGER sevenToo BEFORE UPDATE ON counts FOR EACH ROW IF NEW.latest = 7 THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'seven'; END IF")
	f.prepare(t, table)
	held := mustClaim(t, f.sink, 0)
	r := row.NewRows(&table)
	for offset, v := range []int64{3, 7, 5} {
		i := r.AddSeparate(row.AppendKeyBytes(nil, []byte("a")), row.Origin{Partition: 0, Offset: int64(offset)})
		foldCells(r, i, record{0, int64(offset), 0}, number1(1), number1(v))
	}
	// The three rows become one, whose value is the last one's: the 7 is never written.
	mustCommit(t, f.sink, taskBatch(1, 3, row.Delta{Tables: []*row.Rows{r}}, held...))
	f.wantLatest(t, "3 5")
	r = row.NewRows(&table)
	foldLatest(r, record{0, 3, 0}, "a", number1(1), number1(7))
	foldLatest(r, record{0, 4, 0}, "b", number1(1), number1(8))
	err := f.sink.Commit(t.Context(), taskBatch(2, 2, row.Delta{Tables: []*row.Rows{r}}, advance(held, 3)...))
	rejected, ok := errors.AsType[*batch.RejectedRows](err)
	if !ok || len(rejected.Rows) != 1 || !strings.HasPrefix(string(rejected.Rows[0].Key), "a") {
		t.Fatalf("error is %v, expected the row of key a", err)
	}
	f.wantLatest(t, "3 5")
}

// Keys of every kind are found in the result of the locking read.
func TestLatest_keysOfEveryKind(t *testing.T) {
	t.Parallel()
	f := open(t, mariadbtest.Start(t), testConfig())
	f.Exec(t, "CREATE TABLE keys_of (i DECIMAL(20,2), d DECIMAL(30,10), at DATETIME(3), b VARBINARY(20), s VARCHAR(20) COLLATE utf8mb4_nopad_bin, "+
		"latest BIGINT NULL, position BLOB NOT NULL, PRIMARY KEY (i, d, at, b, s))")
	table := row.Table{Name: "keys_of", Grouped: true, Keys: 5, Columns: []row.Column{
		{Name: "i", Kind: row.Int, Merge: row.Key}, {Name: "d", Kind: row.Decimal, Merge: row.Key, Scale: 10},
		{Name: "at", Kind: row.Datetime, Merge: row.Key, Scale: 3}, {Name: "b", Kind: row.Bytes, Merge: row.Key},
		{Name: "s", Kind: row.Text, Merge: row.Key}, {Name: "latest", Kind: row.Int, Merge: row.Replace, Nullable: true},
		{Name: "position", Kind: row.Bytes, Merge: row.Latest},
	}}
	f.prepare(t, table)
	held := mustClaim(t, f.sink, 0)
	for n := range int64(3) {
		r := row.NewRows(&f.tables[0])
		for k := range int64(1200) { // more keys than one locking read names
			key := row.AppendKeyNumber(nil, row.FromInt(k-600))
			key = row.AppendKeyNumber(key, row.FromInt(-k*1e9))
			key = row.AppendKeyDatetime(key, k*1e12+1000)
			key = row.AppendKeyBytes(key, []byte{0, byte(k), 0xff})
			key = row.AppendKeyBytes(key, []byte("ä' \x00"))
			i, _ := r.FindIn(0, key)
			r.Table.Columns[5].Merge.Fold(r, &r.Cells(i)[0], row.Int, number1(n))
			r.Table.Columns[6].Merge.Fold(r, &r.Cells(i)[1], row.Bytes, row.Value{Bytes: row.AppendPosition(nil, [16]byte{1}, 0, n, 0), Set: true})
		}
		mustCommit(t, f.sink, taskBatch(byte(n), 1, row.Delta{Tables: []*row.Rows{r}}, advance(held, n)...))
	}
	if got := f.Text(t, "SELECT COUNT(*), MIN(latest), MAX(latest) FROM keys_of"); got != "1200 2 2" {
		t.Errorf("rows, smallest and largest value are %s, expected 1200 2 2", got)
	}
}

// A state column that is too small is refused at start, and a state that another program wrote blocks the task.
func TestLatest_stateColumn(t *testing.T) {
	t.Parallel()
	f := open(t, mariadbtest.Start(t), testConfig())
	table := latestTable()
	f.Exec(t, strings.Replace(createLatest, "MEDIUMBLOB", "VARBINARY(20)", 1))
	_, err := f.sink.Prepare(t.Context(), []row.Table{table})
	if err == nil || !strings.Contains(err.Error(), "too small for a state") || !strings.Contains(err.Error(), "MEDIUMBLOB") {
		t.Fatalf("error is %v, expected advice to widen the column", err)
	}
	f.Exec(t, "ALTER TABLE counts MODIFY position MEDIUMBLOB NOT NULL")
	f.prepare(t, table)
	held := mustClaim(t, f.sink, 0)
	f.Exec(t, "INSERT INTO counts VALUES ('a', 1, 1, 'x')")
	if err := f.sink.Commit(t.Context(), taskBatch(1, 1, latestDelta(&table, record{0, 0, 5}), held...)); !errors.Is(err, checkpoint.ErrBlocked) {
		t.Errorf("error is %v, expected a blocked task", err)
	}
	f.Exec(t, "UPDATE counts SET position = ''")
	mustCommit(t, f.sink, taskBatch(1, 1, latestDelta(&table, record{0, 0, 5}), held...))
	f.wantLatest(t, "2 0")
}
