package planner

import (
	"fmt"
	"time"

	"github.com/sluice-etl/sluice/checkpoint"
)

// Limits bounds the batches of a Planner. See batch.Config for the options of the same names.
type Limits struct {
	Tasks          int           // number of tasks, at least 1
	MaxRecords     int64         // records in a task batch, at least 1
	MaxBytes       int64         // fetched bytes in a task batch
	Memory         int64         // one task's share of memory, in bytes
	DeadLetterStop float64       // share of dead records above which a batch stops its partitions, from 0 to 1
	Recheck        time.Duration // pause of a stopped partition, and longest time between two comparisons with MySQL
}

// Planner makes the engine's decisions. It is not safe for concurrent use.
//
// Invariants, for each owned partition that is fetched:
//
//	checkpoint.Next <= end of its closed batch <= end of its open batch <= end of what is queued = fetched
//
// and these ranges are contiguous. Each task has at most one operation under way (see task), and counts only what was
// folded since its last discard.
type Planner struct {
	limits     Limits
	tasks      []*task
	partitions map[checkpoint.Partition]*partition
	out        []Output      // of the present step
	now        time.Duration // of the present step
	ops        uint64        // the last operation's number
	fetchID    uint64        // the last one given
	ticked     time.Duration // the last tick
	counted    bool          // a counted record was committed since the process began
	drain      bool          // Drain was passed
	drained    bool          // Drained was output
}

// New returns a planner that owns no partitions.
func New(l Limits) *Planner {
	p := &Planner{limits: l, partitions: map[checkpoint.Partition]*partition{}}
	for n := range l.Tasks {
		p.tasks = append(p.tasks, &task{planner: p, n: n, open: &taskBatch{}, maxRecords: l.MaxRecords})
	}
	return p
}

// Limits returns the limits that the planner was created with.
func (p *Planner) Limits() Limits { return p.limits }

// Step handles one input, and appends to out what the driver must do. now is the time of the input, by any clock that
// does not go back. The same inputs at the same times give the same outputs.
func (p *Planner) Step(now time.Duration, in Input, out []Output) []Output {
	p.now, p.out = now, out
	switch in := in.(type) {
	case Assigned:
		p.assigned(in.Partitions)
	case Revoked:
		p.revoked(in.Partitions)
	case Fetched:
		p.fetched(in)
	case FoldResult:
		p.tasks[in.Task].folded(in)
	case ClaimResult:
		p.finish(in.Task, in.Op, func(t *task, op operation) { t.claimed(op, in) })
	case CommitResult:
		p.finish(in.Task, in.Op, func(t *task, op operation) { t.committed(op, in.Err) })
	case ResolveResult:
		p.finish(in.Task, in.Op, func(t *task, op operation) { t.resolved(op, in) })
	case ConfirmResult:
		p.finish(in.Task, in.Op, func(t *task, _ operation) { t.confirmed(in) })
	case WaitResult:
		p.finish(in.Task, in.Op, func(*task, operation) {})
	case Tick:
		p.tick()
	case Drain:
		p.startDrain()
	}
	if p.drain && !p.drained && p.isIdle() {
		p.drained = true
		p.emit(Drained{})
	}
	result := p.out
	p.out = nil
	return result
}

func (p *Planner) emit(o Output) { p.out = append(p.out, o) }

// finish ends a task's operation: handle handles its result, and then the task starts its next work. The result of an
// operation that was cancelled is ignored.
func (p *Planner) finish(n int, id uint64, handle func(*task, operation)) {
	t := p.tasks[n]
	if t.op.id != id {
		return
	}
	op := t.op
	t.op = operation{}
	handle(t, op)
	t.startWork()
}

func (p *Planner) assigned(partitions []checkpoint.Partition) {
	touched := map[*task]bool{}
	for _, id := range partitions {
		q := p.partitions[id]
		switch {
		case q == nil:
			touched[p.add(id)] = true
		case q.membership != member:
			q.membership = returning
		case in[lost](q):
			q.state = unclaimed{}
			touched[q.task] = true
		}
	}
	p.startWork(touched)
}

// add puts a partition into the task that has the fewest.
func (p *Planner) add(id checkpoint.Partition) *task {
	best := p.tasks[0]
	for _, t := range p.tasks[1:] {
		if len(t.partitions) < len(best.partitions) {
			best = t
		}
	}
	q := &partition{Partition: id, task: best, state: unclaimed{}}
	p.partitions[id] = q
	best.partitions = append(best.partitions, q)
	return best
}

func (p *Planner) revoked(partitions []checkpoint.Partition) {
	touched := map[*task]bool{}
	for _, id := range partitions {
		q := p.partitions[id]
		if q == nil {
			p.emit(Released{Partition: id})
			continue
		}
		q.membership = leaving
		q.endFetch()
		touched[q.task] = true
	}
	for _, t := range p.tasks {
		if touched[t] {
			t.discardSoon()
		}
	}
	p.startWork(touched)
}

// startWork starts the work of the tasks in their order, so that the same inputs give the same outputs.
func (p *Planner) startWork(touched map[*task]bool) {
	for _, t := range p.tasks {
		if touched[t] {
			t.startWork()
		}
	}
}

// fetched queues a piece, unless its fetch ID is not the current one.
func (p *Planner) fetched(f Fetched) {
	q := p.partitions[f.Partition]
	if q == nil || !in[*owned](q) || q.fetch() == nil || f.FetchID != q.fetch().fetchID || p.drain {
		if f.Err == nil {
			p.emit(DropRequest{Token: f.Token})
		}
		return
	}
	if f.Err == nil && (f.First != q.fetched || f.Next < f.First) {
		p.emit(DropRequest{Token: f.Token})
		f.Err = fmt.Errorf("BUG: fetched %s, expected it to begin at offset %d", f.Range, q.fetched)
	}
	if f.Err != nil {
		q.stop(f.Err)
		return
	}
	q.fetched = f.Next
	t := q.task
	t.queue.pieces = append(t.queue.pieces, piece{Fetched: f, partition: q})
	t.queue.bytes += f.Bytes
	t.pauseOrResume()
	t.startWork()
}

// tick makes open batches due, lets stopped partitions be claimed again, and schedules checks of quiet partitions.
func (p *Planner) tick() {
	next := p.now // the approximate time of the next tick
	if p.ticked > 0 {
		next += p.now - p.ticked
	}
	p.ticked = p.now
	for _, t := range p.tasks {
		for _, q := range allIn[stopped](t) {
			if p.now >= q.state.(stopped).retryAt {
				q.state = unclaimed{}
			}
		}
		t.open.due = !t.open.empty()
		t.startWork() // commits the open batch first, whose fence compares the partitions in it
		t.scheduleCheck(next)
		t.startWork()
	}
}

func (p *Planner) startDrain() {
	p.drain = true
	for _, t := range p.tasks {
		for _, q := range t.partitions {
			q.endFetch()
		}
		t.checkDue = false
		t.dropQueue()
		t.open.due = !t.open.empty()
		t.startWork()
	}
}

// isIdle reports whether no batch is left, and nothing is under way.
func (p *Planner) isIdle() bool {
	for _, t := range p.tasks {
		if t.op.state != idle || t.queue.folding || t.closed != nil || !t.open.empty() {
			return false
		}
	}
	return true
}
