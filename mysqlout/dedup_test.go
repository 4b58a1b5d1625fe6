package mysqlout

import (
	"crypto/sha256"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

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

// Event IDs are written with the rows and the checkpoint, or not at all.
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
