package batch

import (
	"context"
	"crypto/rand"
	"log/slog"
	"sort"
	"sync/atomic"
	"time"

	"github.com/sluice-etl/sluice/batch/planner"
	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/internal/failpoint"
)

// slice is how many records are folded between two looks at the memory that the fold holds.
const slice = 512

// held is a piece that the engine holds for the planner, named by its token.
type held struct {
	Fetched
	at      int   // the first record that is not folded
	next    int64 // the first offset that is not folded
	folding bool  // with a worker
	dropped bool  // to be released when the worker is done
}

// worker folds for one task. It does one order after the other, and posts what came of each.
type worker[D any] struct {
	task   int
	fold   Fold[D]
	memory int64 // bytes at which a fold ends early
	orders *mailbox[any]
	post   func(any)
	log    *slog.Logger
	gen    atomic.Uint64 // the planner's; folding of an older generation ends early

	dead sample // of the open batch
}

// The orders of a worker, and what they come to.
type (
	foldOrder struct {
		gen, token uint64
		piece      *held
		max        int64
	}
	takeOrder struct {
		op    uint64
		moves []Advance
	}
	restoreOrder struct {
		gen         uint64
		checkpoints []checkpoint.Checkpoint
		refused     []RejectedRow
	}
	taken[D any] struct {
		task int
		op   uint64
		part *TaskBatch[D]
	}
)

// run does orders until ctx ends.
func (w *worker[D]) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.orders.ready:
		}
		for _, o := range w.orders.take() {
			switch o := o.(type) {
			case foldOrder:
				w.post(w.piece(o))
			case takeOrder:
				p := &TaskBatch[D]{Advances: o.moves, Delta: w.fold.Take(), Dead: w.dead.take()}
				if _, err := rand.Read(p.ID[:]); err != nil {
					panic("BUG: no random bytes: " + err.Error()) // crypto/rand does not fail
				}
				w.post(taken[D]{task: w.task, op: o.op, part: p})
			case restoreOrder:
				w.restore(ctx, o)
			}
		}
	}
}

// piece folds the piece up to its end, the order's bound, or the fold's share of memory.
func (w *worker[D]) piece(o foldOrder) planner.FoldResult {
	h := o.piece
	e := planner.FoldResult{Task: w.task, Gen: o.gen, Token: o.token}
	tally := Tally{Dead: w.dead.kept}
	dead := int64(0)
	records := h.Records[h.at:]
	for int64(len(records)) > 0 && e.Records < o.max && w.gen.Load() == o.gen {
		n := int(min(slice, int64(len(records)), o.max-e.Records))
		kept := len(tally.Dead)
		e.Size = w.fold.Add(h.Partition, records[:n], &tally)
		dead += int64(len(tally.Dead) - kept)
		w.dead.add(tally.Dead, kept)
		tally.Dead = w.dead.kept
		records = records[n:]
		e.Records += int64(n)
		h.at += n
		if e.Size >= w.memory {
			break
		}
	}
	failpoint.Hit(failpoint.Folded)
	first := h.next
	if len(records) == 0 {
		e.Done, h.next = true, h.Next
	} else if e.Records > 0 {
		h.next = h.Records[h.at-1].Offset + 1
	}
	e.Next = h.next
	e.Gaps = overlap(h.Gaps, first, h.next)
	e.Audit = checkpoint.Audit{
		Counted: tally.Counted, Filtered: tally.Filtered, Duplicates: tally.Duplicates,
		Dead: dead,
	}
	if len(w.dead.kept) > 0 {
		e.Reason = w.dead.kept[0].Reason
	}
	return e
}

// restore sets the fold back, and tries again until it is done or a newer generation begins.
func (w *worker[D]) restore(ctx context.Context, o restoreOrder) {
	w.dead.take()
	for attempt := 1; ; attempt++ {
		err := w.fold.Restore(ctx, o.checkpoints, o.refused)
		if err == nil || ctx.Err() != nil || w.gen.Load() != o.gen {
			return
		}
		w.log.Warn("Task state cannot be read; retrying", "task", w.task, "attempt", attempt, "err", err)
		timer := time.NewTimer(pause(attempt))
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
		timer.Stop()
	}
}

// overlap counts the offsets of [first, next) that lie in gaps.
func overlap(gaps []checkpoint.Range, first, next int64) (n int64) {
	i := sort.Search(len(gaps), func(i int) bool { return gaps[i].Next > first })
	for ; i < len(gaps) && gaps[i].First < next; i++ {
		n += min(gaps[i].Next, next) - max(gaps[i].First, first)
	}
	return n
}
