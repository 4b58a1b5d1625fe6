package batch

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/sluice-etl/sluice/batch/planner"
	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/internal/failpoint"
)

// perform carries out one effect. What takes time runs beside the loop and posts its event.
func (e *Engine[D]) perform(x planner.Output) {
	switch x := x.(type) {
	case planner.ClaimRequest:
		e.claim(x)
	case planner.CommitRequest:
		if x.Again {
			e.commit(x.Task, x.Op)
		} else {
			e.workers[x.Task].orders.put(takeOrder{op: x.Op, moves: x.Advances})
		}
	case planner.ResolveRequest:
		var id checkpoint.BatchID // zero where nothing is being committed, and the question is whether all is as it was
		if part := e.parts[x.Task]; part != nil {
			id = part.ID
		}
		e.beside(func(ctx context.Context) any {
			outcome, err := e.sink.Resolve(ctx, id, x.Advances)
			return resolved{planner.ResolveResult{Task: x.Task, Op: x.Op, Outcome: outcome, Err: err}, x.Check}
		})
	case planner.ConfirmRequest:
		e.beside(func(ctx context.Context) any {
			ours, err := e.source.Confirm(ctx, x.Partitions)
			return planner.ConfirmResult{Task: x.Task, Op: x.Op, Partitions: ours, Err: err}
		})
	case planner.WaitRequest:
		e.wait(x)
	case planner.FoldRequest:
		h := e.pieces[x.Token]
		h.folding = true
		e.workers[x.Task].orders.put(foldOrder{gen: x.Gen, token: x.Token, piece: h, max: x.MaxRecords})
	case planner.DropRequest:
		if h := e.pieces[x.Token]; h != nil {
			h.dropped = true
			if !h.folding {
				delete(e.pieces, x.Token)
				h.release()
			}
		}
	case planner.RestoreRequest:
		e.restore(x)
	case planner.PositionRequest:
		if x.Action == Mirror {
			failpoint.Hit(failpoint.BeforeMirror)
		}
		e.source.Position([]Position{x.Position})
	case planner.Released:
		e.released(x.Partition)
	case planner.Stopped:
		e.m.stopped.Inc()
		e.health.stop(x.Partition, x.Err)
		e.log.Error("Partition stopped; other partitions continue", "topic", x.Partition.Topic, "partition", x.Partition.ID, "err", x.Err)
	case planner.Fenced:
		e.m.fenced.Inc()
		if x.Times >= 3 {
			e.log.Error("Commit fenced repeatedly; check whether another process runs the same job in another consumer group",
				"task", x.Task, "times_in_a_minute", x.Times, "err", x.Err)
		} else {
			e.log.Warn("Commit fenced; discarding batch and re-checking assignment", "task", x.Task, "err", x.Err)
		}
	case planner.Advanced:
		e.advanced(x)
	}
}

// beside runs f without holding up the loop, and posts the event that it returns.
func (e *Engine[D]) beside(f func(context.Context) any) {
	e.group.Go(func() error {
		e.inbox.put(f(e.work))
		return nil
	})
}

func (e *Engine[D]) claim(x planner.ClaimRequest) {
	topic := *e.topic.Load() // there is one: partitions come with it
	ids := make([]int32, len(x.Partitions))
	for i, p := range x.Partitions {
		ids[i] = p.ID
	}
	e.beside(func(ctx context.Context) any {
		at, err := e.sink.Claim(ctx, topic, ids)
		if err == nil {
			failpoint.Hit(failpoint.ClaimDone)
			e.log.Info("Partitions claimed", claimed(x.Task, at)...)
		}
		return planner.ClaimResult{Task: x.Task, Op: x.Op, Checkpoints: at, Err: err}
	})
}

// claimed is what a claim found, in one line: the partitions, and beside each its next offset and its epoch.
func claimed(task int, at []checkpoint.Checkpoint) []any {
	ids, next, epochs := make([]int32, len(at)), make([]int64, len(at)), make([]checkpoint.Epoch, len(at))
	topic := ""
	for i, c := range at {
		topic, ids[i], next[i], epochs[i] = c.Topic, c.ID, c.Next, c.Epoch
	}
	return []any{"task", task, "topic", topic, "partitions", ids, "next", next, "epochs", epochs}
}

func (e *Engine[D]) commit(task int, op uint64) {
	part := e.parts[task]
	e.began[task] = time.Now()
	e.beside(func(ctx context.Context) any {
		return planner.CommitResult{Task: task, Op: op, Err: e.sink.Commit(ctx, part)}
	})
}

// wait pauses a task's operation. The cause is logged at the first try, and then whenever the tries have doubled.
func (e *Engine[D]) wait(x planner.WaitRequest) {
	if x.Attempt&(x.Attempt-1) == 0 && !errors.Is(x.Cause, context.Canceled) {
		if errors.Is(x.Cause, checkpoint.ErrBlocked) {
			e.log.Error("Task blocked; no data lost, resumes automatically once fixed",
				"task", x.Task, "attempt", x.Attempt, "err", x.Cause)
		} else {
			e.log.Warn("Task retrying", "task", x.Task, "attempt", x.Attempt, "err", x.Cause)
		}
	}
	e.beside(func(ctx context.Context) any {
		t := time.NewTimer(pause(x.Attempt))
		defer t.Stop()
		select {
		case <-ctx.Done():
		case <-t.C:
		}
		return planner.WaitResult{Task: x.Task, Op: x.Op}
	})
}

// pause grows from about 20 ms to about 5 s, half of it by chance.
func pause(attempt int) time.Duration {
	d := min(20*time.Millisecond<<min(attempt, 10), 5*time.Second)
	return d/2 + rand.N(d/2+1) //nolint:gosec // spreads tries, hides nothing
}

func (e *Engine[D]) restore(x planner.RestoreRequest) {
	e.parts[x.Task] = nil
	w := e.workers[x.Task]
	w.gen.Store(x.Gen)
	kept := e.refused[x.Task][:0]
	for _, r := range e.refused[x.Task] {
		if ahead(r, x.Checkpoints) {
			kept = append(kept, r)
		}
	}
	e.refused[x.Task] = kept
	w.orders.put(restoreOrder{gen: x.Gen, checkpoints: x.Checkpoints, refused: append([]RejectedRow(nil), kept...)})
	e.m.restarts.Inc()
}

// ahead says that records which make this row will come again.
func ahead(r RejectedRow, at []checkpoint.Checkpoint) bool {
	for _, c := range at {
		if until, ok := r.Until[c.Partition]; ok && c.Next < until {
			return true
		}
	}
	return false
}

func (e *Engine[D]) released(p checkpoint.Partition) {
	e.health.goOn(p)
	for task, t := range e.planner.Status().Tasks {
		if len(t.Partitions) == 0 {
			e.health.forget(task)
		}
	}
	for _, d := range e.waiting[p] {
		if d.left--; d.left == 0 {
			close(d.done)
		}
	}
	delete(e.waiting, p)
}

// observe takes from an event what the planner has no use for.
func (e *Engine[D]) observe(ev planner.Input) {
	switch ev := ev.(type) {
	case planner.CommitResult:
		if rows, refused := errors.AsType[*RejectedRows](ev.Err); refused {
			e.log.Warn("MySQL rejected rows; reading their records again to find the dead letters", "task", ev.Task, "rows", len(rows.Rows), "err", rows)
			e.refused[ev.Task] = append(e.refused[ev.Task], rows.Rows...)
		}
		e.m.commit(ev.Err, time.Since(e.began[ev.Task]))
		e.health.asked(ev.Task, ev.Err, e.log)
	case planner.ClaimResult:
		e.health.asked(ev.Task, ev.Err, e.log)
		for _, c := range ev.Checkpoints {
			e.health.goOn(c.Partition)
		}
	case planner.ConfirmResult:
		e.log.Info("Assignment re-checked with the group", "task", ev.Task, "assigned", len(ev.Partitions), "err", ev.Err)
	}
}

// resolved takes note of the answer to a ResolveRequest.
func (e *Engine[D]) resolved(r planner.ResolveResult, check bool) {
	if check && r.Err == nil && e.parts[r.Task] != nil {
		return // the checkpoints are unchanged; that does not say that the blocked batch can be committed
	}
	e.health.asked(r.Task, r.Err, e.log)
	if !check {
		e.log.Warn("Reply to COMMIT lost; read the outcome from the checkpoint", "task", r.Task, "outcome", r.Outcome, "err", r.Err)
	}
}

func (e *Engine[D]) advanced(x planner.Advanced) {
	b := Stat{Task: x.Task, At: time.Now(), Records: x.Records, Seconds: time.Since(e.began[x.Task]).Seconds()}
	for _, m := range x.Advances {
		b.Audit = b.Audit.Plus(m.Audit)
	}
	if rows, ok := any(e.parts[x.Task].Delta).(interface{ Len() int }); ok {
		b.Rows = rows.Len()
	}
	e.m.notStored.Add(float64(notStored(e.parts[x.Task].Dead)))
	e.parts[x.Task] = nil
	e.recent.add(b)
	e.m.advance(b)
	e.log.Debug("Batch committed", "task", x.Task, "records", b.Records, "rows", b.Rows, "seconds", b.Seconds)
}
