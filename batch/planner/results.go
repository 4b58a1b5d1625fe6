package planner

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sluice-etl/sluice/checkpoint"
)

// claimed takes the result of a claim. The fold must be restored with the state of the claimed partitions, so a success
// is followed by a discard; there is nothing to discard but the queue.
func (t *task) claimed(op operation, r ClaimResult) {
	switch {
	case r.Err == nil:
		t.attempt = 0
		for _, c := range r.Checkpoints {
			if q := t.planner.partitions[c.Partition]; q != nil && q.task == t && q.inClaim() {
				q.state, q.at = &owned{compared: op.began}, c
			}
		}
		t.discard(rewind)
		return
	case errors.Is(r.Err, checkpoint.ErrCheckpointLost):
		t.planner.emit(Fatal{Err: r.Err})
	case errors.Is(r.Err, checkpoint.ErrRefused):
		for _, q := range t.partitions {
			if q.inClaim() && concerns(r.Err, q.Partition) {
				q.stop(r.Err)
			}
		}
	case checkpoint.HandlingOf(r.Err) == nil:
		t.planner.emit(Fatal{Err: r.Err})
	default:
		t.wait(r.Err)
	}
	for _, q := range t.partitions {
		if q.inClaim() {
			q.state = unclaimed{}
		}
	}
	if t.mustDiscard(op) {
		t.discardSoon()
	}
}

// committed takes the result of a commit. Fenced, rejected, stale and too large batches are discarded: their records
// are folded again. Other errors keep the batch, which is committed again unchanged.
func (t *task) committed(op operation, err error) {
	p := t.planner
	switch {
	case err == nil:
		t.advanced(op)
	case errors.Is(err, ErrRowsRejected):
		// The next batch must not be larger: the records behind this one may make the same row, which would then be rejected
		// again and again, as the rejection covers records up to the end of this batch alone.
		t.maxRecords = max(1, min(t.maxRecords, t.closed.records))
		t.discard(rewind)
	case errors.Is(err, checkpoint.ErrStale):
		t.discard(rewind)
	case errors.Is(err, checkpoint.ErrCheckpointLost):
		p.emit(Fatal{Err: err})
	case errors.Is(err, checkpoint.ErrFenced):
		t.fenced(err)
	case errors.Is(err, checkpoint.ErrUnknown):
		t.closed.outcomeUnknown = true
		if t.mustDiscard(op) {
			t.discard(reclaim)
		}
	case errors.Is(err, checkpoint.ErrRefused):
		for _, a := range t.closed.advances {
			if concerns(err, a.Partition) {
				p.partitions[a.Partition].stop(err)
			}
		}
		t.discard(rewind)
	case errors.Is(err, checkpoint.ErrTooLarge) && t.closed.records > 1:
		t.maxRecords = max(1, min(t.maxRecords, t.closed.records)/2)
		t.discard(rewind)
	case checkpoint.HandlingOf(err) == nil:
		p.emit(Fatal{Err: err})
	case t.mustDiscard(op):
		t.discard(rewind)
	default:
		t.wait(err)
	}
}

// advanced records that the closed batch is committed, which op has shown.
func (t *task) advanced(op operation) {
	p, b := t.planner, t.closed
	t.closed, t.attempt = nil, 0
	p.counted = p.counted || b.counted > 0
	t.maxRecords = min(p.limits.MaxRecords, 2*t.maxRecords)
	for _, a := range b.advances {
		q := p.partitions[a.Partition]
		q.at.Next, q.at.LeaderEpoch, q.at.Audit = a.Next, a.LeaderEpoch, q.at.Audit.Plus(a.Audit)
		q.wasCompared(op.began)
	}
	p.emit(Advanced{Task: t.n, Advances: b.advances, Records: b.records})
	for _, a := range b.advances {
		p.emit(PositionRequest{Position{Partition: a.Partition, Action: Mirror, Next: a.Next}})
	}
	if t.mustDiscard(op) {
		t.discard(rewind)
	}
	t.pauseOrResume()
}

// resolved takes the result of a resolve or of a check.
func (t *task) resolved(op operation, r ResolveResult) {
	switch {
	case r.Err != nil && (errors.Is(r.Err, checkpoint.ErrCheckpointLost) || checkpoint.HandlingOf(r.Err) == nil):
		t.planner.emit(Fatal{Err: r.Err})
	case r.Err == nil && r.Outcome != Superseded && op.state == checking:
		t.checkpointsMatch(op)
	case r.Err == nil && r.Outcome == Committed:
		t.advanced(op)
	case t.mustDiscard(op):
		t.discard(reclaim)
	case r.Err != nil:
		t.checkDue = op.state == checking && !t.planner.drain
		t.wait(r.Err)
	case r.Outcome == NotCommitted:
		t.closed.outcomeUnknown = false
	default:
		t.fenced(fmt.Errorf("a checkpoint in MySQL differs from the one that this process wrote last: %w", checkpoint.ErrFenced))
	}
}

// checkpointsMatch records that a check found every owned partition where this process left it. The closed batch is not
// affected, because it was not being committed.
func (t *task) checkpointsMatch(op operation) {
	for _, q := range allIn[*owned](t) {
		q.wasCompared(op.began)
	}
	if t.mustDiscard(op) {
		t.discard(rewind)
	} else if t.closed == nil {
		t.attempt = 0
	}
}

// confirmed takes the result of a confirmation by the group.
func (t *task) confirmed(r ConfirmResult) {
	if r.Err != nil {
		t.wait(r.Err)
		return
	}
	for _, q := range allIn[unconfirmed](t) {
		if slices.Contains(r.Partitions, q.Partition) {
			q.state = unclaimed{}
		} else {
			q.state = lost{}
		}
	}
}

// inClaim reports whether the claim under way includes the partition, leaving or not.
func (q *partition) inClaim() bool {
	_, ok := q.state.(inClaim)
	return ok
}

// wasCompared records the time of a comparison with MySQL. A partition that has stopped since is compared by its next
// claim.
func (q *partition) wasCompared(at time.Duration) {
	if o := q.owned(); o != nil {
		o.compared = at
	}
}

// concerns reports whether an error is about the partition: one that names no partition is about all.
func concerns(err error, p checkpoint.Partition) bool {
	e, ok := errors.AsType[*checkpoint.Error](err)
	return !ok || e.Partitions == nil || slices.Contains(e.Partitions, p)
}
