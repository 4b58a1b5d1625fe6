package batch_test

import (
	"context"
	"testing"
	"time"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/batch/sinktest"
	"github.com/sluice-etl/sluice/checkpoint"
)

// slowSink blocks every commit until proceed is closed.
type slowSink struct {
	*sinktest.Memory
	began   chan struct{}
	proceed chan struct{}
}

func (s *slowSink) Commit(ctx context.Context, b *batch.TaskBatch[sinktest.Delta]) error {
	select {
	case s.began <- struct{}{}:
	default:
	}
	select {
	case <-s.proceed:
	case <-ctx.Done():
		return &checkpoint.Error{Class: checkpoint.ErrRetry, Err: ctx.Err()}
	}
	return s.Memory.Commit(ctx, b)
}

// A stop waits for the commit under way, within ShutdownTimeout, and commits what was folded behind it, so that nothing
// that was folded must be fetched and folded again after the next start.
func TestP33_StopCommitsBatchesUnderWay(t *testing.T) {
	t.Parallel()
	var log []batch.Record
	for o := range int64(200) {
		log = append(log, batch.Record{Offset: o, Value: []byte("word")})
	}
	sink := &slowSink{Memory: sinktest.NewMemory(), began: make(chan struct{}, 1), proceed: make(chan struct{})}
	cfg := testConfig()
	cfg.ShutdownTimeout, cfg.MaxRecords = 20*time.Second, 100
	src := newLogSource([][]batch.Record{log}, []int64{200})
	e := batch.New[sinktest.Delta](cfg, src, sink, newCountFold, nil, nil)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	bound := time.After(30 * time.Second)
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	select {
	case <-sink.began:
	case <-bound:
		t.Fatal("no commit began")
	}
	for !src.folded(200) { // the second hundred is the open batch, behind the commit
		select {
		case <-look.C:
		case <-bound:
			t.Fatal("the records behind the commit were not folded")
		}
	}
	cancel()
	select {
	case err := <-ended:
		t.Fatalf("Run ended with %v while a commit was under way", err)
	case <-time.After(10 * cfg.Interval):
	}
	close(sink.proceed)
	select {
	case err := <-ended:
		if err != nil {
			t.Fatalf("Run: %v", err)
		}
	case <-bound:
		t.Fatal("Run did not end")
	}
	if at := sink.Checkpoints(); len(at) != 1 || at[0].Next != 200 {
		t.Errorf("the checkpoints are %v, expected one at 200", at)
	}
	if n := sink.Rows()["word"]; n != 200 {
		t.Errorf("%d records counted, expected 200", n)
	}
}

// folded reports whether partition 0 was delivered up to an offset, and all of it was folded.
func (s *logSource) folded(next uint64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := s.at[partition(0)]
	return at != nil && at.next == next && s.released == 0
}
