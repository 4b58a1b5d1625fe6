package planner

import (
	"slices"
	"time"

	"github.com/sluice-etl/sluice/checkpoint"
)

// task is a share of the partitions. It has at most one operation with MySQL or the group under way, and folds at the
// same time.
//
// Its state has four parts, which change independently:
//
//   - op: the operation under way with MySQL or the group. If there is none, [task.startNext] chooses the next one.
//   - closed: the task batch that is to be committed. It outlives operations: a failed commit is followed by a pause
//     and another commit of the same batch, and checks may come between.
//   - open: the task batch to which folding adds.
//   - queue: what is fetched and not folded, and whether its head is with the worker.
//
// Invariants:
//
//   - A commit, resolve or retry of a commit needs a closed batch. A claim is under way only while both batches are
//     empty, because a claim is followed by a discard.
//   - For each partition, the open batch begins where the closed one ends, and the queue where the open one ends.
//   - Everything that was folded under an older gen is discarded, and its results are ignored.
type task struct {
	planner    *Planner
	n          int
	partitions []*partition

	op     operation
	closed *closedBatch // nil if there is none
	open   *taskBatch
	queue  queue
	gen    uint64 // raised by each discard

	checkDue   bool  // compare all owned partitions with MySQL, because the last comparison of one is too old
	attempt    int   // pauses in a row without a success between them
	maxRecords int64 // of a batch; lowered when one is too large or has rejected rows, doubled by each commit
	fencedAt   []time.Duration
}

// taskState is what a task has under way with MySQL or the group.
type taskState uint8

const (
	idle       taskState = iota
	claiming             // of the partitions inClaim
	committing           // of the closed batch
	resolving            // whether the closed batch was committed
	checking             // whether the checkpoints are as this process wrote them
	confirming           // with the group, which of the unconfirmed partitions are still assigned
	backingOff           // a pause before the next try
)

var taskStates = [...]string{"idle", "claiming", "committing", "resolving", "checking", "confirming", "backing off"}

// operation is a task's state and what belongs to it. The zero operation is idle.
type operation struct {
	state taskState
	id    uint64        // its request's Op
	began time.Duration // when it was requested
	// discardAfter means that all batches must be discarded when the result has come, because only the result shows
	// where the checkpoints are. Only operations with MySQL have it; others are cancelled at once.
	discardAfter bool
}

// begin starts an operation and returns its number.
func (t *task) begin(s taskState) uint64 {
	t.planner.ops++
	t.op = operation{state: s, id: t.planner.ops, began: t.planner.now}
	return t.op.id
}

// wait starts a pause before the next try.
func (t *task) wait(cause error) {
	t.attempt++
	t.planner.emit(WaitRequest{Task: t.n, Op: t.begin(backingOff), Attempt: t.attempt, Cause: cause})
}

// startWork starts the next operation and the next fold, if each can start now.
func (t *task) startWork() {
	t.startNext()
	t.startFold()
}

// allIn lists the partitions of a task that are in state S and not leaving.
func allIn[S partitionState](t *task) (out []*partition) {
	for _, q := range t.partitions {
		if in[S](q) {
			out = append(out, q)
		}
	}
	return out
}

// anyIn reports whether allIn would list one.
func anyIn[S partitionState](t *task) bool { return slices.ContainsFunc(t.partitions, in[S]) }

// ids returns the partitions in order.
func ids(partitions []*partition) (ids []checkpoint.Partition) {
	for _, q := range partitions {
		ids = append(ids, q.Partition)
	}
	slices.SortFunc(ids, byPartition)
	return ids
}

// checkAdvances returns the advances of a check: for each owned partition an empty range at the offset that its
// checkpoint must have. They are valid only if the outcome of every COMMIT is known; what is folded or retried does not
// matter.
func (t *task) checkAdvances() (out []Advance) {
	for _, q := range allIn[*owned](t) {
		out = append(out, Advance{
			Range:       checkpoint.Range{Partition: q.Partition, First: q.at.Next, Next: q.at.Next},
			LeaderEpoch: q.at.LeaderEpoch, Epoch: q.at.Epoch, Owner: q.at.Owner,
		})
	}
	return sortAdvances(out)
}

// isInBatch reports whether a batch advances the partition, so that each attempt to commit the batch compares the
// partition with MySQL.
func (t *task) isInBatch(q *partition) bool {
	return t.closedTaskBatch().advanceOf(q.Partition) != nil || t.open.advanceOf(q.Partition) != nil
}

// hasClaims reports whether partitions wait to be claimed. Nothing is folded meanwhile, because a discard follows a
// claim.
func (t *task) hasClaims() bool { return !t.planner.drain && anyIn[unclaimed](t) }

// scheduleCheck makes a check of all owned partitions due if one of them would otherwise not be compared with MySQL
// within Recheck. next is the approximate time of the next tick.
func (t *task) scheduleCheck(next time.Duration) {
	p := t.planner
	t.checkDue = t.checkDue || !p.drain && slices.ContainsFunc(allIn[*owned](t), func(q *partition) bool {
		return next-q.owned().compared > p.limits.Recheck && !t.isInBatch(q)
	})
}
