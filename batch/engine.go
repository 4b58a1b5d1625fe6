package batch

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/sluice-etl/sluice/batch/planner"
	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/internal/failpoint"
)

// Engine performs what its Planner decides: it gives fetched records to the tasks' folds, and parts to the sink. It is
// the RebalanceListener that its Source calls.
type Engine[D any] struct {
	cfg    Config
	source Source
	sink   Sink[D]
	log    *slog.Logger
	m      *metrics

	inbox  *mailbox[any]
	topic  atomic.Pointer[Topic]
	joined atomic.Bool
	health health
	ended  chan struct{} // closed when Run has ended

	// Only the loop touches what follows.
	start   time.Time
	planner *planner.Planner
	workers []*worker[D]
	pieces  map[uint64]*held
	token   uint64
	parts   []*TaskBatch[D] // by task: what is being committed
	began   []time.Time     // by task: when its commit began
	refused [][]RejectedRow // by task: rows whose records are dead when they come again
	waiting map[checkpoint.Partition][]*departure
	effects []planner.Output
	recent  recent
	group   *errgroup.Group
	work    context.Context //nolint:containedctx // the lifetime of what the loop starts, set once by Run
}

// departure is a call of Revoked that waits.
type departure struct {
	left int
	done chan struct{}
}

// The engine's own orders, beside the planner's events.
type (
	fetchedOrder struct{ Fetched }
	revokedOrder struct {
		partitions []checkpoint.Partition
		departure  *departure
	}
	// resolved is the result of a ResolveRequest, with the request's Check.
	resolved struct {
		planner.ResolveResult
		check bool
	}
	statusOrder struct{ reply chan<- Status }
)

// New makes an engine; cfg is valid. newFold makes the fold of each task. log and reg may be nil.
func New[D any](cfg Config, source Source, sink Sink[D], newFold func() Fold[D], log *slog.Logger, reg prometheus.Registerer) *Engine[D] {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	share := cfg.Memory / int64(cfg.Tasks)
	e := &Engine[D]{
		cfg: cfg, source: source, sink: sink, log: log.With("component", "batch"), m: newMetrics(reg),
		inbox: newMailbox[any](), ended: make(chan struct{}),
		planner: planner.New(planner.Limits{
			Tasks: cfg.Tasks, MaxRecords: cfg.MaxRecords, MaxBytes: cfg.MaxBytes, Memory: share,
			DeadLetterStop: cfg.DeadLetterStop, Recheck: cfg.Recheck,
		}),
		pieces: map[uint64]*held{}, waiting: map[checkpoint.Partition][]*departure{},
		parts: make([]*TaskBatch[D], cfg.Tasks), began: make([]time.Time, cfg.Tasks), refused: make([][]RejectedRow, cfg.Tasks),
	}
	dead := &limiter{rate: cfg.DeadLetterRate}
	for n := range cfg.Tasks {
		e.workers = append(e.workers, &worker[D]{
			task: n, fold: newFold(), memory: share * 3 / 8, orders: newMailbox[any](), post: e.inbox.put, log: e.log,
			dead: sample{limiter: dead},
		})
	}
	return e
}

// Assigned implements RebalanceListener.
func (e *Engine[D]) Assigned(topic Topic, partitions []int32) {
	e.topic.Store(&topic)
	e.joined.Store(true)
	ev := planner.Assigned{}
	for _, id := range partitions {
		ev.Partitions = append(ev.Partitions, checkpoint.Partition{Topic: topic.Name, ID: id})
	}
	e.inbox.put(ev)
}

// Revoked implements RebalanceListener.
func (e *Engine[D]) Revoked(ctx context.Context, partitions []checkpoint.Partition, lost bool) {
	if len(partitions) == 0 {
		return
	}
	failpoint.Hit(failpoint.Revoking)
	d := &departure{left: len(partitions), done: make(chan struct{})}
	e.inbox.put(revokedOrder{partitions, d})
	if lost {
		return
	}
	select {
	case <-d.done:
	case <-ctx.Done():
	case <-e.ended:
	}
}

// Fetched implements RebalanceListener.
func (e *Engine[D]) Fetched(f Fetched) {
	if f.Err == nil {
		failpoint.Hit(failpoint.Polled)
	}
	e.inbox.put(fetchedOrder{f})
}

// Joined reports whether the group has ever given an assignment, be it empty.
func (e *Engine[D]) Joined() bool { return e.joined.Load() }

// Run works until ctx ends, then commits what is folded within ShutdownTimeout, leaves the group and returns nil. It
// returns an error when the process must not go on: a checkpoint that it held is gone, or a fault of our own.
func (e *Engine[D]) Run(ctx context.Context) error {
	defer close(e.ended)
	e.start = time.Now()
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	e.group, e.work = errgroup.WithContext(work)
	sourceCtx, leave := context.WithCancel(e.work)
	defer leave()
	left := make(chan struct{})
	e.group.Go(func() error {
		defer close(left)
		return e.source.Run(sourceCtx, e)
	})
	for _, w := range e.workers {
		e.group.Go(func() error { w.run(e.work); return nil })
	}
	e.group.Go(func() error { e.tick(); return nil })
	e.group.Go(func() error {
		defer stop()
		return e.loop(ctx, leave, left)
	})
	err := e.group.Wait()
	for _, h := range e.pieces {
		h.release()
	}
	return err
}

// tick posts a planner.Tick at the end of each interval. The wall clock chooses the phase, shifted at random so that
// processes do not meet on the same rows; the length is monotonic, and missed ticks are dropped.
func (e *Engine[D]) tick() {
	grid := e.cfg.Interval - time.Duration(time.Now().UnixNano())%e.cfg.Interval
	first := time.NewTimer(grid + rand.N(e.cfg.Interval)) //nolint:gosec // spreads load, hides nothing
	defer first.Stop()
	select {
	case <-e.work.Done():
		return
	case <-first.C:
	}
	e.inbox.put(planner.Tick{})
	t := time.NewTicker(e.cfg.Interval)
	defer t.Stop()
	for {
		select {
		case <-e.work.Done():
			return
		case <-t.C:
			e.inbox.put(planner.Tick{})
		}
	}
}

// loop owns the planner. When ctx ends it drains, for ShutdownTimeout at most, then leaves the group, and returns when
// the source has returned.
func (e *Engine[D]) loop(ctx context.Context, leave func(), left <-chan struct{}) error {
	grace := time.NewTimer(time.Hour)
	grace.Stop()
	defer grace.Stop()
	stopping := ctx.Done()
	for {
		select {
		case <-e.work.Done():
			return nil
		case <-left:
			return nil
		case <-stopping:
			stopping = nil
			grace.Reset(e.cfg.ShutdownTimeout)
			if err := e.step(planner.Drain{}, leave); err != nil {
				return err
			}
		case <-grace.C:
			e.log.Warn("Shutdown timeout reached; abandoning uncommitted batches, whose records are read again after the next start",
				"timeout", e.cfg.ShutdownTimeout)
			leave()
		case <-e.inbox.ready:
			for _, item := range e.inbox.take() {
				if err := e.handle(item, leave); err != nil {
					return err
				}
			}
		}
	}
}

func (e *Engine[D]) handle(item any, leave func()) error {
	var ev planner.Input
	switch item := item.(type) {
	case resolved:
		e.resolved(item.ResolveResult, item.check)
		ev = item.ResolveResult
	case planner.Input:
		ev = item
	case fetchedOrder:
		ev = e.hold(item.Fetched)
	case revokedOrder:
		for _, p := range item.partitions {
			e.waiting[p] = append(e.waiting[p], item.departure)
		}
		ev = planner.Revoked{Partitions: item.partitions}
	case taken[D]:
		e.parts[item.task] = item.part
		e.commit(item.task, item.op)
		return nil
	case statusOrder:
		item.reply <- e.status()
		return nil
	default:
		return fmt.Errorf("BUG: order of type %T", item)
	}
	if f, ok := ev.(planner.FoldResult); ok {
		e.unfold(f)
	}
	e.observe(ev)
	return e.step(ev, leave)
}

// hold keeps fetched records under a token.
func (e *Engine[D]) hold(f Fetched) planner.Fetched {
	ev := planner.Fetched{Range: f.Range, Session: f.Session, LeaderEpoch: f.LeaderEpoch, Bytes: f.Bytes, Err: f.Err}
	if f.Err == nil {
		e.token++
		ev.Token = e.token
		e.pieces[ev.Token] = &held{Fetched: f, next: f.First}
		e.m.fetched.Add(float64(len(f.Records)))
	}
	return ev
}

func (h *held) release() {
	if h.Release != nil {
		h.Release()
	}
}

// unfold takes a piece back from its worker, and gives its memory back when nothing of it is needed any more.
func (e *Engine[D]) unfold(f planner.FoldResult) {
	h := e.pieces[f.Token]
	h.folding = false
	if f.Done || h.dropped {
		delete(e.pieces, f.Token)
		h.release()
	}
}

func (e *Engine[D]) step(ev planner.Input, leave func()) error {
	e.effects = e.planner.Step(time.Since(e.start), ev, e.effects[:0])
	for _, x := range e.effects {
		switch x := x.(type) {
		case planner.Fatal:
			return x.Err
		case planner.Drained:
			leave()
		default:
			e.perform(x)
		}
	}
	return nil
}
