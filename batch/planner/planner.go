package planner

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sluice-etl/sluice/checkpoint"
)

// Limits is what bounds a Planner's batches.
type Limits struct {
	Tasks          int           // number of tasks
	MaxRecords     int64         // records in a task's batch
	MaxBytes       int64         // fetched bytes in a task's batch
	Memory         int64         // one task's share of memory, in bytes
	DeadLetterStop float64       // see Config
	Recheck        time.Duration // see Config
}

// Planner makes the engine's decisions. It sees ranges, sizes and outcomes; it holds no records and has no clock,
// network, random source or goroutine. It is not safe for concurrent use.
//
// Invariants, for each partition that is owned:
//
//	checkpoint.Next <= end of the part being committed <= end of the open batch <= end of what is queued = fetched
//
// and these pieces touch each other without a hole. A task has at most one operation under way, and folds only pieces
// of its present generation.
type Planner struct {
	limits  Limits
	tasks   []*task
	parts   map[checkpoint.Partition]*part
	out     []Output
	now     time.Duration
	ops     uint64
	session uint64
	ticked  time.Duration // the last tick
	counted bool          // a record was counted since the process began
	drain   bool
	drained bool
}

// New makes a planner that owns nothing.
func New(l Limits) *Planner {
	p := &Planner{limits: l, parts: map[checkpoint.Partition]*part{}}
	for n := range l.Tasks {
		p.tasks = append(p.tasks, &task{planner: p, n: n, open: newBundle(), maxRecords: l.MaxRecords})
	}
	return p
}

// Limits returns the limits that the planner was created with.
func (p *Planner) Limits() Limits { return p.limits }

// Step takes one event, which happened at now on any clock that does not go back, and appends what is to be done to
// effects.
func (p *Planner) Step(now time.Duration, e Input, effects []Output) []Output {
	p.now, p.out = now, effects
	switch e := e.(type) {
	case Assigned:
		p.assigned(e.Partitions)
	case Revoked:
		p.revoked(e.Partitions)
	case Fetched:
		p.fetched(e)
	case FoldResult:
		p.tasks[e.Task].folded(e)
	case ClaimResult:
		if t := p.ended(e.Task, e.Op); t != nil {
			t.claimed(e)
			t.advance()
		}
	case CommitResult:
		if t := p.ended(e.Task, e.Op); t != nil {
			t.committed(e.Err)
			t.advance()
		}
	case ResolveResult:
		if t := p.ended(e.Task, e.Op); t != nil {
			t.resolved(e)
			t.advance()
		}
	case ConfirmResult:
		if t := p.ended(e.Task, e.Op); t != nil {
			t.confirmed(e)
			t.advance()
		}
	case WaitResult:
		if t := p.ended(e.Task, e.Op); t != nil {
			t.advance()
		}
	case Tick:
		p.tick()
	case Drain:
		p.drainAll()
	}
	if p.drain && !p.drained && p.quiet() {
		p.drained = true
		p.do(Drained{})
	}
	out := p.out
	p.out = nil
	return out
}

func (p *Planner) do(e Output) { p.out = append(p.out, e) }

// ended returns the task whose operation has ended, or nil where that operation was called off.
func (p *Planner) ended(task int, op uint64) *task {
	t := p.tasks[task]
	if t.op != op {
		return nil
	}
	t.op, t.doing = 0, nothing
	return t
}

func (p *Planner) assigned(partitions []checkpoint.Partition) {
	touched := map[*task]bool{}
	for _, id := range partitions {
		q := p.parts[id]
		switch {
		case q == nil:
			touched[p.add(id)] = true
		case q.leaving:
			q.again = true
		case q.phase == orphan:
			q.phase = unclaimed
			touched[q.task] = true
		}
	}
	p.advance(touched)
}

// add puts a partition into the task that has the fewest.
func (p *Planner) add(id checkpoint.Partition) *task {
	best := p.tasks[0]
	for _, t := range p.tasks[1:] {
		if len(t.parts) < len(best.parts) {
			best = t
		}
	}
	q := &part{Partition: id, task: best}
	p.parts[id] = q
	best.parts = append(best.parts, q)
	return best
}

func (p *Planner) revoked(partitions []checkpoint.Partition) {
	touched := map[*task]bool{}
	for _, id := range partitions {
		q := p.parts[id]
		if q == nil {
			p.do(Released{Partition: id})
			continue
		}
		q.leaving, q.again = true, false
		q.unposition()
		touched[q.task] = true
	}
	for _, t := range p.tasks {
		if touched[t] {
			t.throwAwaySoon()
		}
	}
	p.advance(touched)
}

// advance goes through the tasks in their order, so that the same events give the same effects.
func (p *Planner) advance(touched map[*task]bool) {
	for _, t := range p.tasks {
		if touched[t] {
			t.advance()
		}
	}
}

func (p *Planner) fetched(e Fetched) {
	q := p.parts[e.Partition]
	if q == nil || q.leaving || q.phase != owned || e.Session != q.session || p.drain {
		if e.Err == nil {
			p.do(DropRequest{Token: e.Token})
		}
		return
	}
	if e.Err == nil && (e.First != q.fetched || e.Next < e.First) {
		p.do(DropRequest{Token: e.Token})
		e.Err = fmt.Errorf("BUG: fetched %s, expected it to begin at offset %d", e.Range, q.fetched)
	}
	if e.Err != nil {
		q.stop(e.Err)
		return
	}
	q.fetched = e.Next
	t := q.task
	t.queue = append(t.queue, piece{part: q, Fetched: e})
	t.queued += e.Bytes
	t.regulate()
	t.advance()
}

func (p *Planner) tick() {
	next := p.now // about when the next tick comes
	if p.ticked > 0 {
		next += p.now - p.ticked
	}
	p.ticked = p.now
	for _, t := range p.tasks {
		for _, q := range t.parts {
			if q.phase == stopped && !q.leaving && p.now >= q.retryAt {
				q.phase = unclaimed
			}
		}
		t.due = !t.open.empty()
		t.advance() // what is due is committed first, and its fence compares the partitions in it
		t.check = t.check || !p.drain && slices.ContainsFunc(t.in(owned), func(q *part) bool {
			return next-q.compared > p.limits.Recheck && !t.fences(q)
		})
		t.advance()
	}
}

func (p *Planner) drainAll() {
	p.drain = true
	for _, t := range p.tasks {
		for _, q := range t.parts {
			q.unposition()
		}
		t.check = false
		t.dropQueue()
		t.due = !t.open.empty()
		t.advance()
	}
}

func (p *Planner) quiet() bool {
	for _, t := range p.tasks {
		if t.op != 0 || t.folding || t.flight != nil || !t.open.empty() {
			return false
		}
	}
	return true
}

// phase is where a partition stands between assignment and release.
type phase uint8

const (
	unclaimed phase = iota // ours by the group's word; to be claimed
	claiming               // a claim is under way
	owned                  // claimed, fetched, folded, committed
	doubtful               // a fence did not match; the group is asked
	orphan                 // the group said that it is not ours any more; its callback will follow
	stopped                // needs a person
)

// part is one partition that the group gave us.
type part struct {
	checkpoint.Partition
	task    *task
	phase   phase
	at      checkpoint.Checkpoint // as MySQL has it, from the claim and the commits since
	session uint64
	fetched int64 // where the next piece begins
	paused  bool
	leaving bool          // revoked; goes as soon as the task can let go
	again   bool          // assigned anew while it was leaving
	retryAt time.Duration // while stopped

	// compared is a time at or before the last comparison of at with MySQL: by a claim, a fence or a check.
	compared time.Duration
}

// position has the partition fetched from its checkpoint, under a new session.
func (q *part) position() {
	p := q.task.planner
	p.session++
	q.session, q.fetched = p.session, q.at.Next
	p.do(PositionRequest{Position{
		Partition: q.Partition, Action: Fetch, Session: q.session,
		Next: q.at.Next, LeaderEpoch: q.at.LeaderEpoch, TopicID: q.at.TopicID,
	}})
	if q.paused {
		q.paused = false
		p.do(PositionRequest{Position{Partition: q.Partition, Action: Resume}})
	}
}

// unposition takes the partition from the fetching client.
func (q *part) unposition() {
	if q.session != 0 {
		q.session, q.paused = 0, false
		q.task.planner.do(PositionRequest{Position{Partition: q.Partition, Action: Remove}})
	}
}

func (q *part) stop(err error) {
	p := q.task.planner
	q.unposition()
	q.phase, q.retryAt = stopped, p.now+p.limits.Recheck
	p.do(Stopped{Partition: q.Partition, Err: err})
}

// named lists the partitions that an error names, nil where it concerns all.
func named(err error) []checkpoint.Partition {
	if e, ok := errors.AsType[*checkpoint.Error](err); ok {
		return e.Partitions
	}
	return nil
}
