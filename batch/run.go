package batch

import (
	"context"
	"math/rand/v2"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sluice-etl/sluice/batch/planner"
	"github.com/sluice-etl/sluice/internal/obs"
)

// Run works until ctx ends, then commits what is folded within ShutdownTimeout, leaves the group and returns nil. It
// returns an error when the process must not continue: a checkpoint that it held is lost, or an error is unexpected (it
// has no class).
func (e *Engine[D]) Run(ctx context.Context) error {
	defer close(e.ended)
	e.start = time.Now()
	// Work that is under way may continue after ctx ends, until the loop ends.
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	e.group, work = errgroup.WithContext(work)
	sourceCtx, leave := context.WithCancel(work)
	defer leave()
	left := make(chan struct{})
	e.group.Go(func() error {
		defer close(left)
		return e.source.Run(sourceCtx, e)
	})
	for _, w := range e.workers {
		e.group.Go(func() error { w.run(work); return nil })
	}
	e.group.Go(func() error { e.tick(work); return nil })
	e.group.Go(func() error {
		defer stop()
		return e.loop(work, ctx.Done(), leave, left)
	})
	err := e.group.Wait()
	for _, h := range e.pieces {
		h.release()
	}
	return err
}

// tick posts a planner.Tick at the end of each interval. The wall clock chooses the phase, shifted at random so that
// processes do not contend for the same rows; the length is monotonic, and missed ticks are dropped.
func (e *Engine[D]) tick(ctx context.Context) {
	grid := e.cfg.Interval - time.Duration(time.Now().UnixNano())%e.cfg.Interval
	first := time.NewTimer(grid + rand.N(e.cfg.Interval)) //nolint:gosec // spreads load, hides nothing
	defer first.Stop()
	select {
	case <-ctx.Done():
		return
	case <-first.C:
	}
	e.inbox.Put(input[D]{planner.Tick{}})
	obs.Every(ctx, e.cfg.Interval, func() { e.inbox.Put(input[D]{planner.Tick{}}) })
}

// loop owns the planner. When stopping is closed it drains, for ShutdownTimeout at most, then leaves the group. It
// returns when the source has returned, which closes left, or when ctx ends.
func (e *Engine[D]) loop(ctx context.Context, stopping <-chan struct{}, leave func(), left <-chan struct{}) error {
	grace := time.NewTimer(time.Hour)
	grace.Stop()
	defer grace.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-left:
			return nil
		case <-stopping:
			stopping = nil
			grace.Reset(e.cfg.ShutdownTimeout)
			if err := e.step(ctx, planner.Drain{}, leave); err != nil {
				return err
			}
		case <-grace.C:
			e.log.Warn("Shutdown timeout reached; abandoning uncommitted batches, whose records are read again after the next start",
				"timeout", e.cfg.ShutdownTimeout)
			leave()
		case <-e.inbox.Ready():
			for _, m := range e.inbox.Take() {
				in := m.handle(ctx, e)
				if in == nil {
					continue
				}
				if err := e.step(ctx, in, leave); err != nil {
					return err
				}
			}
		}
	}
}

// step passes an input to the planner, and performs its outputs in order.
func (e *Engine[D]) step(ctx context.Context, in planner.Input, leave func()) error {
	e.outputs = e.planner.Step(time.Since(e.start), in, e.outputs[:0])
	for _, o := range e.outputs {
		switch o := o.(type) {
		case planner.Fatal:
			return o.Err
		case planner.Drained:
			leave()
		default:
			e.perform(ctx, o)
		}
	}
	return nil
}
