package planner

import (
	"slices"
	"time"

	"github.com/sluice-etl/sluice/checkpoint"
)

// keptAction says what a discard does with the owned partitions that the task keeps.
type keptAction uint8

const (
	rewind  keptAction = iota // fetch them again from their checkpoints
	reclaim                   // their checkpoints are not known: confirm the assignment, and claim them again
)

// mustDiscard reports whether the task's batches must be discarded once op has ended: a fold went wrong, or a partition
// is leaving.
func (t *task) mustDiscard(op operation) bool {
	return op.discardAfter || slices.ContainsFunc(t.partitions, func(q *partition) bool { return q.membership != member })
}

// discardSoon discards at once or, while an operation with MySQL is under way, when its result has come, because only
// the result shows where the checkpoints are.
func (t *task) discardSoon() {
	switch t.op.state {
	case claiming, committing, resolving, checking:
		t.op.discardAfter = true
		return
	}
	t.op = operation{} // a pause or a confirmation is cancelled: its result will be ignored
	if t.outcomeUnknown() {
		t.discard(reclaim)
	} else {
		t.discard(rewind)
	}
}

// discard drops everything that is not committed, releases the leaving partitions, and rewinds the others (P13). It
// concerns the whole task, because folded rows cannot be divided among partitions. No operation with MySQL may be under
// way. The order of the outputs matters: partitions are released before they are claimed again, and the fold is
// restored before anything fetched under the new fetch IDs is folded.
func (t *task) discard(then keptAction) {
	p := t.planner
	t.gen++
	t.checkDue, t.queue.folding = false, false
	t.open, t.closed = &taskBatch{}, nil
	t.dropQueue()
	returned := t.release()
	var at []checkpoint.Checkpoint
	for _, q := range t.partitions {
		switch {
		case q.owned() == nil:
		case then == reclaim:
			q.endFetch()
			q.state = unconfirmed{}
		case p.drain:
			q.endFetch()
		default:
			q.startFetch()
			at = append(at, q.at)
		}
	}
	p.emit(RestoreRequest{Task: t.n, Gen: t.gen, Checkpoints: at})
	for _, id := range returned {
		if other := p.add(id); other != t { // t itself starts its work at the end of this step
			other.startWork()
		}
	}
}

// release releases the leaving partitions, and returns those that were assigned again meanwhile.
func (t *task) release() (returned []checkpoint.Partition) {
	t.partitions = slices.DeleteFunc(t.partitions, func(q *partition) bool {
		if q.membership == member {
			return false
		}
		delete(t.planner.partitions, q.Partition)
		t.planner.emit(Released{Partition: q.Partition})
		if q.membership == returning {
			returned = append(returned, q.Partition)
		}
		return true
	})
	return returned
}

// fenced discards the task's batches because another owner has claimed a partition or the database is in an older state
// (P14). The more fences there were within a minute, the longer it waits before it confirms with the group which
// partitions are assigned.
func (t *task) fenced(err error) {
	p := t.planner
	t.fencedAt = append(slices.DeleteFunc(t.fencedAt, func(at time.Duration) bool { return p.now-at >= time.Minute }), p.now)
	p.emit(Fenced{Task: t.n, Times: len(t.fencedAt), Err: err})
	t.discard(reclaim)
	if !p.drain {
		t.attempt = len(t.fencedAt) - 1
		t.wait(err)
	}
}
