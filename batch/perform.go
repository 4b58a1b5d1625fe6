package batch

import (
	"context"
	"errors"
	"time"

	"github.com/sluice-etl/sluice/batch/planner"
	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/internal/failpoint"
	"github.com/sluice-etl/sluice/internal/obs"
)

// perform performs one output. A call that may block runs in a goroutine of its own, which posts the result.
func (e *Engine[D]) perform(ctx context.Context, o planner.Output) {
	switch o := o.(type) {
	case planner.ClaimRequest:
		e.claim(ctx, o)
	case planner.CommitRequest:
		if o.Again {
			e.commit(ctx, o.Task, o.Op)
		} else {
			e.workers[o.Task].orders.Put(closeOrder[D]{op: o.Op, advances: o.Advances})
		}
	case planner.ResolveRequest:
		e.resolve(ctx, o)
	case planner.ConfirmRequest:
		e.async(ctx, func(ctx context.Context) message[D] {
			ours, err := e.source.Confirm(ctx, o.Partitions)
			return confirmed[D]{planner.ConfirmResult{Task: o.Task, Op: o.Op, Partitions: ours, Err: err}}
		})
	case planner.WaitRequest:
		e.wait(ctx, o)
	case planner.FoldRequest:
		h := e.pieces[o.Token]
		h.folding = true
		e.workers[o.Task].orders.Put(foldOrder[D]{gen: o.Gen, token: o.Token, piece: h, max: o.MaxRecords})
	case planner.DropRequest:
		e.drop(o.Token)
	case planner.RestoreRequest:
		e.restore(o)
	case planner.PositionRequest:
		if o.Action == Mirror {
			failpoint.Hit(failpoint.BeforeMirror)
		}
		e.source.Position([]Position{o.Position})
	default:
		e.handleNotice(o)
	}
}

// handleNotice handles an output that requests nothing.
func (e *Engine[D]) handleNotice(o planner.Output) {
	switch o := o.(type) {
	case planner.Released:
		e.released(o.Partition)
	case planner.Stopped:
		e.m.stopped.Inc()
		e.health.stop(o.Partition, o.Err)
		e.log.Error("Partition stopped; other partitions continue", "topic", o.Partition.Topic, "partition", o.Partition.ID, "err", o.Err)
	case planner.Fenced:
		e.m.fenced.Inc()
		if o.Times >= 3 {
			e.log.Error("Commit fenced repeatedly; check whether another process runs the same job in another consumer group",
				"task", o.Task, "times_in_a_minute", o.Times, "err", o.Err)
		} else {
			e.log.Warn("Commit fenced; discarding batch and re-checking assignment", "task", o.Task, "err", o.Err)
		}
	case planner.Advanced:
		e.advanced(o)
	}
}

// async runs call without blocking the loop, and posts the message that it returns.
func (e *Engine[D]) async(ctx context.Context, call func(context.Context) message[D]) {
	e.group.Go(func() error {
		e.inbox.Put(call(ctx))
		return nil
	})
}

func (e *Engine[D]) claim(ctx context.Context, r planner.ClaimRequest) {
	topic := *e.topic.Load() // not nil, because Assigned stores it before it posts partitions
	ids := make([]int32, len(r.Partitions))
	for i, p := range r.Partitions {
		ids[i] = p.ID
	}
	e.async(ctx, func(ctx context.Context) message[D] {
		at, err := e.sink.Claim(ctx, topic, ids)
		if err == nil {
			failpoint.Hit(failpoint.ClaimDone)
			e.log.Info("Partitions claimed", claimAttrs(r.Task, at)...)
		}
		return claimed[D]{planner.ClaimResult{Task: r.Task, Op: r.Op, Checkpoints: at, Err: err}}
	})
}

// claimAttrs returns a claim's result as attributes of one log line: the partitions, with the next offset and the epoch
// of each.
func claimAttrs(task int, at []checkpoint.Checkpoint) []any {
	ids, next, epochs := make([]int32, len(at)), make([]int64, len(at)), make([]checkpoint.Epoch, len(at))
	topic := ""
	for i, c := range at {
		topic, ids[i], next[i], epochs[i] = c.Topic, c.ID, c.Next, c.Epoch
	}
	return []any{"task", task, "topic", topic, "partitions", ids, "next", next, "epochs", epochs}
}

// commit commits the task's closed batch.
func (e *Engine[D]) commit(ctx context.Context, task int, op uint64) {
	b := e.batches[task]
	e.began[task] = time.Now()
	e.async(ctx, func(ctx context.Context) message[D] {
		return committed[D]{planner.CommitResult{Task: task, Op: op, Err: e.sink.Commit(ctx, b)}}
	})
}

func (e *Engine[D]) resolve(ctx context.Context, r planner.ResolveRequest) {
	var id checkpoint.BatchID // zero for a check while there is no closed batch
	if b := e.batches[r.Task]; b != nil {
		id = b.ID
	}
	e.async(ctx, func(ctx context.Context) message[D] {
		outcome, err := e.sink.Resolve(ctx, id, r.Advances)
		return resolved[D]{planner.ResolveResult{Task: r.Task, Op: r.Op, Outcome: outcome, Err: err}, r.Check}
	})
}

// wait pauses a task's operation. The cause is logged at the first attempt, and then whenever the number of attempts
// has doubled.
func (e *Engine[D]) wait(ctx context.Context, r planner.WaitRequest) {
	if r.Attempt&(r.Attempt-1) == 0 && !errors.Is(r.Cause, context.Canceled) {
		if errors.Is(r.Cause, checkpoint.ErrBlocked) {
			e.log.Error("Task blocked; no data lost, resumes automatically once fixed", "task", r.Task, "attempt", r.Attempt, "err", r.Cause)
		} else {
			e.log.Warn("Task retrying", "task", r.Task, "attempt", r.Attempt, "err", r.Cause)
		}
	}
	e.async(ctx, func(ctx context.Context) message[D] {
		obs.Wait(ctx, pause(r.Attempt))
		return input[D]{planner.WaitResult{Task: r.Task, Op: r.Op}}
	})
}

// pause returns the time to wait before a retry.
func pause(attempt int) time.Duration { return obs.Pause(attempt, 30*time.Millisecond, 5*time.Second) }

// drop releases a piece, as soon as no worker is folding it.
func (e *Engine[D]) drop(token uint64) {
	h := e.pieces[token]
	if h == nil {
		return
	}
	h.dropped = true
	if !h.folding {
		delete(e.pieces, token)
		h.release()
	}
}

// restore discards the task's closed batch, and has its worker discard the open one.
func (e *Engine[D]) restore(r planner.RestoreRequest) {
	e.batches[r.Task] = nil
	w := e.workers[r.Task]
	w.gen.Store(r.Gen)
	kept := e.rejected[r.Task][:0]
	for _, row := range e.rejected[r.Task] {
		if isAhead(row, r.Checkpoints) {
			kept = append(kept, row)
		}
	}
	e.rejected[r.Task] = kept
	w.orders.Put(restoreOrder[D]{gen: r.Gen, checkpoints: r.Checkpoints, rejected: append([]RejectedRow(nil), kept...)})
	e.m.restarts.Inc()
}

// isAhead reports whether records that make the row will be folded again.
func isAhead(r RejectedRow, at []checkpoint.Checkpoint) bool {
	for _, c := range at {
		if until, ok := r.Until[c.Partition]; ok && c.Next < until {
			return true
		}
	}
	return false
}

// released ends the calls of Revoked for which this was the last partition.
func (e *Engine[D]) released(p checkpoint.Partition) {
	e.health.resumed(p)
	for task := range e.batches {
		if !e.planner.HasPartitions(task) {
			e.health.forget(task)
		}
	}
	for _, r := range e.revocations[p] {
		if r.left--; r.left == 0 {
			close(r.done)
		}
	}
	delete(e.revocations, p)
}

// advanced reports a committed batch.
func (e *Engine[D]) advanced(a planner.Advanced) {
	b := e.batches[a.Task]
	e.batches[a.Task] = nil
	s := Stat{Task: a.Task, At: time.Now(), Records: a.Records, Seconds: time.Since(e.began[a.Task]).Seconds()}
	for _, x := range a.Advances {
		s.Audit = s.Audit.Plus(x.Audit)
	}
	if rows, ok := any(b.Delta).(interface{ Len() int }); ok {
		s.Rows = rows.Len()
	}
	e.m.notStored.Add(float64(notStored(b.Dead)))
	e.recent.add(s)
	e.m.advance(s)
	e.log.Debug("Batch committed", "task", a.Task, "records", s.Records, "rows", s.Rows, "seconds", s.Seconds)
}
