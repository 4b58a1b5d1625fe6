package mysqlout

import (
	"crypto/sha256"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/internal/mariadbtest"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqltest"
	"github.com/sluice-etl/sluice/mysqlout/ledger"
	"github.com/sluice-etl/sluice/row"
)

// idRows returns rows of etl_dedup for these offsets of partition 0, whose times are the offsets in seconds.
func idRows(job string, from, to int64) *row.Rows {
	table := ledger.DedupTable()
	r := row.NewRows(&table)
	for o := from; o < to; o++ {
		key := row.AppendKeyBytes(row.AppendKeyBytes(nil, []byte(job)), []byte("logs"))
		key = row.AppendKeyNumber(key, row.FromInt(0))
		id := idOf(o)
		i, _ := r.Find(row.AppendKeyBytes(key, id[:]))
		cells := r.Cells(i)
		cells[0], cells[1] = cell(o), cell(o*1000)
	}
	return r
}

func idOf(o int64) [16]byte {
	sum := sha256.Sum256(fmt.Appendf(nil, "id %d", o))
	sum[3] = 0 // zero bytes are escaped in keys
	return [16]byte(sum[:16])
}

// Event IDs are written with the rows and the checkpoint, are read back in order, and expire by number and by age.
func TestP28_idsAreWrittenWithTheRows(t *testing.T) {
	t.Parallel()
	c := testConfig()
	c.Dedup = true
	counts := sqltest.CountsTable()
	f := open(t, mariadbtest.Start(t), c, counts)
	at := mustClaim(t, f.sink, 0)
	delta := countsDelta(&counts, map[string]int64{"a": 10})
	delta.Tables = append(delta.Tables, idRows(c.Job, 0, 10))
	if err := f.sink.Commit(t.Context(), taskBatch(1, 10, delta, at[0])); err != nil {
		t.Fatal(err)
	}
	remembered := func(before int64, most int) (offsets []int64) {
		t.Helper()
		if err := f.sink.ledger.LoadIDs(t.Context(), at[0].Partition, before, most, func(id [16]byte, ms int64) {
			if id != idOf(ms/1000) {
				t.Errorf("the id at %d is %x, expected %x", ms, id, idOf(ms/1000))
			}
			offsets = append(offsets, ms/1000)
		}); err != nil {
			t.Fatal(err)
		}
		return offsets
	}
	if d := cmp.Diff([]int64{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, remembered(10, 100)); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]int64{4, 5, 6}, remembered(7, 3)); d != "" {
		t.Error(d)
	}

	// If the fence does not match, no event ID is written either.
	delta = countsDelta(&counts, map[string]int64{"a": 1})
	delta.Tables = append(delta.Tables, idRows(c.Job, 10, 11))
	if err := f.sink.Commit(t.Context(), taskBatch(2, 1, delta, at[0])); err == nil {
		t.Error("a task batch from an old checkpoint was committed")
	}
	if got := remembered(100, 100); len(got) != 10 {
		t.Errorf("%v, expected 10 elements", got)
	}

	if n, err := f.sink.ledger.PruneIDs(t.Context(), "logs", time.Hour, 8); err != nil || n != 2 {
		t.Errorf("%d pruned, %v, expected 2 beyond 8", n, err)
	}
	if n, err := f.sink.ledger.PruneIDs(t.Context(), "logs", 5*time.Second, 100); err != nil || n != 2 {
		t.Errorf("%d pruned, %v, expected 2 older than 5 s", n, err)
	}
	if d := cmp.Diff([]int64{4, 5, 6, 7, 8, 9}, remembered(100, 100)); d != "" {
		t.Error(d)
	}

	// The event IDs of rewound records are forgotten, so that the records can be counted again; a new topic begins with
	// none.
	set := ledger.CheckpointMove{Partition: at[0].Partition, Next: 6, Reason: "count 6 to 9 again"}
	if _, _, err := f.sink.ledger.MoveCheckpoint(t.Context(), set); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]int64{4, 5}, remembered(100, 100)); d != "" {
		t.Error(d)
	}
	set = ledger.CheckpointMove{Partition: at[0].Partition, Next: 3, TopicID: &checkpoint.TopicID{9}, Reason: "the topic was recreated"}
	if _, _, err := f.sink.ledger.MoveCheckpoint(t.Context(), set); err != nil {
		t.Fatal(err)
	}
	if got := remembered(100, 100); len(got) != 0 {
		t.Errorf("%v, expected none", got)
	}
}

// The window consists of records that are counted: neither rows below the checkpoint, nor a record whose producer's
// clock is far ahead, end it.
func TestP28_pruneKeepsTheWindow(t *testing.T) {
	t.Parallel()
	c := testConfig()
	c.Dedup = true
	counts := sqltest.CountsTable()
	f := open(t, mariadbtest.Start(t), c, counts)
	at := mustClaim(t, f.sink, 0)
	delta := countsDelta(&counts, map[string]int64{"a": 10})
	delta.Tables = append(delta.Tables, idRows(c.Job, 0, 10))
	if err := f.sink.Commit(t.Context(), taskBatch(1, 10, delta, at[0])); err != nil {
		t.Fatal(err)
	}
	f.Exec(t,
		"UPDATE etl_dedup SET record_timestamp = 1000 * UNIX_TIMESTAMP()",
		"UPDATE etl_dedup SET record_timestamp = 0 WHERE record_offset = 0",
		"UPDATE etl_dedup SET record_timestamp = 4102444800000 WHERE record_offset = 9", // the year 2100
		"INSERT INTO etl_dedup SELECT job, topic, partition_id, REVERSE(id), 1000 + record_offset, record_timestamp FROM etl_dedup")
	if n, err := f.sink.ledger.PruneIDs(t.Context(), "logs", time.Hour, 8); err != nil || n != 2 {
		t.Errorf("%d pruned, %v, expected 2 beyond 8", n, err)
	}
	if n, err := f.sink.ledger.PruneIDs(t.Context(), "logs", time.Hour, 100); err != nil || n != 0 {
		t.Errorf("%d pruned, %v, expected none", n, err)
	}
	if got := f.Text(t, "SELECT COUNT(*), MIN(record_offset) FROM etl_dedup"); got != "18 2" {
		t.Errorf("left are %s, expected 18 from 2 on", got)
	}
}

// BenchmarkCommit_ids measures how many event IDs per second one connection commits, in batches of 20,000.
func BenchmarkCommit_ids(b *testing.B) {
	const n = 20_000
	c := testConfig()
	c.Dedup = true
	counts := sqltest.CountsTable()
	f := open(b, mariadbtest.Start(b), c, counts)
	at := mustClaim(b, f.sink, 0)
	from := int64(0)
	for b.Loop() {
		b.StopTimer()
		delta := countsDelta(&counts, map[string]int64{"a": n})
		delta.Tables = append(delta.Tables, idRows(c.Job, from, from+n))
		p := taskBatch(byte(from/n), n, delta, at[0])
		b.StartTimer()
		if err := f.sink.Commit(b.Context(), p); err != nil {
			b.Fatal(err)
		}
		from += n
		at = advance(at, n)
	}
	b.ReportMetric(float64(from)/b.Elapsed().Seconds(), "ids/s")
	if got := f.Text(b, "SELECT COUNT(*) FROM etl_dedup"); got != fmt.Sprint(from) {
		b.Fatalf("%s event IDs, expected %d", got, from)
	}
}
