package batch

import (
	"errors"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/sluice-etl/sluice/checkpoint"
)

// Health is what keeps the engine from working. The zero Health is healthy.
type Health struct {
	// Sink is the error that a task is retrying, nil if none is. If several tasks fail, it is that of the one that failed
	// last.
	Sink error
	// Stopped is the partitions that wait for an operator, with the error of each.
	Stopped map[checkpoint.Partition]error
}

// Health returns what keeps the engine from working. It does not block, so probes can call it. It is safe for
// concurrent use.
func (e *Engine[D]) Health() Health { return e.health.get() }

// health is what the loop knows for Health.
type health struct {
	mu      sync.Mutex      // guards what follows
	failing map[int]failure // by task
	stopped map[checkpoint.Partition]error
}

// failure is that of a task which is retrying.
type failure struct {
	since time.Time
	err   error
}

// result records a result of the sink. Only an error after which the task retries the same operation counts as a
// failure: a fence or rejected rows show that the sink works.
func (h *health) result(task int, err error, log *slog.Logger) {
	h.mu.Lock()
	defer h.mu.Unlock()
	before, failed := h.failing[task]
	switch {
	case errors.Is(err, checkpoint.ErrRetry), errors.Is(err, checkpoint.ErrBlocked), errors.Is(err, checkpoint.ErrUnknown):
		if !failed {
			before.since = time.Now()
		}
		if h.failing == nil {
			h.failing = map[int]failure{}
		}
		h.failing[task] = failure{before.since, err}
	case failed:
		delete(h.failing, task)
		log.Info("Task resumed", "task", task, "after", time.Since(before.since).Round(time.Millisecond).String())
	}
}

// forget removes the failure of a task that has no partitions any more, because the task will not retry.
func (h *health) forget(task int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.failing, task)
}

func (h *health) stop(p checkpoint.Partition, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.stopped == nil {
		h.stopped = map[checkpoint.Partition]error{}
	}
	h.stopped[p] = err
}

// resumed forgets that a partition had stopped, because it was claimed again or released.
func (h *health) resumed(p checkpoint.Partition) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.stopped, p)
}

func (h *health) get() Health {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := Health{Stopped: maps.Clone(h.stopped)}
	var newest time.Time
	for _, t := range h.failing {
		if t.since.After(newest) {
			newest, out.Sink = t.since, t.err
		}
	}
	return out
}
