package planner

import "github.com/sluice-etl/sluice/checkpoint"

// Input is an event that the planner handles. The driver passes inputs to [Planner.Step] one at a time, in the order in
// which they happened.
//
// An input whose name ends in Result reports the result of the [Output] of the same name that ends in Request. A
// request with an Op gets exactly one result, with the same Op, at any later time. The planner ignores a result whose
// request it has cancelled.
type Input interface{ input() }

// The inputs.
type (
	// Assigned: the consumer group assigned these partitions to this process. A partition that the planner already has
	// is ignored, unless the group has revoked it or denied its ownership since.
	Assigned struct{ Partitions []checkpoint.Partition }

	// Revoked: the consumer group revokes these partitions, or this process has lost them. The planner outputs a
	// [Released] for each, as soon as no new commit for it can start.
	Revoked struct{ Partitions []checkpoint.Partition }

	// Fetched: one poll's result for one partition, called a piece. With Err the source has stopped the partition at
	// Range.First, and there is no piece.
	Fetched struct {
		// Range is half-open. Its First is the Next of the piece before, or of the [PositionRequest] with this FetchID.
		checkpoint.Range
		// FetchID is that of the PositionRequest under which the piece was fetched. Pieces of older fetch IDs are dropped.
		FetchID uint64
		// Token identifies the piece for the driver. It must be unique; 0 with Err.
		Token uint64
		// LeaderEpoch is Kafka's, of the last offset in Range; -1 if unknown.
		LeaderEpoch int32
		// Bytes is about the memory that the piece occupies.
		Bytes int64
		Err   error
	}

	// FoldResult: a worker has folded a piece up to Next: to its end, to the request's MaxRecords, or as far as the
	// worker's share of memory allowed.
	FoldResult struct {
		Task    int
		Gen     uint64 // of the request
		Token   uint64 // of the request
		Next    int64  // the offset after the last one folded
		Done    bool   // the piece has no more offsets
		Records int64  // records in what was folded
		Gaps    int64  // offsets in what was folded that were seen to hold no record
		// Audit is the fates of the records; its Gaps and Skipped are 0. Its total must be Records.
		Audit  checkpoint.Audit
		Size   int64  // bytes that the rows of the open batch occupy now
		Reason string // of the open batch's first dead letter, empty if it has none
	}

	// ClaimResult is the result of a [ClaimRequest]: the checkpoints as claimed, or the error. With an error nothing was
	// claimed.
	ClaimResult struct {
		Task        int
		Op          uint64
		Checkpoints []checkpoint.Checkpoint
		Err         error
	}

	// CommitResult is the result of a [CommitRequest]. Err is nil if the transaction was committed, wraps
	// checkpoint.ErrUnknown if that is not known, and otherwise guarantees that it was not.
	CommitResult struct {
		Task int
		Op   uint64
		Err  error
	}

	// ResolveResult is the result of a [ResolveRequest]. With Err there is no outcome yet.
	ResolveResult struct {
		Task    int
		Op      uint64
		Outcome Outcome
		Err     error
	}

	// ConfirmResult is the result of a [ConfirmRequest]: those of its partitions that the group still assigns to this
	// process.
	ConfirmResult struct {
		Task       int
		Op         uint64
		Partitions []checkpoint.Partition
		Err        error
	}

	// WaitResult is the result of a [WaitRequest]: the pause is over.
	WaitResult struct {
		Task int
		Op   uint64
	}

	// Tick: a batch interval has ended.
	Tick struct{}

	// Drain: the process is stopping. The planner commits what is folded, and starts nothing new. The planner outputs
	// [Drained] when no batch is left. It cannot be undone.
	Drain struct{}
)

func (Assigned) input()      {}
func (Revoked) input()       {}
func (Fetched) input()       {}
func (FoldResult) input()    {}
func (ClaimResult) input()   {}
func (CommitResult) input()  {}
func (ResolveResult) input() {}
func (ConfirmResult) input() {}
func (WaitResult) input()    {}
func (Tick) input()          {}
func (Drain) input()         {}
