package batch

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/sluice-etl/sluice/batch/planner"
	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/internal/failpoint"
	"github.com/sluice-etl/sluice/internal/mailbox"
)

// Engine performs what its planner decides: it passes fetched records to the tasks' folds, and task batches to the
// sink. It is the RebalanceListener that its Source calls.
//
// One goroutine, the loop, owns the planner and what belongs to it. Everything else posts to it: the source's
// goroutines, one worker for each task, the ticker, and one goroutine for each call of the sink or the group. The
// mailboxes have a bounded length because the planner allows one operation and one fold for each task, besides what was
// fetched before a pause took effect.
type Engine[D any] struct {
	cfg    Config
	source Source
	sink   Sink[D]
	log    *slog.Logger
	m      *metrics

	inbox  *mailbox.Mailbox[message[D]]
	topic  atomic.Pointer[Topic] // of the last assignment
	joined atomic.Bool
	health health
	ended  chan struct{} // closed when Run has ended

	// Only the loop accesses the following fields.
	start       time.Time
	planner     *planner.Planner
	workers     []*worker[D]
	pieces      map[uint64]*heldPiece
	token       uint64          // the last piece's
	batches     []*TaskBatch[D] // by task: closed and neither advanced nor discarded
	began       []time.Time     // by task: when its commit began
	rejected    [][]RejectedRow // by task: rows whose records are dead when they are folded again
	revocations map[checkpoint.Partition][]*revocation
	outputs     []planner.Output // reused by step
	recent      recent
	group       *errgroup.Group // of Run; runs the calls of the sink and the group
}

// revocation is a call of Revoked that waits.
type revocation struct {
	left int           // partitions that are not released
	done chan struct{} // closed when there are none
}

// New creates an engine; cfg must be valid. newFold creates the fold of each task. log and reg may be nil.
func New[D any](cfg Config, source Source, sink Sink[D], newFold func() Fold[D], log *slog.Logger, reg prometheus.Registerer) *Engine[D] {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	share := cfg.Memory / int64(cfg.Tasks)
	e := &Engine[D]{
		cfg: cfg, source: source, sink: sink, log: log.With("component", "batch"), m: newMetrics(reg),
		inbox: mailbox.New[message[D]](), ended: make(chan struct{}),
		planner: planner.New(planner.Limits{
			Tasks: cfg.Tasks, MaxRecords: cfg.MaxRecords, MaxBytes: cfg.MaxBytes, Memory: share,
			DeadLetterStop: cfg.DeadLetterStop, Recheck: cfg.Recheck,
		}),
		pieces: map[uint64]*heldPiece{}, revocations: map[checkpoint.Partition][]*revocation{},
		batches: make([]*TaskBatch[D], cfg.Tasks), began: make([]time.Time, cfg.Tasks), rejected: make([][]RejectedRow, cfg.Tasks),
	}
	dead := &limiter{rate: cfg.DeadLetterRate}
	for n := range cfg.Tasks {
		e.workers = append(e.workers, &worker[D]{
			task: n, fold: newFold(), memory: share * 3 / 8, orders: mailbox.New[order[D]](), post: e.inbox.Put, log: e.log,
			dead: sample{limiter: dead},
		})
	}
	return e
}

// Assigned implements RebalanceListener.
func (e *Engine[D]) Assigned(topic Topic, partitions []int32) {
	e.topic.Store(&topic)
	e.joined.Store(true)
	in := planner.Assigned{}
	for _, id := range partitions {
		in.Partitions = append(in.Partitions, checkpoint.Partition{Topic: topic.Name, ID: id})
	}
	e.inbox.Put(input[D]{in})
}

// Revoked implements RebalanceListener.
func (e *Engine[D]) Revoked(ctx context.Context, partitions []checkpoint.Partition, lost bool) {
	if len(partitions) == 0 {
		return
	}
	failpoint.Hit(failpoint.Revoking)
	r := &revocation{left: len(partitions), done: make(chan struct{})}
	e.inbox.Put(revoked[D]{partitions, r})
	if lost {
		return
	}
	select {
	case <-r.done:
	case <-ctx.Done():
	case <-e.ended:
	}
}

// Fetched implements RebalanceListener.
func (e *Engine[D]) Fetched(f Fetched) {
	if f.Err == nil {
		failpoint.Hit(failpoint.Polled)
	}
	e.inbox.Put(fetched[D]{f})
}

// Joined reports whether the group has made an assignment since the start, even an empty one.
func (e *Engine[D]) Joined() bool { return e.joined.Load() }
