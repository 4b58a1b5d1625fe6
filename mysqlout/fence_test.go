package mysqlout

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/internal/mariadbtest"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqltest"
	"github.com/sluice-etl/sluice/row"
)

// A value that is the same for all partitions is written once. As soon as one differs, at any position, each partition
// has its own value.
func TestP9_DifferingValuesArePerPartition(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		next []int64
		want string
	}{
		{[]int64{5}, "5"},
		{[]int64{5, 5, 5}, "5"},
		{[]int64{9, 5, 5}, "CASE partition_id WHEN 0 THEN 9 WHEN 1 THEN 5 WHEN 2 THEN 5 END"},
		{[]int64{5, 9, 5}, "CASE partition_id WHEN 0 THEN 5 WHEN 1 THEN 9 WHEN 2 THEN 5 END"},
		{[]int64{5, 5, 9}, "CASE partition_id WHEN 0 THEN 5 WHEN 1 THEN 5 WHEN 2 THEN 9 END"},
	} {
		var advances []batch.Advance
		for id, next := range c.next {
			advances = append(advances, batch.Advance{Range: checkpoint.Range{
				Partition: checkpoint.Partition{Topic: "logs", ID: int32(id)}, Next: next,
			}})
		}
		got := string(appendCase(nil, advances, appendInt(func(m *batch.Advance) int64 { return m.Next })))
		if strings.TrimSpace(got) != c.want {
			t.Errorf("%v is written %q, expected %q", c.next, got, c.want)
		}
	}
}

// A difference in any column that the fence compares, in only one of three partitions, stops the whole task batch.
func TestP9_TheFenceComparesEachColumn(t *testing.T) {
	t.Parallel()
	f := open(t, mariadbtest.Start(t), testConfig(), sqltest.CountsTable())
	at := mustClaim(t, f.sink, 0, 1, 2)
	counts := func() row.Delta { return countsDelta(&f.tables[0], map[string]int64{"a": 9}) }
	for _, change := range []string{
		"epoch = epoch + 1", "epoch = epoch - 1", "owner = x'77'", "next_offset = next_offset + 1", "query_hash = x'77'",
	} {
		f.Exec(t, "CREATE TABLE kept SELECT * FROM etl_checkpoint", "UPDATE etl_checkpoint SET "+change+" WHERE partition_id = 2")
		err := f.sink.Commit(t.Context(), taskBatch(1, 3, counts(), at...))
		if want := []checkpoint.Partition{{Topic: "logs", ID: 2}}; !errors.Is(err, checkpoint.ErrFenced) || !slices.Equal(named(err), want) {
			t.Errorf("%s: error is %v, naming %v, expected fenced and %v", change, err, named(err), want)
		}
		if got := f.Text(t, "SELECT COUNT(*) FROM counts"); got != "0" {
			t.Errorf("%s: %s rows, expected %q", change, got, "0")
		}
		f.Exec(t, "DELETE FROM etl_checkpoint", "INSERT INTO etl_checkpoint SELECT * FROM kept", "DROP TABLE kept")
	}
	if err := f.sink.Commit(t.Context(), taskBatch(2, 3, counts(), at...)); err != nil {
		t.Fatal(err)
	}
	if got := f.Text(t, "SELECT n, SUM(next_offset) FROM counts, etl_checkpoint WHERE next_offset > 0"); got != "9 9" {
		t.Errorf("count and offsets are %s, expected 9 9", got)
	}
}

func named(err error) []checkpoint.Partition {
	var e *checkpoint.Error
	if !errors.As(err, &e) {
		return nil
	}
	return e.Partitions
}

// The closing check must find every partition as the fence left it; a concurrent change of one partition is enough to
// fail it.
func TestP11_TheClosingCheckRequiresEveryPartition(t *testing.T) {
	t.Parallel()
	f := open(t, mariadbtest.Start(t), testConfig(), sqltest.CountsTable())
	at := mustClaim(t, f.sink, 0, 1)
	f.Exec(t, "CREATE TRIGGER meddle BEFORE UPDATE ON etl_checkpoint FOR EACH ROW "+
		"SET NEW.batch_id = IF(NEW.partition_id = 1, x'77', NEW.batch_id)")
	f.sink.own = nil // otherwise the comparison of definitions would find the trigger first
	err := f.sink.Commit(t.Context(), taskBatch(1, 3, countsDelta(&f.tables[0], map[string]int64{"a": 6}), at...))
	if !errors.Is(err, checkpoint.ErrFenced) || !strings.Contains(err.Error(), "1 of 2") {
		t.Errorf("error is %v, expected that 1 of 2 partitions match", err)
	}
	if got := f.Text(t, "SELECT (SELECT COUNT(*) FROM counts), SUM(next_offset), SUM(counted) FROM etl_checkpoint"); got != "0 0 0" {
		t.Errorf("rows, offsets and counters are %s, expected 0 0 0", got)
	}
}

// Each counter, and each partition's leader epoch, is added to its own column and row.
func TestP11_EachCounterHasItsColumn(t *testing.T) {
	t.Parallel()
	f := open(t, mariadbtest.Start(t), testConfig(), sqltest.CountsTable())
	at := mustClaim(t, f.sink, 0, 1)
	for range 2 {
		p := taskBatch(1, 21, countsDelta(&f.tables[0], map[string]int64{"a": 1}), at...)
		p.Advances[0].Audit = checkpoint.Audit{Counted: 1, Filtered: 2, Dead: 3, Gaps: 4, Duplicates: 5, Skipped: 6}
		p.Advances[1].Audit = checkpoint.Audit{Counted: 6, Filtered: 5, Dead: 4, Gaps: 3, Duplicates: 2, Skipped: 1}
		p.Advances[0].LeaderEpoch, p.Advances[1].LeaderEpoch = 7, 8
		if err := f.sink.Commit(t.Context(), p); err != nil {
			t.Fatal(err)
		}
		at = advance(at, 21)
	}
	want := "0 7 2 4 6 8 10 12\n1 8 12 10 8 6 4 2"
	if got := f.Text(t, "SELECT partition_id, leader_epoch, counted, filtered, dead, gaps, duplicates, skipped FROM etl_checkpoint "+
		"WHERE next_offset > 0 ORDER BY partition_id"); got != want {
		t.Errorf("counters are\n%s, expected\n%s", got, want)
	}
}

// Rows are sent in one ascending order, tables by name and then keys, regardless of the order in which they were
// folded. Other releases and etl verify use the same order. The INSERTs name their columns.
func TestP10_RowsAreSentInAscendingOrder(t *testing.T) {
	t.Parallel()
	last, first := sqltest.CountsTable(), sqltest.CountsTable()
	first.Name = "amounts"
	f := open(t, mariadbtest.Start(t), testConfig(), last, first)
	s, proxy := f.through(t, last, first)
	at := mustClaim(t, s, 0)
	var mu sync.Mutex
	var sent []string
	proxy.Intrude(func(statement string) bool {
		mu.Lock()
		defer mu.Unlock()
		if strings.HasPrefix(statement, "INSERT") {
			sent = append(sent, statement)
		}
		return false
	})
	var delta row.Delta
	for i := range f.tables {
		r := row.NewRows(&f.tables[i])
		for _, key := range []string{"m", "z", "a", "aa"} {
			n, _ := r.Find(row.AppendKeyBytes(nil, []byte(key)))
			r.Cells(n)[0].Number, r.Cells(n)[0].Set = row.FromInt(1), true
		}
		delta.Tables = append(delta.Tables, r)
	}
	if err := s.Commit(t.Context(), taskBatch(1, 4, delta, at...)); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	const rows = " (`item`, `n`) VALUES ('a',1),('aa',1),('m',1),('z',1)"
	if len(sent) != 2 || !strings.HasPrefix(sent[0], "INSERT INTO `amounts`"+rows) || !strings.HasPrefix(sent[1], "INSERT INTO `counts`"+rows) {
		t.Errorf("sent %q; expected 2 elements, sent[0] to begin with %q and sent[1] to begin with %q", sent, "INSERT INTO `amounts`"+rows, "INSERT INTO `counts`"+rows)
	}
}
