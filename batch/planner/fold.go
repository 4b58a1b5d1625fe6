package planner

import "fmt"

// A task's share of memory is divided so: a quarter for what is fetched and waits, and three eighths each for the
// groups of the open batch and of the one being committed. Fetching pauses above the quarter and resumes below half
// of it.

// fold gives the next piece to the driver, if the task may fold now.
func (t *task) fold() {
	if t.folding || len(t.queue) == 0 || t.planner.drain || t.claimsWait() || t.mustThrow() {
		return
	}
	if t.full() {
		if !t.due {
			t.due = true
			if t.op == 0 {
				t.operate()
			}
			t.fold()
		}
		return
	}
	t.folding = true
	t.planner.do(FoldRequest{Task: t.n, Gen: t.gen, Token: t.queue[0].Token, MaxRecords: t.maxRecords - t.open.records})
}

// full says that the open batch ends before its tick.
func (t *task) full() bool {
	b, l := t.open, t.planner.limits
	return !b.empty() && (b.records >= t.maxRecords || b.bytes >= l.MaxBytes || b.size >= l.Memory*3/8)
}

// folded takes note of what a fold made of a piece, after checking that it accounts for every offset.
func (t *task) folded(e FoldResult) {
	if e.Gen != t.gen || !t.folding {
		return
	}
	t.folding = false
	c := &t.queue[0]
	q := c.part
	if e.Next-c.First != e.Records+e.Gaps || e.Audit.Total() != e.Records || e.Done != (e.Next == c.Next) {
		q.stop(fmt.Errorf("BUG: %s up to %d holds %d records and %d gaps, but the fold accounts for %d records; "+
			"none of them is counted", c.Range, e.Next, e.Records, e.Gaps, e.Audit.Total()))
		t.throwAwaySoon()
		t.advance()
		return
	}
	e.Audit.Gaps = e.Gaps
	b := t.open
	at := -1
	for i := range b.moves {
		if b.moves[i].Partition == q.Partition {
			at = i
		}
	}
	if at < 0 && e.Next > c.First {
		m := Advance{Range: c.Range, LeaderEpoch: q.at.LeaderEpoch, Epoch: q.at.Epoch, Owner: q.at.Owner}
		if f := t.flight; f != nil {
			for i := range f.moves {
				if f.moves[i].Partition == q.Partition {
					m.LeaderEpoch = f.moves[i].LeaderEpoch
				}
			}
		}
		b.moves = append(b.moves, m)
		at = len(b.moves) - 1
	}
	if at >= 0 {
		m := &b.moves[at]
		m.Next = e.Next
		m.Audit = m.Audit.Plus(e.Audit)
		m.LeaderEpoch = max(m.LeaderEpoch, c.LeaderEpoch)
	}
	b.records += e.Records
	b.dead += e.Audit.Dead
	b.counted += e.Audit.Counted
	b.judged += e.Records - e.Audit.Filtered
	b.size = e.Size
	if b.reason == "" {
		b.reason = e.Reason
	}
	c.First = e.Next
	if e.Done {
		b.bytes += c.Bytes
		t.queued -= c.Bytes
		t.queue = t.queue[1:]
	}
	if t.planner.drain {
		t.dropQueue()
		t.due = !b.empty()
	}
	t.regulate()
	t.advance()
}

// regulate pauses fetching while too much waits to be folded, and resumes it.
func (t *task) regulate() {
	share := t.planner.limits.Memory / 4
	action := Pause
	switch {
	case t.queued > share:
	case t.queued <= share/2:
		action = Resume
	default:
		return
	}
	for _, q := range t.parts {
		if q.phase == owned && q.session != 0 && q.paused != (action == Pause) {
			q.paused = action == Pause
			t.planner.do(PositionRequest{Position{Partition: q.Partition, Action: action}})
		}
	}
}
