package batch_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/batch/sinktest"
)

// The memory limit is for the process. Tasks share it equally, and a task's two batches stay within the task's share.
func TestP31_TasksDivideTheMemory(t *testing.T) {
	t.Parallel()
	cfg := testConfig()
	cfg.Tasks, cfg.Memory = 4, 4*8000
	e := batch.New(cfg, newLogSource(nil, nil), sinktest.NewMemory(), newCountFold, nil, nil)
	tasks, workers := e.Shares()
	if want := []int64{8000, 8000, 8000, 8000}; !slices.Equal(tasks, want) {
		t.Errorf("tasks hold %d, expected %d", tasks, want)
	}
	if want := []int64{3000, 3000, 3000, 3000}; !slices.Equal(workers, want) {
		t.Errorf("a fold ends at %d, expected %d", workers, want)
	}
}

// wideSink records the largest number of groups in a batch.
type wideSink struct {
	*sinktest.Memory
	mu   sync.Mutex // guards most
	most int
}

func (s *wideSink) Commit(ctx context.Context, b *batch.TaskBatch[sinktest.Delta]) error {
	s.mu.Lock()
	s.most = max(s.most, len(b.Delta))
	s.mu.Unlock()
	return s.Memory.Commit(ctx, b)
}

// If one fetched piece makes more groups than fit in a batch's memory, the fold ends within the piece and continues
// with the rest in the next batch.
func TestP31_AFoldEndsWithinAPiece(t *testing.T) {
	t.Parallel()
	const n = 20_000
	var log []batch.Record
	for o := range int64(n) {
		log = append(log, batch.Record{Offset: o, Value: fmt.Appendf(nil, "w%d", o)})
	}
	cfg := testConfig()
	cfg.Tasks, cfg.Memory = 1, 800_000 // a batch may hold 300,000: 3,000 groups of 100 bytes
	src := newLogSource([][]batch.Record{log}, []int64{n})
	src.whole = true
	sink := &wideSink{Memory: sinktest.NewMemory()}
	drive(t, cfg, src, sink, reached(sink.Memory, []int64{n}))
	if len(sink.Rows()) != n {
		t.Errorf("%d rows, expected %d", len(sink.Rows()), n)
	}
	if sink.most > 4000 { // 3,000, and what one look at the memory lets through
		t.Errorf("a batch had %d groups, expected at most 4000", sink.most)
	}
}
