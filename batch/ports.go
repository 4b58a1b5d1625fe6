package batch

import (
	"context"

	"github.com/sluice-etl/sluice/batch/planner"
	"github.com/sluice-etl/sluice/checkpoint"
)

// Topic is what a Source knows about the topic when it assigns partitions of it.
type Topic struct {
	Name string
	ID   checkpoint.TopicID
	// Starts is the offset that --start means, for every partition of the topic, by partition number. It is used by the
	// job's first claim, for all partitions at once (P5).
	Starts []int64
	// Firsts is the first offset in the log of each partition. A partition that was added later begins there.
	Firsts []int64
}

// Source provides membership of the job's consumer group, and the records of the partitions that the engine positions.
// It gets the [RebalanceListener] in Run, so that neither is needed to create the other.
type Source interface {
	// Run joins the group and fetches until ctx ends; then it leaves the group and returns. It calls the listener from
	// its own goroutines, but never two calls of Fetched at once.
	Run(ctx context.Context, listener RebalanceListener) error
	// Confirm returns which of the partitions the group still assigns to this process. It sends a heartbeat of its own to
	// find out (P14); during a rebalance it waits and sends another. It may block until ctx ends; it is safe for
	// concurrent use.
	Confirm(ctx context.Context, partitions []checkpoint.Partition) ([]checkpoint.Partition, error)
	// Position positions partitions. It does not block; a failure comes later as Fetched.Err. It is safe for concurrent
	// use, and keeps the order of calls.
	Position(positions []Position)
}

// Position tells a Source what to do with one partition.
type Position = planner.Position

// Action is what a Position requests.
type Action = planner.Action

// The actions.
const (
	Fetch  = planner.Fetch
	Pause  = planner.Pause
	Resume = planner.Resume
	Remove = planner.Remove
	Mirror = planner.Mirror
)

// RebalanceListener is notified by a Source of its assignment and of what was fetched. The Engine is one.
type RebalanceListener interface {
	// Assigned: the group assigned these partitions to this process. It does not wait for MySQL.
	Assigned(topic Topic, partitions []int32)
	// Revoked: the group revokes these partitions. It blocks until no new commit for them can start, or ctx ends.
	// Returning early is safe, because the fence rejects late commits. With lost, another member may own them already,
	// and it does not block.
	Revoked(ctx context.Context, partitions []checkpoint.Partition, lost bool)
	// Fetched passes records, whose ownership goes to the listener until it calls Release. It does not wait for folding;
	// the engine bounds what is under way by pausing partitions.
	Fetched(Fetched)
}

// Fold turns records into a D, the rows that a batch adds. A Fold belongs to one task; it is not called concurrently.
type Fold[D any] interface {
	// Add folds records of one partition, each whole or not at all, and adds their fates to tally. It returns about how
	// many bytes of memory the folded rows occupy now. It must not retain the records.
	Add(p checkpoint.Partition, records []Record, tally *Tally) (size int64)
	// Take returns what was folded since the last Take, and starts a new delta.
	Take() D
	// Restore forgets everything that was folded and is not committed. The task's partitions are at these
	// checkpoints. Records of rejected rows become dead letters when they are folded again. After an error it is called
	// again. It may block until ctx ends.
	Restore(ctx context.Context, checkpoints []checkpoint.Checkpoint, rejected []RejectedRow) error
}

// TaskBatch is a task's share of a batch, committed in one transaction. It is immutable.
type TaskBatch[D any] struct {
	ID       checkpoint.BatchID
	Advances []Advance // in order of partition; only partitions whose offset moves
	Delta    D
	Dead     []DeadLetter
}

// Advance is the range of one partition that a task batch moves the checkpoint over, and the claim under which it does.
type Advance = planner.Advance

// Outcome is whether a COMMIT was applied.
type Outcome = planner.Outcome

// The outcomes.
const (
	Superseded   = planner.Superseded
	Committed    = planner.Committed
	NotCommitted = planner.NotCommitted
)

// Sink writes rows and checkpoints in one transaction. All methods are safe for concurrent use by tasks with disjoint
// partitions; each may block until ctx ends. Errors have a class of package checkpoint; an error without one ends the
// process.
type Sink[D any] interface {
	// Claim takes ownership of the partitions in one transaction, and returns their checkpoints in order of
	// partition (P5 to P7). If topic and job are new, it inserts a checkpoint for every partition of the topic. With an
	// error nothing was changed; ErrRefused names the partitions that must stop.
	Claim(ctx context.Context, topic Topic, partitions []int32) ([]checkpoint.Checkpoint, error)
	// Commit writes a task batch (P9 to P11). Besides the classes of package checkpoint it may return a *RejectedRows.
	// With an error nothing was written, except with ErrUnknown.
	Commit(ctx context.Context, batch *TaskBatch[D]) error
	// Resolve returns the outcome of a Commit that returned ErrUnknown, by a locking read (P12). If the advances are empty
	// ranges, it compares the checkpoints instead: every outcome but Superseded means that they are where the ranges are.
	// id is then that of the last batch, or zero. ErrRetry means that there is no outcome yet.
	Resolve(ctx context.Context, id checkpoint.BatchID, advances []Advance) (Outcome, error)
}

// RejectedRows is the error of a Commit that MySQL rejected because of these rows' own values (P18). Nothing was
// written.
type RejectedRows struct {
	Rows []RejectedRow
}

// Error gives the first row's reason.
func (e *RejectedRows) Error() string {
	if len(e.Rows) == 0 {
		return "BUG: no row was rejected"
	}
	return "row rejected by " + e.Rows[0].Table + ": " + e.Rows[0].Reason
}

// Unwrap returns planner.ErrRowsRejected, by which the planner recognizes the error.
func (e *RejectedRows) Unwrap() error { return planner.ErrRowsRejected }
