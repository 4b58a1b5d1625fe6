package batch

import (
	"context"
	"errors"
	"time"

	"github.com/sluice-etl/sluice/batch/planner"
	"github.com/sluice-etl/sluice/checkpoint"
)

// message is what others post to the engine's loop.
type message[D any] interface {
	// handle does what the engine has to do with it, and returns the planner's input, nil if there is none. The loop calls
	// it; it does not block.
	handle(ctx context.Context, e *Engine[D]) planner.Input
}

// The messages.
type (
	// input is a planner input for which the engine itself does nothing.
	input[D any] struct{ planner.Input }
	// fetched is a call of Fetched.
	fetched[D any] struct{ Fetched }
	// revoked is a call of Revoked.
	revoked[D any] struct {
		partitions []checkpoint.Partition
		revocation *revocation
	}
	// folded ends a fold order.
	folded[D any] struct{ planner.FoldResult }
	// closed ends a close order: the worker has taken the rows of a task batch.
	closed[D any] struct {
		task  int
		op    uint64
		batch *TaskBatch[D]
	}
	claimed[D any]   struct{ planner.ClaimResult }
	committed[D any] struct{ planner.CommitResult }
	resolved[D any]  struct {
		planner.ResolveResult
		check bool // of the request
	}
	confirmed[D any] struct{ planner.ConfirmResult }
	// statusQuery is a call of Status.
	statusQuery[D any] struct{ reply chan<- Status } // of capacity 1
)

func (m input[D]) handle(context.Context, *Engine[D]) planner.Input { return m.Input }

// handle stores fetched records under a token, by which the planner refers to them.
func (m fetched[D]) handle(_ context.Context, e *Engine[D]) planner.Input {
	f := m.Fetched
	in := planner.Fetched{Range: f.Range, FetchID: f.FetchID, LeaderEpoch: f.LeaderEpoch, Bytes: f.Bytes, Err: f.Err}
	if f.Err == nil {
		e.token++
		in.Token = e.token
		e.pieces[in.Token] = &heldPiece{Fetched: f, next: f.First}
		e.m.fetched.Add(float64(len(f.Records)))
	}
	return in
}

func (m revoked[D]) handle(_ context.Context, e *Engine[D]) planner.Input {
	for _, p := range m.partitions {
		e.revocations[p] = append(e.revocations[p], m.revocation)
	}
	return planner.Revoked{Partitions: m.partitions}
}

// handle releases the piece if nothing of it is needed any more.
func (m folded[D]) handle(_ context.Context, e *Engine[D]) planner.Input {
	h := e.pieces[m.Token]
	h.folding = false
	if m.Done || h.dropped {
		delete(e.pieces, m.Token)
		h.release()
	}
	return m.FoldResult
}

func (m closed[D]) handle(ctx context.Context, e *Engine[D]) planner.Input {
	e.batches[m.task] = m.batch
	e.commit(ctx, m.task, m.op)
	return nil
}

func (m claimed[D]) handle(_ context.Context, e *Engine[D]) planner.Input {
	e.health.result(m.Task, m.Err, e.log)
	for _, c := range m.Checkpoints {
		e.health.resumed(c.Partition)
	}
	return m.ClaimResult
}

// handle keeps the rows that MySQL rejected until the checkpoints have passed their records.
func (m committed[D]) handle(_ context.Context, e *Engine[D]) planner.Input {
	if rows, rejected := errors.AsType[*RejectedRows](m.Err); rejected {
		e.log.Warn("MySQL rejected rows; reading their records again to find the dead letters", "task", m.Task, "rows", len(rows.Rows), "err", rows)
		e.rejected[m.Task] = append(e.rejected[m.Task], rows.Rows...)
	}
	e.m.commit(m.Err, time.Since(e.began[m.Task]))
	e.health.result(m.Task, m.Err, e.log)
	return m.CommitResult
}

func (m resolved[D]) handle(_ context.Context, e *Engine[D]) planner.Input {
	// A check that found the checkpoints unchanged does not mean that a blocked batch can be committed now.
	if !m.check || m.Err != nil || e.batches[m.Task] == nil {
		e.health.result(m.Task, m.Err, e.log)
	}
	if !m.check {
		e.log.Warn("Reply to COMMIT lost; read the outcome from the checkpoint", "task", m.Task, "outcome", m.Outcome, "err", m.Err)
	}
	return m.ResolveResult
}

func (m confirmed[D]) handle(_ context.Context, e *Engine[D]) planner.Input {
	e.log.Info("Assignment re-checked with the group", "task", m.Task, "assigned", len(m.Partitions), "err", m.Err)
	return m.ConfirmResult
}

func (m statusQuery[D]) handle(_ context.Context, e *Engine[D]) planner.Input {
	m.reply <- e.status()
	return nil
}
