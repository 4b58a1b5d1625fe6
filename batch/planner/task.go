package planner

import (
	"slices"
	"time"

	"github.com/sluice-etl/sluice/checkpoint"
)

// task is a share of the partitions. It does one thing with MySQL or the group at a time, and folds beside it.
//
// What a task is doing has four parts, which change independently:
//
//   - op: the operation under way with MySQL or the group. While it is idle, [task.startNext] chooses the next one.
//   - closed: the task batch that is to be committed. It outlives operations: a failed commit is followed by a pause and
//     another commit of the same batch, and checks may come between.
//   - open: the task batch to which folding adds.
//   - queue: what is fetched and not folded, and whether its head is with the worker.
//
// Invariants:
//
//   - A commit, resolve or retry of a commit needs a closed batch. A claim is under way only while both batches are empty,
//     because a claim is followed by a discard.
//   - Of one partition, the closed batch ends where the open one begins, and that one where the queue begins.
//   - Everything that was folded under an older gen is gone, and its results are ignored.
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

// advance starts what can be started now: an operation, and folding beside it.
func (t *task) advance() {
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

// asCheckpointed is the advances of a check: empty ranges, where MySQL should have the owned partitions. They are right
// whenever the outcome of every COMMIT is known, whatever is folded or waits for another try.
func (t *task) asCheckpointed() (out []Advance) {
	for _, q := range allIn[*owned](t) {
		out = append(out, Advance{
			Range:       checkpoint.Range{Partition: q.Partition, First: q.at.Next, Next: q.at.Next},
			LeaderEpoch: q.at.LeaderEpoch, Epoch: q.at.Epoch, Owner: q.at.Owner,
		})
	}
	return sortAdvances(out)
}

// fences reports whether a batch advances the partition, so that each try to commit it compares the partition with
// MySQL.
func (t *task) fences(q *partition) bool {
	return t.closedTaskBatch().advance(q.Partition) != nil || t.open.advance(q.Partition) != nil
}

// hasClaims reports whether partitions wait to be claimed. Nothing is folded meanwhile, because a discard follows a
// claim.
func (t *task) hasClaims() bool { return !t.planner.drain && anyIn[unclaimed](t) }

// compareLate has all owned partitions checked, if one of them would otherwise not be compared with MySQL within
// Recheck: next is about when the next tick comes.
func (t *task) compareLate(next time.Duration) {
	p := t.planner
	t.checkDue = t.checkDue || !p.drain && slices.ContainsFunc(allIn[*owned](t), func(q *partition) bool {
		return next-q.owned().compared > p.limits.Recheck && !t.fences(q)
	})
}
