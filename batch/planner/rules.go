package planner

import (
	"fmt"

	"github.com/sluice-etl/sluice/checkpoint"
)

// rule is one thing that an idle task may start.
type rule struct {
	applies func(*task) bool
	// start begins the operation, or changes the task so that the rule does not apply any more.
	start func(*task)
}

// rules returns the rules that start an idle task's next action; the first that applies is used. The order is part of
// the protocol.
func rules() [7]rule {
	return [...]rule{
		// Until the outcome of a COMMIT is known, it is not known where the partitions are. A check would take our own
		// commit for another owner's, and a retry could fence itself off (P12).
		{(*task).outcomeUnknown, (*task).resolve},
		// A check needs at least one partition, and there is none: all owned partitions have stopped or left since it became
		// due.
		{(*task).checkIsEmpty, (*task).cancelCheck},
		// Before the closed batch: it may be blocked for hours, and what an operator does to a quiet partition meanwhile,
		// or a restored database, must be noticed within Recheck (P2).
		{(*task).checkIsDue, (*task).check},
		// Batches are committed in order, so this one precedes everything that makes a new one.
		{(*task).hasClosedBatch, (*task).retryCommit},
		// The group is asked before a fenced partition is claimed again: two owners would fence each other off without
		// end (P14). There is no open batch then, because the fence discarded it.
		{(*task).hasUnconfirmed, (*task).confirm},
		// A due batch, and each batch before a claim: a discard follows the claim.
		{(*task).openBatchIsDue, (*task).commitOpen},
		// The last: a claim needs a task without batches.
		{(*task).claimIsPossible, (*task).claim},
	}
}

// startNext starts an operation, if none is under way and there is one to start. It ends because a start that begins no
// operation makes its own rule inapplicable.
func (t *task) startNext() {
	for t.op.state == idle {
		start := t.firstRule()
		if start == nil {
			return
		}
		start(t)
	}
}

// firstRule returns the start of the first rule that applies, nil if none does.
func (t *task) firstRule() func(*task) {
	for _, r := range rules() {
		if r.applies(t) {
			return r.start
		}
	}
	return nil
}

func (t *task) outcomeUnknown() bool { return t.closed != nil && t.closed.outcomeUnknown }

func (t *task) resolve() {
	t.planner.emit(ResolveRequest{Task: t.n, Op: t.begin(resolving), Advances: t.closed.advances})
}

func (t *task) checkIsEmpty() bool { return t.checkDue && !anyIn[*owned](t) }

func (t *task) cancelCheck() { t.checkDue = false }

func (t *task) checkIsDue() bool { return t.checkDue }

func (t *task) check() {
	t.checkDue = false
	t.planner.emit(ResolveRequest{Task: t.n, Op: t.begin(checking), Check: true, Advances: t.checkAdvances()})
}

func (t *task) hasClosedBatch() bool { return t.closed != nil }

func (t *task) retryCommit() {
	t.planner.emit(CommitRequest{Task: t.n, Op: t.begin(committing), Again: true, Advances: t.closed.advances})
}

func (t *task) hasUnconfirmed() bool { return anyIn[unconfirmed](t) && !t.planner.drain }

func (t *task) confirm() {
	t.planner.emit(ConfirmRequest{Task: t.n, Op: t.begin(confirming), Partitions: ids(allIn[unconfirmed](t))})
}

func (t *task) openBatchIsDue() bool {
	return !t.open.empty() && !t.queue.folding && (t.open.due || t.hasClaims())
}

// commitOpen closes the open batch and commits it, or discards it if it has too many dead letters.
func (t *task) commitOpen() {
	p, b := t.planner, t.open
	if err := t.tooManyDead(b); err != nil {
		for _, a := range b.advances {
			p.partitions[a.Partition].stop(err)
		}
		t.discard(rewind)
		return
	}
	sortAdvances(b.advances)
	t.closed, t.open = &closedBatch{taskBatch: b}, &taskBatch{}
	p.emit(CommitRequest{Task: t.n, Op: t.begin(committing), Advances: b.advances})
}

// tooManyDead returns the error of a batch that is mostly dead letters while no record was ever counted (P20). One
// counted record, in this batch or in one that any task of the process committed, shows that format and query are right
// for some of the input. Then the dead records are caused by their senders, and must not stop the others.
func (t *task) tooManyDead(b *taskBatch) error {
	p := t.planner
	if b.counted > 0 || p.counted || b.unfiltered < 1000 || float64(b.dead) <= p.limits.DeadLetterStop*float64(b.unfiltered) {
		return nil
	}
	return &checkpoint.Error{ // the hint refers to the option as option.Ref does, which the planner does not import
		Class: checkpoint.ErrRefused,
		Err:   fmt.Errorf("no record was counted yet, and %d of %d records are dead letters; reason of the first: %s", b.dead, b.unfiltered, b.reason),
		Hint:  "check log format and query; if these records are expected to be dead letters, start once with option 'dead-letter-stop'=100%",
	}
}

func (t *task) claimIsPossible() bool {
	return t.hasClaims() && t.open.empty() && !t.queue.folding
}

func (t *task) claim() {
	waiting := allIn[unclaimed](t)
	for _, q := range waiting {
		q.state = inClaim{}
	}
	t.planner.emit(ClaimRequest{Task: t.n, Op: t.begin(claiming), Partitions: ids(waiting)})
}
