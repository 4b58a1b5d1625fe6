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

// rejectingSink rejects one row at a time, as a server does: the first one of a batch that it cannot store.
type rejectingSink struct {
	*sinktest.Memory
	bad []string

	mu       sync.Mutex // guards what follows
	rejected []string
}

func (s *rejectingSink) Commit(ctx context.Context, b *batch.TaskBatch[sinktest.Delta]) error {
	for _, key := range s.bad {
		if b.Delta[key] == 0 {
			continue
		}
		s.mu.Lock()
		s.rejected = append(s.rejected, key)
		n := len(s.rejected)
		s.mu.Unlock()
		if n > 20 {
			return errors.New("the same rows are rejected again and again") // without a class: the process ends
		}
		until := map[checkpoint.Partition]int64{}
		for _, m := range b.Advances {
			until[m.Partition] = m.Next
		}
		return &batch.RejectedRows{Rows: []batch.RejectedRow{{Table: sinktest.TableName, Key: []byte(key), Reason: "it is " + key, Until: until}}}
	}
	return s.Memory.Commit(ctx, b)
}

// restoredFold keeps the keys of the rejected rows that it was restored with.
type restoredFold struct {
	countFold
	sink     *rejectingSink
	restored *[][]string
}

func (f *restoredFold) Restore(ctx context.Context, at []checkpoint.Checkpoint, rejected []batch.RejectedRow) error {
	keys := []string{}
	for _, r := range rejected {
		keys = append(keys, string(r.Key))
	}
	f.sink.mu.Lock()
	*f.restored = append(*f.restored, keys)
	f.sink.mu.Unlock()
	return f.countFold.Restore(ctx, at, rejected)
}

// reject counts a log of values in batches of most records, with a MySQL that rejects b1, b2 and b3.
func reject(t *testing.T, most int64, values ...string) (sink *rejectingSink, restored [][]string) {
	t.Helper()
	var log []batch.Record
	for o, v := range values {
		log = append(log, batch.Record{Offset: int64(o), Value: []byte(v)})
	}
	end := int64(len(values))
	sink = &rejectingSink{Memory: sinktest.NewMemory(), bad: []string{"b1", "b2", "b3"}}
	cfg := testConfig()
	cfg.Tasks, cfg.MaxRecords = 1, most
	newFold := func() batch.Fold[sinktest.Delta] {
		return &restoredFold{countFold: countFold{delta: sinktest.Delta{}}, sink: sink, restored: &restored}
	}
	driveFold(t, cfg, newLogSource([][]batch.Record{log}, []int64{end}), sink, newFold, reached(sink.Memory, []int64{end}))
	if n := len(sink.Dead()); n != len(sink.rejected) {
		t.Errorf("%d dead letters, MySQL rejected %q, expected %v", n, sink.rejected, len(sink.rejected))
	}
	return sink, restored
}

// If MySQL rejects the rows of a batch one after another, each stays rejected. The batch is committed after as many
// retries as it has such rows.
func TestP18_RejectedRowsStayRejected(t *testing.T) {
	t.Parallel()
	sink, _ := reject(t, 1000, "b1", "ok", "b2", "ok", "b3")
	if want := []string{"b1", "b2", "b3"}; !slices.Equal(sink.rejected, want) {
		t.Errorf("MySQL rejected %q, expected %q", sink.rejected, want)
	}
	if rows := sink.Rows(); rows["ok"] != 2 || len(rows) != 1 {
		t.Errorf("rows are %v; expected only the row ok, with 2", rows)
	}
}

// A rejected row is forgotten when the checkpoint has passed its records. If later records make the same row, MySQL
// decides again.
func TestP18_RejectedRowsAreForgottenAfterTheirRecords(t *testing.T) {
	t.Parallel()
	_, restored := reject(t, 2, "b1", "ok", "b2", "ok")
	want := [][]string{{}, {"b1"}, {"b2"}, {}} // after the claim, after each rejection, and when the partition is released
	if !slices.EqualFunc(restored, want, slices.Equal) {
		t.Errorf("folds are restored with %q, expected %q", restored, want)
	}
}
