package planner

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sluice-etl/sluice/checkpoint"
)

// doing is the operation that a task has under way.
type doing uint8

const (
	nothing doing = iota
	claims
	commits
	resolves
	confirms
	waits
)

// task is a share of the partitions: what it has queued, folded and under way.
type task struct {
	planner *Planner
	n       int
	parts   []*part

	gen     uint64 // raised by every throwing away
	queue   []piece
	queued  int64 // bytes
	folding bool  // the head of queue is with the driver
	open    *bundle
	flight  *bundle // being committed; nil while there is none
	ask     bool    // the outcome of flight's COMMIT is not known
	due     bool    // the open batch is to be committed as soon as can be
	check   bool    // a partition was not compared with MySQL for long: compare all of them
	spoiled bool    // all is to be thrown away as soon as the transaction under way has ended

	op         uint64 // under way, 0 for none
	doing      doing
	began      time.Duration // when op began
	checking   bool          // the resolve under way, or the one that has just ended, is a check
	attempt    int           // tries in a row that came to nothing
	maxRecords int64         // lowered when MySQL finds a batch too large or refuses rows of it; each commit doubles it
	fencedAt   []time.Duration
}

type piece struct {
	Fetched
	part *part
}

// bundle is the moves of one batch.
type bundle struct {
	moves   []Advance
	records int64
	bytes   int64
	size    int64
	dead    int64
	counted int64
	judged  int64 // records that were not filtered
	reason  string
}

func newBundle() *bundle      { return &bundle{} }
func (b *bundle) empty() bool { return len(b.moves) == 0 }
func (b *bundle) sorted() []Advance {
	slices.SortFunc(b.moves, byPartition)
	return b.moves
}

func byPartition(x, y Advance) int {
	if x.Partition.Less(y.Partition) {
		return -1
	}
	return 1
}

// begin starts an operation and returns its number.
func (t *task) begin(d doing) uint64 {
	t.planner.ops++
	t.op, t.doing, t.began, t.checking = t.planner.ops, d, t.planner.now, false
	return t.op
}

func (t *task) wait(cause error) {
	t.attempt++
	t.planner.do(WaitRequest{Task: t.n, Op: t.begin(waits), Attempt: t.attempt, Cause: cause})
}

// advance begins whatever can be begun now: one operation with MySQL or the group, and folding beside it.
func (t *task) advance() {
	if t.op == 0 {
		t.operate()
	}
	t.fold()
}

func (t *task) operate() {
	p := t.planner
	switch {
	case t.flight != nil && t.ask:
		p.do(ResolveRequest{Task: t.n, Op: t.begin(resolves), Advances: t.flight.moves})
	case t.check && t.in(owned) == nil: // all have stopped meanwhile: there is nothing to ask about
		t.check = false
		t.operate()
	case t.check:
		p.do(ResolveRequest{Task: t.n, Op: t.begin(resolves), Check: true, Advances: t.standing()})
		t.check, t.checking = false, true
	case t.flight != nil:
		p.do(CommitRequest{Task: t.n, Op: t.begin(commits), Again: true, Advances: t.flight.moves})
	case t.in(doubtful) != nil && !p.drain:
		p.do(ConfirmRequest{Task: t.n, Op: t.begin(confirms), Partitions: ids(t.in(doubtful))})
	case !t.open.empty() && !t.folding && (t.due || t.claimsWait()):
		t.commit()
		if t.op == 0 {
			t.operate() // the batch was thrown away instead
		}
	case t.claimsWait() && t.open.empty() && !t.folding:
		waiting := t.in(unclaimed)
		for _, q := range waiting {
			q.phase = claiming
		}
		p.do(ClaimRequest{Task: t.n, Op: t.begin(claims), Partitions: ids(waiting)})
	}
}

// standing is moves that do not move: where the task thinks that its partitions are. It is right whenever the outcome
// of every COMMIT is known, whatever is folded or waits for another try.
func (t *task) standing() (moves []Advance) {
	for _, q := range t.parts {
		if q.phase == owned && !q.leaving {
			moves = append(moves, Advance{
				Range:       checkpoint.Range{Partition: q.Partition, First: q.at.Next, Next: q.at.Next},
				LeaderEpoch: q.at.LeaderEpoch, Epoch: q.at.Epoch, Owner: q.at.Owner,
			})
		}
	}
	slices.SortFunc(moves, byPartition)
	return moves
}

// fences reports whether the batch under way or the open one, which the tick commits, moves the partition: each try to
// commit it compares the partition with MySQL.
func (t *task) fences(q *part) bool {
	moves := func(m Advance) bool { return m.Partition == q.Partition }
	return t.flight != nil && slices.ContainsFunc(t.flight.moves, moves) || slices.ContainsFunc(t.open.moves, moves)
}

// claimsWait says that partitions are to be claimed; folding rests meanwhile, for a claim begins the task anew.
func (t *task) claimsWait() bool { return !t.planner.drain && t.in(unclaimed) != nil }

// commit closes the open batch, unless it is dead for the most part and nothing was ever counted (P20). One counted
// record, in this batch or in one that any task of the process committed, shows that format and query are right for some
// of what comes in; then the dead ones are their senders' fault, and must not stop the others.
func (t *task) commit() {
	p, b := t.planner, t.open
	if b.counted == 0 && !p.counted && b.judged >= 1000 && float64(b.dead) > p.limits.DeadLetterStop*float64(b.judged) {
		err := &checkpoint.Error{
			Class: checkpoint.ErrRefused,
			Err:   fmt.Errorf("no record was counted yet, and %d of %d records are dead letters; reason of the first: %s", b.dead, b.judged, b.reason),
			Hint:  "check --format and --query; if these records are expected to be dead letters, start once with --dead-letter-stop=100%",
		}
		for _, m := range b.moves {
			p.parts[m.Partition].stop(err)
		}
		t.throwAway(setBack)
		return
	}
	b.sorted()
	t.flight, t.open = b, newBundle()
	t.due, t.ask = false, false
	p.do(CommitRequest{Task: t.n, Op: t.begin(commits), Advances: b.moves})
}

// in lists the partitions in a phase that are not leaving.
func (t *task) in(ph phase) (in []*part) {
	for _, q := range t.parts {
		if q.phase == ph && !q.leaving {
			in = append(in, q)
		}
	}
	return in
}

func ids(parts []*part) (ids []checkpoint.Partition) {
	for _, q := range parts {
		ids = append(ids, q.Partition)
	}
	slices.SortFunc(ids, func(x, y checkpoint.Partition) int {
		if x.Less(y) {
			return -1
		}
		return 1
	})
	return ids
}

// mustThrow says that what is not committed will be thrown away as soon as can be.
func (t *task) mustThrow() bool {
	return t.spoiled || slices.ContainsFunc(t.parts, func(q *part) bool { return q.leaving })
}

// throwAwaySoon throws away at once, or when the transaction that is under way has ended: its outcome says where the
// partitions stand.
func (t *task) throwAwaySoon() {
	switch t.doing {
	case claims, commits, resolves:
		t.spoiled = true
		return
	}
	t.op, t.doing = 0, nothing // a pause or a question to the group is called off
	if t.ask {
		t.throwAway(claimAgain)
	} else {
		t.throwAway(setBack)
	}
}

// What becomes of the partitions that a task keeps when it throws away.
const (
	setBack    = false // each goes back to its checkpoint
	claimAgain = true  // where the checkpoint stands is not known
)

// throwAway forgets everything that is not committed, lets leaving partitions go, and has the others fetched again
// from their checkpoints (P13): folded rows cannot be divided among partitions.
func (t *task) throwAway(reclaim bool) {
	p := t.planner
	t.gen++
	t.folding, t.due, t.ask, t.spoiled, t.check = false, false, false, false, false
	t.open, t.flight = newBundle(), nil
	t.dropQueue()
	back := t.release()
	var at []checkpoint.Checkpoint
	for _, q := range t.parts {
		switch {
		case q.phase != owned:
		case reclaim:
			q.unposition()
			q.phase = doubtful
		case p.drain:
			q.unposition()
		default:
			q.position()
			at = append(at, q.at)
		}
	}
	p.do(RestoreRequest{Task: t.n, Gen: t.gen, Checkpoints: at})
	for _, id := range back {
		if other := p.add(id); other != t {
			other.advance()
		}
	}
}

// release lets the leaving partitions go, and returns those that were assigned anew meanwhile.
func (t *task) release() (back []checkpoint.Partition) {
	t.parts = slices.DeleteFunc(t.parts, func(q *part) bool {
		if !q.leaving {
			return false
		}
		delete(t.planner.parts, q.Partition)
		t.planner.do(Released{Partition: q.Partition})
		if q.again {
			back = append(back, q.Partition)
		}
		return true
	})
	return back
}

// dropQueue drops what is fetched, but for a piece that is being folded.
func (t *task) dropQueue() {
	keep := 0
	if t.folding {
		keep = 1
	}
	for _, c := range t.queue[keep:] {
		t.planner.do(DropRequest{Token: c.Token})
	}
	t.queue, t.queued = t.queue[:keep], 0
	for _, c := range t.queue {
		t.queued += c.Bytes
	}
}

// fenced: somebody else claimed, or the database is in an older state (P14).
func (t *task) fenced(err error) {
	p := t.planner
	t.fencedAt = append(slices.DeleteFunc(t.fencedAt, func(at time.Duration) bool { return p.now-at >= time.Minute }), p.now)
	p.do(Fenced{Task: t.n, Times: len(t.fencedAt), Err: err})
	t.throwAway(claimAgain)
	if !p.drain {
		t.attempt = len(t.fencedAt) - 1
		t.wait(err)
	}
}

func (t *task) claimed(e ClaimResult) {
	p := t.planner
	switch {
	case e.Err == nil:
		t.attempt = 0
		for _, c := range e.Checkpoints {
			if q := p.parts[c.Partition]; q != nil && q.task == t && q.phase == claiming {
				q.phase, q.at, q.compared = owned, c, t.began
			}
		}
		t.throwAway(setBack)
		return
	case errors.Is(e.Err, checkpoint.ErrCheckpointLost):
		p.do(Fatal{Err: e.Err})
	case errors.Is(e.Err, checkpoint.ErrRefused):
		for _, q := range t.parts {
			if q.phase == claiming && (named(e.Err) == nil || slices.Contains(named(e.Err), q.Partition)) {
				q.stop(e.Err)
			}
		}
	case checkpoint.ClassOf(e.Err) == nil:
		p.do(Fatal{Err: e.Err})
	default:
		t.wait(e.Err)
	}
	for _, q := range t.parts {
		if q.phase == claiming {
			q.phase = unclaimed
		}
	}
	if t.mustThrow() {
		t.throwAwaySoon()
	}
}

func (t *task) committed(err error) {
	p := t.planner
	switch {
	case err == nil:
		t.moved()
	case errors.Is(err, ErrRowsRejected):
		// No larger than this one: what came behind it may hold the same row, and would be refused again and again.
		t.maxRecords = max(1, min(t.maxRecords, t.flight.records))
		t.throwAway(setBack)
	case errors.Is(err, checkpoint.ErrStale):
		t.throwAway(setBack)
	case errors.Is(err, checkpoint.ErrCheckpointLost):
		p.do(Fatal{Err: err})
	case errors.Is(err, checkpoint.ErrFenced):
		t.fenced(err)
	case errors.Is(err, checkpoint.ErrUnknown):
		t.ask = true
		if t.mustThrow() {
			t.throwAway(claimAgain)
		}
	case errors.Is(err, checkpoint.ErrRefused):
		for _, m := range t.flight.moves {
			if named(err) == nil || slices.Contains(named(err), m.Partition) {
				p.parts[m.Partition].stop(err)
			}
		}
		t.throwAway(setBack)
	case errors.Is(err, checkpoint.ErrTooLarge) && t.flight.records > 1:
		t.maxRecords = max(1, min(t.maxRecords, t.flight.records)/2)
		t.throwAway(setBack)
	case checkpoint.ClassOf(err) == nil:
		p.do(Fatal{Err: err})
	case t.mustThrow():
		t.throwAway(setBack)
	default:
		t.wait(err)
	}
}

// moved: the flight is in MySQL.
func (t *task) moved() {
	p, b := t.planner, t.flight
	t.flight, t.ask, t.attempt = nil, false, 0
	p.counted = p.counted || b.counted > 0
	t.maxRecords = min(p.limits.MaxRecords, 2*t.maxRecords)
	for _, m := range b.moves {
		q := p.parts[m.Partition]
		q.at.Next, q.at.LeaderEpoch, q.at.Audit = m.Next, m.LeaderEpoch, q.at.Audit.Plus(m.Audit)
		q.compared = t.began
	}
	p.do(Advanced{Task: t.n, Advances: b.moves, Records: b.records})
	for _, m := range b.moves {
		p.do(PositionRequest{Position{Partition: m.Partition, Action: Mirror, Next: m.Next}})
	}
	if t.mustThrow() {
		t.throwAway(setBack)
	}
	t.regulate()
}

func (t *task) resolved(e ResolveResult) {
	switch {
	case e.Err != nil && errors.Is(e.Err, checkpoint.ErrCheckpointLost):
		t.planner.do(Fatal{Err: e.Err})
	case e.Err != nil && checkpoint.ClassOf(e.Err) == nil:
		t.planner.do(Fatal{Err: e.Err})
	case e.Err == nil && e.Outcome != Superseded && t.checking:
		for _, q := range t.in(owned) {
			q.compared = t.began
		}
		if t.mustThrow() {
			t.throwAway(setBack)
		} else if t.flight == nil {
			t.attempt = 0
		}
	case e.Err == nil && e.Outcome == Committed:
		t.moved()
	case t.mustThrow():
		t.throwAway(claimAgain)
	case e.Err != nil:
		t.check = t.checking && !t.planner.drain
		t.wait(e.Err)
	case e.Outcome == NotCommitted:
		t.ask = false
	default:
		t.fenced(fmt.Errorf("a checkpoint in MySQL differs from the one that this process wrote last: %w", checkpoint.ErrFenced))
	}
}

func (t *task) confirmed(e ConfirmResult) {
	if e.Err != nil {
		t.wait(e.Err)
		return
	}
	for _, q := range t.in(doubtful) {
		q.phase = orphan
		if slices.Contains(e.Partitions, q.Partition) {
			q.phase = unclaimed
		}
	}
}
