package batch_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/batch/sinktest"
	"github.com/sluice-etl/sluice/checkpoint"
)

// lockedLog is a log that may be read while it is written.
type lockedLog struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lockedLog) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lockedLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// awaySink is unavailable until back is set.
type awaySink struct {
	*sinktest.Memory
	back atomic.Bool
}

func (s *awaySink) Commit(ctx context.Context, b *batch.TaskBatch[sinktest.Delta]) error {
	if !s.back.Load() {
		return &checkpoint.Error{Class: checkpoint.ErrRetry, Err: errors.New("connection refused")}
	}
	return s.Memory.Commit(ctx, b)
}

// A sink that becomes unavailable is reported at once, until the task resumes.
func TestHealth_sinkUnavailableAndBack(t *testing.T) {
	t.Parallel()
	sink := awaySink{Memory: sinktest.NewMemory()}
	ends := []int64{1}
	src := newLogSource([][]batch.Record{{{Offset: 0, Value: []byte("x")}}}, ends)
	var log lockedLog
	e := batch.New(testConfig(), src, batch.Sink[sinktest.Delta](&sink), newCountFold, slog.New(slog.NewTextHandler(&log, nil)), nil)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	await := func(what string, holds func() bool) {
		t.Helper()
		look := time.NewTicker(time.Millisecond)
		defer look.Stop()
		for !holds() {
			select {
			case <-look.C:
			case <-ctx.Done():
				t.Fatalf("timeout: %s\n%s", what, log.String())
			}
		}
	}
	if err := e.Health().Sink; err != nil {
		t.Errorf("before the first call: %v", err)
	}
	await("the sink is unavailable", func() bool { return errors.Is(e.Health().Sink, checkpoint.ErrRetry) })
	sink.back.Store(true)
	await("the sink is available", func() bool { return e.Health().Sink == nil })
	await("the record is counted", func() bool { return reached(sink.Memory, ends)(e) })
	await("the log reports it", func() bool { return strings.Contains(log.String(), "Task resumed") })
	if !strings.Contains(log.String(), "partitions=[0] next=[0] epochs=[1]") {
		t.Errorf("the claim is not in the log, expected it to contain %q:\n%s", "partitions=[0] next=[0] epochs=[1]", log.String())
	}
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
}
