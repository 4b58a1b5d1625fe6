package mysqlout

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/internal/mariadbtest"
	"github.com/sluice-etl/sluice/row"
)

// openLatestAs returns a fixture with latestTable, whose column latest is as given, after more statements.
func openLatestAs(t *testing.T, latest string, more ...string) (f *fixture, table row.Table) {
	t.Helper()
	f = open(t, mariadbtest.Start(t), testConfig())
	f.Exec(t, strings.Replace(createLatest, "latest BIGINT NULL", "latest "+latest, 1))
	f.Exec(t, more...)
	table = latestTable()
	table.Columns[2].Nullable = !strings.Contains(latest, "NOT NULL")
	f.prepare(t, table)
	table = f.tables[0]
	return f, table
}

// foldValues folds values of a key, one record each: the i-th has offset from.offset + i.
func foldValues(r *row.Rows, from record, key string, values ...int64) {
	for i, v := range values {
		foldLatest(r, record{from.partition, from.offset + int64(i), from.time}, key, number1(1), number1(v))
	}
}

func deltaOf(r *row.Rows) row.Delta { return row.Delta{Tables: []*row.Rows{r}} }

// A batch whose records all lose is written even if a column accepts neither NULL nor the losing value.
func TestLatest_losingRecordIsNotChecked(t *testing.T) {
	t.Parallel()
	for _, latest := range []string{"BIGINT NOT NULL", "BIGINT NOT NULL CHECK (latest <> 7)", "BIGINT NULL CHECK (latest IS NOT NULL AND latest <> 7)"} {
		f, table := openLatestAs(t, latest)
		at := mustClaim(t, f.sink, 0, 1)
		r := row.NewRows(&table)
		foldValues(r, record{1, 0, 99}, "a", 5)
		mustCommit(t, f.sink, taskBatch(1, 1, deltaOf(r), at[1]))
		r = row.NewRows(&table)
		foldValues(r, record{0, 0, 10}, "a", 7)
		foldValues(r, record{0, 1, 10}, "b", 8)
		mustCommit(t, f.sink, taskBatch(2, 2, deltaOf(r), at[0]))
		if got := f.Text(t, "SELECT item, n, latest FROM counts ORDER BY item"); got != "a 2 5\nb 1 8" {
			t.Errorf("%s: rows are %s, expected a with 2 and 5, and b", latest, got)
		}
	}
}

// Stored values of each type are read and written back for the check of a kept row.
func TestLatest_keptValuesOfEveryKind(t *testing.T) {
	t.Parallel()
	f := open(t, mariadbtest.Start(t), testConfig())
	f.Exec(t, "CREATE TABLE kept (k BIGINT PRIMARY KEY, i BIGINT NOT NULL, d DECIMAL(30,10) NOT NULL, f DOUBLE NOT NULL, at DATETIME(6) NOT NULL, "+
		"b BLOB NOT NULL, s VARCHAR(20) CHARACTER SET latin1 NOT NULL, e VARCHAR(20) NOT NULL, z VARCHAR(20) NULL, n BIGINT NOT NULL, position BLOB NOT NULL)")
	f.prepare(t, row.Table{Name: "kept", Grouped: true, Keys: 1, Columns: []row.Column{
		{Name: "k", Kind: row.Int, Merge: row.Key}, {Name: "i", Kind: row.Int, Merge: row.Replace},
		{Name: "d", Kind: row.Decimal, Merge: row.Replace, Scale: 10}, {Name: "f", Kind: row.Double, Merge: row.Replace},
		{Name: "at", Kind: row.Datetime, Merge: row.Replace, Scale: 6}, {Name: "b", Kind: row.Bytes, Merge: row.Replace},
		{Name: "s", Kind: row.Text, Merge: row.Replace}, {Name: "e", Kind: row.Text, Merge: row.Replace},
		{Name: "z", Kind: row.Text, Merge: row.Replace, Nullable: true}, {Name: "n", Kind: row.Int, Merge: row.Add}, {Name: "position", Kind: row.Bytes, Merge: row.Latest},
	}})
	at := mustClaim(t, f.sink, 1)
	f.Exec(t, "INSERT INTO kept VALUES (1, -9223372036854775808, -12345678901234567890.0123456789, 1.7976931348623157e308, "+
		"'2026-01-31 01:02:03.000004', x'00ff', 'ä''', '', NULL, 1, x'"+
		fmt.Sprintf("%x", row.AppendPosition(nil, [16]byte{1}, 1, 1, 255))+"')")
	const all = "SELECT i, d, f, at, HEX(b), s, e, z, HEX(position) FROM kept"
	before := f.Text(t, all)
	r := row.NewRows(&f.tables[0])
	i, _ := r.FindIn(1, row.AppendKeyNumber(nil, row.FromInt(1)))
	r.Table.Columns[9].Merge.Fold(r, &r.Cells(i)[8], row.Int, number1(1))
	r.Table.Columns[10].Merge.Fold(r, &r.Cells(i)[9], row.Bytes, row.Value{Bytes: row.AppendPosition(nil, [16]byte{1}, 1, 0, 5), Set: true})
	mustCommit(t, f.sink, taskBatch(1, 1, deltaOf(r), at...))
	if after := f.Text(t, all); after != before {
		t.Errorf("row was\n%s\nand is\n%s", before, after)
	}
	if n := f.Text(t, "SELECT n FROM kept"); n != "2" {
		t.Errorf("count is %s, expected 2", n)
	}
}

// A record is rejected only for the values that it would write itself: a bad row of another key does not cause a losing
// record to be rejected.
func TestLatest_fateDoesNotDependOnOtherKeys(t *testing.T) {
	t.Parallel()
	f, table := openLatestAs(t, "BIGINT NULL CHECK (latest <> 7)")
	at := mustClaim(t, f.sink, 0, 1)
	r := row.NewRows(&table)
	foldValues(r, record{1, 0, 99}, "a", 5)
	mustCommit(t, f.sink, taskBatch(1, 1, deltaOf(r), at[1]))
	r = row.NewRows(&table)
	foldValues(r, record{0, 0, 10}, "a", 7)
	for n := range 20 {
		foldValues(r, record{0, int64(1 + n), 10}, fmt.Sprintf("b%02d", n), map[bool]int64{true: 7, false: 1}[n == 3 || n == 4 || n == 19])
	}
	rejected := refusedBy(t, f.sink.Commit(t.Context(), taskBatch(2, 21, deltaOf(r), at[0])))
	var keys []string
	for _, x := range rejected {
		if !x.Merged {
			t.Errorf("key %q is not rejected as a merged row", x.Key)
		}
		keys = append(keys, strings.TrimRight(string(x.Key), "\x00"))
	}
	if got := strings.Join(keys, " "); got != "b03 b04 b19" {
		t.Errorf("rejected are %s, expected b03 b04 b19", got)
	}
}

// Among the separate rows of a key, those are rejected whose values would be written, but not those that a later one
// replaces: here the last two, but not the 7 before them.
func TestLatest_separateRowsAreCheckedByTheirWrittenValues(t *testing.T) {
	t.Parallel()
	f, table := openLatestAs(t, "BIGINT NULL CHECK (latest <> 7)")
	at := mustClaim(t, f.sink, 0)
	r := row.NewRows(&table)
	for offset, v := range []int64{7, 3, 7, 7} {
		i := r.AddSeparate(row.AppendKeyBytes(nil, []byte("a")), row.Origin{Offset: int64(offset)})
		foldCells(r, i, record{0, int64(offset), 50 - int64(offset)}, number1(1), number1(v))
	}
	rejected := refusedBy(t, f.sink.Commit(t.Context(), taskBatch(1, 4, deltaOf(r), at...)))
	var offsets []int64
	for _, x := range rejected {
		offsets = append(offsets, x.Source.Offset)
	}
	if fmt.Sprint(offsets) != "[3 2]" {
		t.Errorf("rejected are the records %v, expected 3 and 2", offsets)
	}
}

// A row whose additive cell is at fault is found beside a valid winning row; if a total is the cause, no record is at
// fault.
func TestLatest_additiveCellsAreCheckedWithTheWinner(t *testing.T) {
	t.Parallel()
	f, table := openLatestAs(t, "BIGINT NULL", "ALTER TABLE counts ADD CHECK (n < 100)")
	at := mustClaim(t, f.sink, 0)
	commit := func(id byte, counts ...int64) error {
		r := row.NewRows(&table)
		for offset, n := range counts {
			i := r.AddSeparate(row.AppendKeyBytes(nil, []byte("a")), row.Origin{Offset: int64(offset)})
			foldCells(r, i, record{0, int64(offset), 0}, number1(n), number1(int64(offset)))
		}
		return f.sink.Commit(t.Context(), taskBatch(id, int64(len(counts)), deltaOf(r), at...))
	}
	rejected := refusedBy(t, commit(1, 1, 500, 2))
	if len(rejected) != 1 || rejected[0].Source.Offset != 1 {
		t.Errorf("rejected are %+v, expected the record at offset 1", rejected)
	}
	if err := commit(2, 60, 60); !errors.Is(err, checkpoint.ErrBlocked) {
		t.Errorf("a total that is rejected: error is %v, expected a blocked task", err)
	}
}

// A value that only the joined row has blocks the task with advice, and is no record's fault.
func TestLatest_stateThatDoesNotFit(t *testing.T) {
	t.Parallel()
	f, table := openLatestAs(t, "BIGINT NULL")
	at := mustClaim(t, f.sink, 0)
	entries := func(n int) string { // a state of n partitions from 1 on
		state := row.AppendPosition(nil, [16]byte{1}, 1, 0, 1)
		for id := 2; id <= n; id++ {
			state = append(state, row.AppendPosition(nil, [16]byte{1}, int32(id), 0, 1)[16:]...)
		}
		return fmt.Sprintf("x'%x'", state)
	}
	f.Exec(t, "INSERT INTO counts VALUES ('a', 1, 1, "+entries(3275)+")", "ALTER TABLE counts MODIFY position BLOB NOT NULL")
	f.prepare(t, table)
	table = f.tables[0]
	blocked := func(name, hint string, id byte, mine record) {
		t.Helper()
		r := row.NewRows(&table)
		foldValues(r, mine, "a", 3)
		err := f.sink.Commit(t.Context(), taskBatch(id, 1, deltaOf(r), at...))
		c, ok := errors.AsType[*checkpoint.Error](err)
		if !ok || !errors.Is(c.Class, checkpoint.ErrBlocked) || !strings.Contains(c.Hint, hint) {
			t.Errorf("%s: error is %v, expected a blocked task with advice about %s", name, err, hint)
		}
	}
	f.Exec(t, "UPDATE counts SET position = "+entries(3275))
	blocked("a full BLOB", "MEDIUMBLOB", 1, record{0, 0, 0})
	f.Exec(t, "ALTER TABLE counts MODIFY position MEDIUMBLOB NOT NULL")
	f.prepare(t, table)
	table = f.tables[0]
	f.sink.mu.Lock()
	f.sink.packet = 64 << 10
	f.sink.mu.Unlock()
	blocked("a small packet", "max_allowed_packet", 2, record{0, 0, 0})
}

// A trigger's own table has the key already. That is not a concurrent insert: a retry would fail in the same way.
func TestLatest_duplicateKeyInATriggerBlocks(t *testing.T) {
	t.Parallel()
	f, table := openLatestAs(t, "BIGINT NULL", "CREATE TABLE log (n INT PRIMARY KEY)", "INSERT INTO log VALUES (1)",
		"CREATE TRIGGER logged AFTER INSERT ON counts FOR EACH ROW INSERT INTO log VALUES (1)")
	at := mustClaim(t, f.sink, 0)
	r := row.NewRows(&table)
	foldValues(r, record{0, 0, 0}, "a", 1)
	err := f.sink.Commit(t.Context(), taskBatch(1, 1, deltaOf(r), at...))
	c, ok := errors.AsType[*checkpoint.Error](err)
	if !ok || !errors.Is(c.Class, checkpoint.ErrBlocked) || !strings.Contains(c.Hint, "trigger") {
		t.Fatalf("error is %v, expected a blocked task with advice about the trigger", err)
	}
	f.Exec(t, "DROP TRIGGER logged")
	f.prepare(t, latestTable())
	r = row.NewRows(&f.tables[0])
	foldValues(r, record{0, 0, 0}, "a", 1)
	mustCommit(t, f.sink, taskBatch(1, 1, deltaOf(r), at...))
}

// The rows of a table are written in more than one chunk of keys, and all rows of a key are in the same chunk.
func TestLatest_chunks(t *testing.T) {
	t.Parallel()
	f, table := openLatestAs(t, "BIGINT NOT NULL")
	at := mustClaim(t, f.sink, 0, 1, 2)
	const keys = 2*maxLocked + 7
	for n := range int64(2) {
		r := row.NewRows(&table)
		for id := range int32(3) {
			for k := range keys {
				foldValues(r, record{id, n, int64(id)*10 - n}, fmt.Sprintf("%05d", k), int64(id)*100+n)
			}
		}
		mustCommit(t, f.sink, taskBatch(byte(n), 1, deltaOf(r), advance(at, n)...))
	}
	if got := f.Text(t, "SELECT COUNT(*), MIN(n), MAX(n), MIN(latest), MAX(latest) FROM counts"); got != fmt.Sprintf("%d 6 6 201 201", keys) {
		t.Errorf("rows, counts and values are %s, expected %d rows of 6 records with 201", got, keys)
	}
}

// The offsets of a recreated topic begin at 0 again: its records replace the values of the previous topic.
func TestLatest_recreatedTopicReplaces(t *testing.T) {
	t.Parallel()
	f, table := openLatestAs(t, "BIGINT NULL")
	at := mustClaim(t, f.sink, 0)
	f.Exec(t, fmt.Sprintf("INSERT INTO counts VALUES ('a', 1, 1, x'%x')", row.AppendPosition(nil, [16]byte{9}, 0, 1000, 99)))
	mustCommit(t, f.sink, taskBatch(1, 1, latestDelta(&table, record{0, 0, 5}), at...))
	f.wantLatest(t, "2 0")
}

// Two tasks write the same keys at the same time, each in chunks with which the other one's inserts interleave.
// Deadlocks and concurrent inserts are retried, and nothing is lost.
func TestLatest_concurrentTasks(t *testing.T) {
	t.Parallel()
	f, table := openLatestAs(t, "BIGINT NOT NULL")
	at := mustClaim(t, f.sink, 0, 1)
	const rounds, keys = 8, 120
	var tasks errgroup.Group
	for id := range int32(2) {
		tasks.Go(func() error {
			held := at[id : id+1]
			for n := range int64(rounds) {
				r := row.NewRows(&table)
				for k := range keys {
					foldValues(r, record{id, n, 100*n + int64(id)}, fmt.Sprintf("%04d", int64(k)+n*keys/2), 10*n+int64(id))
				}
				p := taskBatch(byte(1+n)+byte(id)*100, 1, deltaOf(r), advance(held, n)...)
				err := f.sink.Commit(t.Context(), p)
				for errors.Is(err, checkpoint.ErrRetry) {
					err = f.sink.Commit(t.Context(), p)
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := tasks.Wait(); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("%d %d", (rounds+1)*keys/2, 2*rounds*keys)
	if got := f.Text(t, "SELECT COUNT(*), SUM(n) FROM counts"); got != want {
		t.Errorf("rows and records are %s, expected %s", got, want)
	}
	if got := f.Text(t, "SELECT MIN(latest % 10), MAX(latest % 10), MIN(latest), MAX(latest) FROM counts"); got != "1 1 1 71" {
		t.Errorf("last values are %s, expected those of partition 1, whose times are later", got)
	}
}
