package batch_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/batch/sinktest"
	"github.com/sluice-etl/sluice/checkpoint"
)

// fussySink rejects one row at a time, as a server does: the first one in a batch that it does not like.
type fussySink struct {
	*sinktest.Memory
	bad []string

	mu       sync.Mutex // guards what follows
	rejected []string
}

func (s *fussySink) Commit(ctx context.Context, part *batch.Part[sinktest.Delta]) error {
	for _, key := range s.bad {
		if part.Delta[key] == 0 {
			continue
		}
		s.mu.Lock()
		s.rejected = append(s.rejected, key)
		n := len(s.rejected)
		s.mu.Unlock()
		if n > 20 {
			return errors.New("it goes round and round") // without a class: the process ends
		}
		until := map[checkpoint.Partition]int64{}
		for _, m := range part.Moves {
			until[m.Partition] = m.Next
		}
		return &batch.RefusedRows{Rows: []batch.Refused{{Table: sinktest.TableName, Key: []byte(key), Reason: "it is " + key, Until: until}}}
	}
	return s.Memory.Commit(ctx, part)
}

// restoredFold keeps the keys of the rejected rows that it was restored with.
type restoredFold struct {
	countFold
	sink     *fussySink
	restored *[][]string
}

func (f *restoredFold) Restore(ctx context.Context, at []checkpoint.Checkpoint, refused []batch.Refused) error {
	keys := []string{}
	for _, r := range refused {
		keys = append(keys, string(r.Key))
	}
	f.sink.mu.Lock()
	*f.restored = append(*f.restored, keys)
	f.sink.mu.Unlock()
	return f.countFold.Restore(ctx, at, refused)
}

// reject counts a log of values in batches of most records, with a MySQL that rejects b1, b2 and b3.
func reject(t *testing.T, most int64, values ...string) (sink *fussySink, restored [][]string) {
	t.Helper()
	var log []batch.Record
	for o, v := range values {
		log = append(log, batch.Record{Offset: int64(o), Value: []byte(v)})
	}
	end := int64(len(values))
	sink = &fussySink{Memory: sinktest.NewMemory(), bad: []string{"b1", "b2", "b3"}}
	cfg := testConfig()
	cfg.Tasks, cfg.MaxRecords = 1, most
	newFold := func() batch.Fold[sinktest.Delta] {
		return &restoredFold{countFold: countFold{delta: sinktest.Delta{}}, sink: sink, restored: &restored}
	}
	driveFold(t, cfg, newLogSource([][]batch.Record{log}, []int64{end}), sink, newFold, reached(sink.Memory, []int64{end}))
	if n := len(sink.Dead()); n != len(sink.rejected) {
		t.Errorf("%d dead letters, MySQL rejected %q", n, sink.rejected)
	}
	return sink, restored
}

// MySQL rejects rows of one batch one after another. Each stays rejected, so that the batch is committed after as many
// tries as it has such rows.
func TestP18_RejectedRowsOfABatchAreKept(t *testing.T) {
	t.Parallel()
	sink, _ := reject(t, 1000, "b1", "ok", "b2", "ok", "b3")
	if want := []string{"b1", "b2", "b3"}; !slices.Equal(sink.rejected, want) {
		t.Errorf("MySQL rejected %q, want %q", sink.rejected, want)
	}
	if rows := sink.Rows(); rows["ok"] != 2 || len(rows) != 1 {
		t.Errorf("rows are %v", rows)
	}
}

// A rejected row is forgotten when its records have passed: what makes the same row later is MySQL's to judge again.
func TestP18_RejectedRowsAreForgottenBehindTheirRecords(t *testing.T) {
	t.Parallel()
	_, restored := reject(t, 2, "b1", "ok", "b2", "ok")
	want := [][]string{{}, {"b1"}, {"b2"}, {}} // after the claim, after each rejection, and when the partition is let go
	if !slices.EqualFunc(restored, want, slices.Equal) {
		t.Errorf("folds begin anew with %q, want %q", restored, want)
	}
}
