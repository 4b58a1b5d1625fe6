package dedup

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/row"
)

// table has the columns of etl_dedup.
func table() row.Table {
	return row.Table{Name: "etl_dedup", Keys: 4, Grouped: true, Columns: []row.Column{
		{Name: "job", Kind: row.Text}, {Name: "topic", Kind: row.Text}, {Name: "partition_id", Kind: row.Int}, {Name: "id", Kind: row.Bytes},
		{Name: "record_offset", Kind: row.Int, Merge: row.Last}, {Name: "record_timestamp", Kind: row.Int, Merge: row.Last},
	}}
}

// inner counts the records that are passed to it, by value.
type inner struct{ counted, taken []string }

func (f *inner) Add(_ checkpoint.Partition, records []batch.Record, tally *batch.Tally) int64 {
	for _, r := range records {
		f.counted = append(f.counted, string(r.Value))
		tally.Counted++
	}
	return 0
}

func (f *inner) Take() row.Delta {
	f.taken, f.counted = f.counted, nil
	return row.Delta{}
}

func (f *inner) Restore(context.Context, []checkpoint.Checkpoint, []batch.RejectedRow) error {
	f.counted = nil
	return nil
}

// store holds what was committed, in order of offset.
type store struct {
	ids []string // "" if the record had none
	err error
}

func (s *store) LoadIDs(_ context.Context, _ checkpoint.Partition, before int64, most int, each func([16]byte, int64)) error {
	for i, id := range s.ids {
		if int64(i) < before && i >= int(before)-most && id != "" {
			sum := sha256.Sum256([]byte(id))
			each([16]byte(sum[:]), int64(i))
		}
	}
	return s.err
}

func key(r *batch.Record) []byte { return r.Key }

var at = checkpoint.Partition{Topic: "logs", ID: 3}

func records(first int64, ids ...string) (out []batch.Record) {
	for i, id := range ids {
		o := first + int64(i)
		out = append(out, batch.Record{Offset: o, Timestamp: o, Key: []byte(id), Value: fmt.Appendf(nil, "%s@%d", id, o)})
	}
	return out
}

func begin(t testing.TB, s *store, next int64) (*fold, *inner) {
	t.Helper()
	c := DefaultConfig()
	c.Header = "id"
	in := &inner{}
	f := New(c, "etl", table(), s, key, nil).NewFold(in).(*fold)
	restore(t, f, next)
	return f, in
}

func restore(t testing.TB, f *fold, next int64) {
	t.Helper()
	cp := checkpoint.Checkpoint{}
	cp.Partition, cp.Next = at, next
	if err := f.Restore(t.Context(), []checkpoint.Checkpoint{cp}, nil); err != nil {
		t.Fatal(err)
	}
}

// Duplicates within a piece, across pieces, across batches, and of records that were committed before the claim.
func TestP28_duplicatesAreCountedOnce(t *testing.T) {
	t.Parallel()
	f, in := begin(t, &store{ids: []string{"old", ""}}, 2)
	var tally batch.Tally
	f.Add(at, records(2, "old", "a", "b", "a", "", ""), &tally)
	f.Add(at, records(8, "b", "c"), &tally)
	delta := f.Take()
	f.Add(at, records(10, "c", "d"), &tally)
	if d := cmp.Diff([]string{"a@3", "b@4", "@6", "@7", "c@9"}, in.taken); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"d@11"}, in.counted); d != "" {
		t.Error(d)
	}
	if tally.Counted != 6 || tally.Duplicates != 4 {
		t.Errorf("%+v; expected Counted 6 and Duplicates 4", tally)
	}
	if len(delta.Tables) != 1 || delta.Tables[0].Len() != 3 || delta.Tables[0].Table.Name != "etl_dedup" {
		t.Errorf("got %d event IDs to write, expected those of a, b and c", delta.Len())
	}
}

// What is discarded is forgotten, whether it was folded or in a task batch that was not committed. What was committed
// is remembered.
func TestP28_restoreForgets(t *testing.T) {
	t.Parallel()
	s := &store{}
	f, in := begin(t, s, 0)
	var tally batch.Tally
	f.Add(at, records(0, "a"), &tally)
	f.Take()
	s.ids = []string{"a"} // committed
	f.Add(at, records(1, "b"), &tally)
	f.Take() // and this one is not
	f.Add(at, records(2, "c"), &tally)
	restore(t, f, 1)
	in.counted = nil
	f.Add(at, records(1, "b", "c", "a"), &tally)
	if d := cmp.Diff([]string{"b@1", "c@2"}, in.counted); d != "" {
		t.Error(d)
	}
	// The database was restored to a state before all of this.
	s.ids = nil
	restore(t, f, 0)
	f.Add(at, records(0, "a"), &tally)
	if d := cmp.Diff([]string{"a@0"}, in.counted); d != "" {
		t.Error(d)
	}
	s.err = errors.New("away")
	if err := f.Restore(t.Context(), []checkpoint.Checkpoint{{}}, nil); !errors.Is(err, s.err) {
		t.Errorf("got %v, expected %v", err, s.err)
	}
}

// An event ID needs no allocation once the window has its memory.
func TestAdd_allocatesNothing(t *testing.T) {
	f, in := begin(t, &store{}, 0)
	duplicates := records(0, "a", "b", "c", "a", "b", "c")
	var tally batch.Tally
	f.Add(at, duplicates, &tally)
	in.counted = nil
	if n := testing.AllocsPerRun(100, func() { f.Add(at, duplicates, &tally) }); n != 0 {
		t.Errorf("%v allocations for 6 duplicates, expected 0", n)
	}
}

// nothing is a fold that does nothing, so that only the deduplication is measured.
type nothing struct{ records int64 }

func (f *nothing) Add(_ checkpoint.Partition, records []batch.Record, _ *batch.Tally) int64 {
	f.records += int64(len(records))
	return 0
}
func (*nothing) Take() row.Delta { return row.Delta{} }
func (*nothing) Restore(context.Context, []checkpoint.Checkpoint, []batch.RejectedRow) error {
	return nil
}

// BenchmarkAdd measures an event ID in memory, with the row that is made for it, while the window is full. The ceiling
// is the hash alone.
func BenchmarkAdd(b *testing.B) {
	const piece = 1000
	ids := make([]string, 100*piece)
	for i := range ids {
		ids[i] = fmt.Sprintf("%08x-1111-4222-8333-%012x", i, i)
	}
	all := records(0, ids...)
	b.Run("fresh", func(b *testing.B) {
		c := DefaultConfig()
		c.Header, c.Records = "id", 50*piece // each event ID has left the window when it comes again
		in := &nothing{}
		f := New(c, "etl", table(), &store{}, key, nil).NewFold(in).(*fold)
		restore(b, f, 0)
		var tally batch.Tally
		b.ReportAllocs()
		n := 0
		for b.Loop() {
			from := n % 100 * piece
			f.Add(at, all[from:from+piece], &tally)
			if n++; n%20 == 0 {
				f.Take()
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n)/piece, "ns/record")
		if in.records != int64(n)*piece || tally.Duplicates != 0 {
			b.Fatalf("%d records of %d, %d duplicates; expected %v and 0", in.records, n*piece, tally.Duplicates, int64(n)*piece)
		}
	})
	b.Run("ceiling", func(b *testing.B) {
		sum := byte(0)
		for b.Loop() {
			for i := range all[:piece] {
				h := sha256.Sum256(all[i].Key)
				sum ^= h[0]
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/piece, "ns/record")
		_ = sum
	})
}
