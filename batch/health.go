package batch

import (
	"errors"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/sluice-etl/sluice/checkpoint"
)

// Health is what stands between the engine and its work. The zero Health is nothing.
type Health struct {
	// Sink is why the sink does not take a task's work, the newest reason of one of the tasks that wait for it.
	Sink error
	// Stopped are the partitions that wait for a person, and why.
	Stopped map[checkpoint.Partition]error
}

// Health is for probes: it asks nobody and does not wait. It is safe for concurrent use.
func (e *Engine[D]) Health() Health { return e.health.get() }

// health is the loop's notes for Health.
type health struct {
	mu      sync.Mutex
	waiting map[int]trouble // by task
	stopped map[checkpoint.Partition]error
}

type trouble struct {
	since time.Time
	err   error
}

// result takes note of a result of the sink. It is a failure only if the task will retry as it is: after a fence or rejected
// rows the sink is at work.
func (h *health) result(task int, err error, log *slog.Logger) {
	h.mu.Lock()
	defer h.mu.Unlock()
	was, waited := h.waiting[task]
	switch {
	case errors.Is(err, checkpoint.ErrRetry), errors.Is(err, checkpoint.ErrBlocked), errors.Is(err, checkpoint.ErrUnknown):
		if !waited {
			was.since = time.Now()
		}
		if h.waiting == nil {
			h.waiting = map[int]trouble{}
		}
		h.waiting[task] = trouble{was.since, err}
	case waited:
		delete(h.waiting, task)
		log.Info("Task resumed", "task", task, "after", time.Since(was.since).Round(time.Millisecond).String())
	}
}

// forget is for a task that has no partitions any more: nothing will be asked for it.
func (h *health) forget(task int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.waiting, task)
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
	for _, t := range h.waiting {
		if t.since.After(newest) {
			newest, out.Sink = t.since, t.err
		}
	}
	return out
}
