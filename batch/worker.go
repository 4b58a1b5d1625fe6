package batch

import (
	"context"
	"crypto/rand"
	"log/slog"
	"sort"
	"sync/atomic"

	"github.com/sluice-etl/sluice/batch/planner"
	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/internal/failpoint"
	"github.com/sluice-etl/sluice/internal/mailbox"
	"github.com/sluice-etl/sluice/internal/obs"
)

// foldStep is how many records are folded between two checks of the memory that the fold occupies.
const foldStep = 512

// heldPiece is a piece that the engine holds for the planner, which names it by its token. While folding is set, the
// task's worker owns Fetched, at and next; the loop owns them otherwise, and always owns folding and dropped.
type heldPiece struct {
	Fetched
	at      int   // the first record that is not folded
	next    int64 // the first offset that is not folded
	folding bool  // with the worker
	dropped bool  // to be released when the worker has finished with it
}

// release gives the piece's memory back to the source.
func (h *heldPiece) release() {
	if h.Release != nil {
		h.Release()
	}
}

// worker folds for one task. It executes its orders one after the other, and posts the result of each. Only run
// accesses fold and dead.
type worker[D any] struct {
	task   int
	fold   Fold[D]
	memory int64 // bytes at which a fold ends early
	orders *mailbox.Mailbox[order[D]]
	post   func(message[D])
	log    *slog.Logger
	gen    atomic.Uint64 // the planner's; orders of an older generation end early

	dead sample // of the open batch
}

// order is what the engine's loop posts to a worker.
type order[D any] interface {
	do(ctx context.Context, w *worker[D])
}

// The orders.
type (
	// foldOrder: fold a piece, max records at most.
	foldOrder[D any] struct {
		gen, token uint64
		piece      *heldPiece
		max        int64
	}
	// closeOrder: make a task batch of what was folded since the last one.
	closeOrder[D any] struct {
		op       uint64
		advances []Advance
	}
	// restoreOrder: discard what was folded, and restore the fold.
	restoreOrder[D any] struct {
		gen         uint64
		checkpoints []checkpoint.Checkpoint
		rejected    []RejectedRow
	}
)

// run executes orders until ctx ends.
func (w *worker[D]) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.orders.Ready():
		}
		for _, o := range w.orders.Take() {
			o.do(ctx, w)
		}
	}
}

func (o closeOrder[D]) do(_ context.Context, w *worker[D]) {
	b := &TaskBatch[D]{Advances: o.advances, Delta: w.fold.Take(), Dead: w.dead.take()}
	if _, err := rand.Read(b.ID[:]); err != nil {
		panic("BUG: no random bytes: " + err.Error()) // crypto/rand does not fail
	}
	w.post(closed[D]{task: w.task, op: o.op, batch: b})
}

// do folds the piece up to its end, the order's maximum, or the fold's share of memory.
func (o foldOrder[D]) do(_ context.Context, w *worker[D]) {
	h := o.piece
	r := planner.FoldResult{Task: w.task, Gen: o.gen, Token: o.token}
	tally := Tally{Dead: w.dead.kept}
	dead := int64(0)
	records := h.Records[h.at:]
	for int64(len(records)) > 0 && r.Records < o.max && w.gen.Load() == o.gen {
		n := int(min(foldStep, int64(len(records)), o.max-r.Records))
		kept := len(tally.Dead)
		r.Size = w.fold.Add(h.Partition, records[:n], &tally)
		dead += int64(len(tally.Dead) - kept)
		w.dead.add(tally.Dead, kept)
		tally.Dead = w.dead.kept
		records = records[n:]
		r.Records += int64(n)
		h.at += n
		if r.Size >= w.memory {
			break
		}
	}
	failpoint.Hit(failpoint.Folded)
	first := h.next
	if len(records) == 0 {
		r.Done, h.next = true, h.Next
	} else if r.Records > 0 {
		h.next = h.Records[h.at-1].Offset + 1
	}
	r.Next = h.next
	r.Gaps = overlap(h.Gaps, first, h.next)
	r.Audit = checkpoint.Audit{
		Counted: tally.Counted, Filtered: tally.Filtered, Duplicates: tally.Duplicates,
		Dead: dead,
	}
	if len(w.dead.kept) > 0 {
		r.Reason = w.dead.kept[0].Reason
	}
	w.post(folded[D]{r})
}

// do restores the fold, and retries until that succeeds or a newer generation begins.
func (o restoreOrder[D]) do(ctx context.Context, w *worker[D]) {
	w.dead.take()
	for attempt := 1; ; attempt++ {
		err := w.fold.Restore(ctx, o.checkpoints, o.rejected)
		if err == nil || ctx.Err() != nil || w.gen.Load() != o.gen {
			return
		}
		w.log.Warn("Task state cannot be read; retrying", "task", w.task, "attempt", attempt, "err", err)
		obs.Wait(ctx, pause(attempt))
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
