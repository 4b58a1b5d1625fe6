package batch

import (
	"context"

	"github.com/sluice-etl/sluice/batch/planner"
	"github.com/sluice-etl/sluice/checkpoint"
)

// Topic is what a Source knows of the topic when it assigns partitions of it.
type Topic struct {
	Name string
	ID   checkpoint.TopicID
	// Starts is the offset that --start means, for every partition that the topic has, by partition number. It is used
	// by the job's first claim, for all partitions at once (P5).
	Starts []int64
	// Firsts is the first offset that the log of each partition holds: where a partition begins that appeared later.
	Firsts []int64
}

// Source gives membership of the job's group and the records of the partitions that the engine positions. The source
// calls the engine ([RebalanceListener]) and not the other way round, so that neither needs the other to be made.
type Source interface {
	// Run joins the group and fetches until ctx ends; then it leaves the group and returns. It calls owner from its
	// own goroutines, never two calls of Fetched at once.
	Run(ctx context.Context, listener RebalanceListener) error
	// Confirm asks the group, with a heartbeat of its own, which of the partitions are still ours (P14). It waits for
	// a rebalance under way and asks again. It may block until ctx ends; it is safe for concurrent use.
	Confirm(ctx context.Context, partitions []checkpoint.Partition) ([]checkpoint.Partition, error)
	// Position says what to do with partitions. It does not block; what goes wrong later comes as Fetched.Err. It is
	// safe for concurrent use and keeps the order of calls.
	Position(moves []Position)
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

// RebalanceListener is told by a Source what it owns and what was fetched. The Engine is one.
type RebalanceListener interface {
	// Assigned: the group gave us these partitions. It does not wait for MySQL.
	Assigned(topic Topic, partitions []int32)
	// Revoked: the group takes these partitions away. It returns when nothing of them will be sent to MySQL any more
	// that is not being committed already, or when ctx ends, which is as safe (U10). Lost partitions have another
	// owner already.
	Revoked(ctx context.Context, partitions []checkpoint.Partition, lost bool)
	// Fetched hands over records. It does not wait for folding; how much is under way is bounded by the engine's
	// pausing of partitions.
	Fetched(Fetched)
}

// Fold turns records into a D, the rows that a batch adds. A Fold belongs to one task; it is not called concurrently.
type Fold[D any] interface {
	// Add folds records of one partition, each whole or not at all, and adds their fates to tally. It returns about
	// how many bytes of memory the fold holds now. It keeps no view on records after it returns.
	Add(p checkpoint.Partition, records []Record, tally *Tally) (size int64)
	// Take hands over what was folded since the last Take, and begins anew.
	Take() D
	// Restore forgets all that was folded and not taken. The task's partitions stand at these checkpoints now; rows in
	// refused make their records dead when they come again.
	Restore(ctx context.Context, checkpoints []checkpoint.Checkpoint, refused []RejectedRow) error
}

// TaskBatch is a task's part of a batch, committed in one transaction.
type TaskBatch[D any] struct {
	ID       checkpoint.BatchID
	Advances []Advance // in order of partition; only partitions whose offset moves
	Delta    D
	Dead     []DeadLetter
}

// Advance is how far a task batch takes one partition, and as which owner.
type Advance = planner.Advance

// Outcome is whether a COMMIT was applied.
type Outcome = planner.Outcome

// The outcomes.
const (
	Superseded   = planner.Superseded
	Committed    = planner.Committed
	NotCommitted = planner.NotCommitted
)

// Sink keeps rows and checkpoints in one transaction. All methods are safe for concurrent use by tasks with disjoint
// partitions; each may block until ctx ends. Errors carry a class of package checkpoint.
type Sink[D any] interface {
	// Claim makes the partitions ours in one transaction and returns their checkpoints in order of partition (P5 to
	// P7). Where topic and job are new, it inserts a checkpoint for every partition of the topic. ErrRefused names
	// the partitions that stop; nothing was changed then.
	Claim(ctx context.Context, topic Topic, partitions []int32) ([]checkpoint.Checkpoint, error)
	// Commit writes a part (P9 to P11). Beside the classes of checkpoint it may return a *RejectedRows: nothing was
	// written, and these rows are why.
	Commit(ctx context.Context, part *TaskBatch[D]) error
	// Resolve answers for a part whose Commit returned ErrUnknown, with a locking read (P12). ErrRetry means that
	// there is no answer yet.
	Resolve(ctx context.Context, id checkpoint.BatchID, moves []Advance) (Outcome, error)
}

// RejectedRows is the error of a Commit that MySQL refused because of these rows' own values (P18).
type RejectedRows struct {
	Rows []RejectedRow
}

// Error names the first row's reason.
func (e *RejectedRows) Error() string {
	if len(e.Rows) == 0 {
		return "BUG: no row was rejected"
	}
	return "row rejected by " + e.Rows[0].Table + ": " + e.Rows[0].Reason
}

// Unwrap has the planner see what kind of error it is.
func (e *RejectedRows) Unwrap() error { return planner.ErrRowsRejected }
