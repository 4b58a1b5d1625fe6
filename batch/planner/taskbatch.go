package planner

import (
	"slices"

	"github.com/sluice-etl/sluice/checkpoint"
)

// taskBatch is a task's share of a batch: what one transaction commits.
type taskBatch struct {
	advances   []Advance // one for each partition of which it has offsets
	records    int64
	bytes      int64 // of the pieces that were folded to their end
	size       int64 // of the rows, as the worker reported last
	counted    int64 // records
	dead       int64 // records
	unfiltered int64 // records that were not filtered
	reason     string
	due        bool // to be committed as soon as possible; never set on an empty batch
}

// closedBatch is a task batch to which nothing is added any more. It exists until it is committed or discarded, which
// can take any number of commits, checks and pauses.
type closedBatch struct {
	*taskBatch
	// outcomeUnknown means that the reply to a COMMIT was lost: it must be resolved before anything else is done.
	outcomeUnknown bool
}

func (b *taskBatch) empty() bool { return len(b.advances) == 0 }

// advanceOf returns the batch's advance of a partition, nil if it has none. b may be nil.
func (b *taskBatch) advanceOf(p checkpoint.Partition) *Advance {
	if b == nil {
		return nil
	}
	i := slices.IndexFunc(b.advances, func(a Advance) bool { return a.Partition == p })
	if i < 0 {
		return nil
	}
	return &b.advances[i]
}

// closedTaskBatch returns the closed task batch, nil if there is none.
func (t *task) closedTaskBatch() *taskBatch {
	if t.closed == nil {
		return nil
	}
	return t.closed.taskBatch
}

// add adds what was folded of a piece. start is the partition's initial advance, if the batch has none of it yet.
func (b *taskBatch) add(c *piece, r FoldResult, start Advance) {
	a := b.advanceOf(c.Partition)
	if a == nil && r.Next > c.First {
		b.advances = append(b.advances, start)
		a = &b.advances[len(b.advances)-1]
	}
	if a != nil {
		a.Next = r.Next
		a.Audit = a.Audit.Plus(r.Audit)
		a.Audit.Gaps += r.Gaps
		a.LeaderEpoch = max(a.LeaderEpoch, c.LeaderEpoch)
	}
	b.records += r.Records
	b.counted += r.Audit.Counted
	b.dead += r.Audit.Dead
	b.unfiltered += r.Records - r.Audit.Filtered
	b.size = r.Size
	if b.reason == "" {
		b.reason = r.Reason
	}
	if r.Done {
		b.bytes += c.Bytes
	}
}

func sortAdvances(a []Advance) []Advance {
	slices.SortFunc(a, func(x, y Advance) int { return byPartition(x.Partition, y.Partition) })
	return a
}

func byPartition(x, y checkpoint.Partition) int {
	if x.Less(y) {
		return -1
	}
	return 1
}
