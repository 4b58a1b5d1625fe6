package planner

import "github.com/sluice-etl/sluice/checkpoint"

// Output is a request to the driver, or a notice.
//
// The driver performs the outputs of one [Planner.Step] in the order given, and all of them BEFORE it passes the next
// input. To perform a request with an Op means to start it; its result comes as an [Input] later. The other requests
// are performed at once, or queued so that they keep their order (see each). Requests of different tasks are
// independent.
//
// Each task has a worker that does the task's FoldRequests, RestoreRequests and the taking of rows for CommitRequests
// strictly in the order of output. Because of that order, the rows that a commit takes are those of the records
// that its Advances cover.
type Output interface{ output() }

// The requests. A task has at most one with an Op under way.
type (
	// ClaimRequest: claim the partitions in one transaction (Sink.Claim). The result is a [ClaimResult].
	//
	// The task has no batch then, neither open nor closed. The source must not be fetching these partitions BEFORE the
	// result; a [PositionRequest] for each comes AFTER it.
	ClaimRequest struct {
		Task       int
		Op         uint64
		Partitions []checkpoint.Partition // in order
	}

	// CommitRequest: commit a task batch (Sink.Commit). The result is a [CommitResult].
	//
	// With Again false, the task's worker takes the rows that it has folded: AFTER all earlier requests to it, and BEFORE
	// all later ones. They are the rows of a new task batch. The driver keeps the
	// task batch, with its ID, until [Advanced] or the task's next [RestoreRequest]. With Again true, the driver commits
	// the task batch that it kept: same ID, same rows, same Advances.
	//
	// Folding of the next batch continues while the commit is under way.
	CommitRequest struct {
		Task     int
		Op       uint64
		Again    bool
		Advances []Advance // in order of partition, each of at least one offset; read-only
	}

	// ResolveRequest: compare checkpoints with a locking read (Sink.Resolve). The result is a [ResolveResult].
	//
	// With Check false, the outcome of the last CommitRequest is unknown: resolve the ID of the task batch that was kept.
	// It must be read AFTER the transaction of that commit has ended, which the row lock ensures.
	//
	// With Check true, the Advances are empty ranges. The result says whether these partitions' checkpoints are as this
	// process wrote them last: every outcome but Superseded means that they are. The driver may hold a task batch
	// meanwhile, but no commit of it is under way.
	ResolveRequest struct {
		Task     int
		Op       uint64
		Check    bool
		Advances []Advance // in order of partition, at least one; read-only
	}

	// ConfirmRequest: ask the consumer group which of the partitions it still assigns to this process (Source.Confirm).
	// The result is a [ConfirmResult]. The task claims those again AFTER the result, and none BEFORE it: else two owners
	// would fence each other off without end (P14).
	ConfirmRequest struct {
		Task       int
		Op         uint64
		Partitions []checkpoint.Partition // in order
	}

	// WaitRequest: pause for a time that grows with Attempt, with jitter. The result is a [WaitResult]. Cause is the error
	// after which the operation is retried, for the log.
	WaitRequest struct {
		Task    int
		Op      uint64
		Attempt int // from 1
		Cause   error
	}

	// FoldRequest: fold the piece with the task's worker, from where the previous FoldResult ended, at most MaxRecords
	// records. The result is a [FoldResult]. The worker may end early if a later RestoreRequest has raised Gen; it must
	// return a result nevertheless. A task has at most one FoldRequest under way. The driver keeps the piece until a
	// FoldResult is Done or a [DropRequest] names it.
	FoldRequest struct {
		Task       int
		Gen        uint64
		Token      uint64
		MaxRecords int64 // at least 1
	}

	// DropRequest: the piece is not needed. Release its memory, but AFTER the worker has finished with it.
	DropRequest struct{ Token uint64 }

	// RestoreRequest: discard everything that the task has folded, including the task batch that the driver kept, and
	// restore the fold (Fold.Restore) to these checkpoints, those of the partitions that the task fetches from now on. It
	// comes AFTER the PositionRequests of the same step, so pieces of the new fetch IDs are folded AFTER it.
	//
	// Results of folds under an older Gen are ignored.
	RestoreRequest struct {
		Task        int
		Gen         uint64
		Checkpoints []checkpoint.Checkpoint
	}

	// PositionRequest: pass the Position to the source, BEFORE the next one. It does not block.
	PositionRequest struct{ Position }
)

// The notices. They have no result.
type (
	// Released: no new commit for the partition will start, so the group may assign it to another process. A COMMIT whose
	// outcome is unknown may still be applied; the next owner's claim waits for it. Released follows a [Revoked], not
	// always in the same step.
	Released struct{ Partition checkpoint.Partition }

	// Stopped: the partition is no longer read, because of Err. The planner claims it again after Limits.Recheck, to
	// see whether the cause was removed. The other partitions continue.
	Stopped struct {
		Partition checkpoint.Partition
		Err       error
	}

	// Fenced: a fence did not match, so the task's batch is discarded. Times counts the fences of the task in the last
	// minute, this one included. Requests follow in the same step.
	Fenced struct {
		Task  int
		Times int
		Err   error
	}

	// Advanced: the task batch that the driver keeps is in MySQL. The driver must forget it, and may report it.
	Advanced struct {
		Task     int
		Advances []Advance // read-only
		Records  int64
	}

	// Fatal: the process must stop, with Err. The driver performs no output after this one, and does not call Step again.
	Fatal struct{ Err error }

	// Drained: after [Drain], no batch is left and nothing is under way: the process may leave the group. It is output
	// once.
	Drained struct{}
)

func (ClaimRequest) output()    {}
func (CommitRequest) output()   {}
func (ResolveRequest) output()  {}
func (ConfirmRequest) output()  {}
func (WaitRequest) output()     {}
func (FoldRequest) output()     {}
func (DropRequest) output()     {}
func (RestoreRequest) output()  {}
func (PositionRequest) output() {}
func (Released) output()        {}
func (Stopped) output()         {}
func (Fenced) output()          {}
func (Advanced) output()        {}
func (Fatal) output()           {}
func (Drained) output()         {}
