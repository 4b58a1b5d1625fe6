package planner

import "fmt"

// A task's share of memory is divided as follows: a quarter for what is fetched and queued, and three eighths each for
// the rows of the open batch and of the closed one. Fetching pauses above the quarter and resumes at half of it.

// queue is what is fetched and not folded, in order of arrival.
type queue struct {
	pieces  []piece
	bytes   int64 // of pieces
	folding bool  // the worker is folding the first piece
}

// piece is fetched records of one partition. Its First advances while it is folded.
type piece struct {
	Fetched
	partition *partition
}

// startFold requests the fold of the next piece, if the task may fold now. A full batch is committed at once if that is
// possible, which makes room for the next.
func (t *task) startFold() {
	if t.canFold() && t.full() && !t.open.due {
		t.open.due = true
		t.startNext()
	}
	if t.canFold() && !t.full() {
		t.queue.folding = true
		t.planner.emit(FoldRequest{Task: t.n, Gen: t.gen, Token: t.queue.pieces[0].Token, MaxRecords: t.maxRecords - t.open.records})
	}
}

// canFold reports whether there is something to fold that would not be discarded anyway.
func (t *task) canFold() bool {
	return !t.queue.folding && len(t.queue.pieces) > 0 && !t.planner.drain && !t.hasClaims() && !t.mustDiscard(t.op)
}

// full reports whether the open batch is so large that it ends before its tick.
func (t *task) full() bool {
	b, l := t.open, t.planner.limits
	return !b.empty() && (b.records >= t.maxRecords || b.bytes >= l.MaxBytes || b.size >= l.Memory*3/8)
}

// folded adds what was folded of a piece to the open batch, if it accounts for every offset.
func (t *task) folded(r FoldResult) {
	if r.Gen != t.gen || !t.queue.folding {
		return
	}
	t.queue.folding = false
	c := &t.queue.pieces[0]
	if err := c.mismatch(r); err != nil {
		c.partition.stop(err)
		t.discardSoon()
		t.startWork()
		return
	}
	t.open.add(c, r, t.firstAdvance(c))
	c.First = r.Next
	if r.Done {
		t.queue.bytes -= c.Bytes
		t.queue.pieces = t.queue.pieces[1:]
	}
	if t.planner.drain {
		t.dropQueue()
		t.open.due = !t.open.empty()
	}
	t.pauseOrResume()
	t.startWork()
}

// mismatch returns an error if the result does not account for every offset up to its Next. Otherwise records that were
// lost between fetch and fold would never be counted.
func (c *piece) mismatch(r FoldResult) error {
	if r.Next-c.First == r.Records+r.Gaps && r.Audit.Total() == r.Records && r.Done == (r.Next == c.Next) {
		return nil
	}
	return fmt.Errorf("BUG: %s up to %d holds %d records and %d gaps, but the fold accounts for %d records; "+
		"none of them is counted", c.Range, r.Next, r.Records, r.Gaps, r.Audit.Total())
}

// firstAdvance returns the initial advance of the open batch for the partition of a piece. Its leader epoch is that of
// the offset before the piece: of the closed batch, or of the checkpoint. Offsets without a leader epoch keep it (P27).
func (t *task) firstAdvance(c *piece) Advance {
	q := c.partition
	a := Advance{Range: c.Range, LeaderEpoch: q.at.LeaderEpoch, Epoch: q.at.Epoch, Owner: q.at.Owner}
	if before := t.closedTaskBatch().advanceOf(q.Partition); before != nil {
		a.LeaderEpoch = before.LeaderEpoch
	}
	return a
}

// dropQueue drops what is fetched, except a piece that is with the worker.
func (t *task) dropQueue() {
	keep := 0
	if t.queue.folding {
		keep = 1
	}
	for _, c := range t.queue.pieces[keep:] {
		t.planner.emit(DropRequest{Token: c.Token})
		t.queue.bytes -= c.Bytes
	}
	t.queue.pieces = t.queue.pieces[:keep]
}

// pauseOrResume pauses fetching if too much is queued, and resumes it once enough of that is folded.
func (t *task) pauseOrResume() {
	share := t.planner.limits.Memory / 4
	action := Pause
	switch {
	case t.queue.bytes > share:
	case t.queue.bytes <= share/2:
		action = Resume
	default:
		return
	}
	for _, q := range t.partitions {
		if f := q.fetch(); f != nil && f.paused != (action == Pause) {
			f.paused = action == Pause
			t.planner.emit(PositionRequest{Position{Partition: q.Partition, Action: action}})
		}
	}
}
