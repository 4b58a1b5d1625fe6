package batch

import "github.com/sluice-etl/sluice/checkpoint"

// Event is what a Planner is told.
type Event interface{ event() }

// The events.
type (
	// AssignedEvent: the group gave us these partitions.
	AssignedEvent struct{ Partitions []checkpoint.Partition }
	// RevokedEvent: the group takes these partitions away.
	RevokedEvent struct{ Partitions []checkpoint.Partition }
	// FetchedEvent: a piece of a partition has come. Token names it to the driver. With Err the partition stopped at
	// Range.First, and there is no piece.
	FetchedEvent struct {
		checkpoint.Range
		Session     uint64
		Token       uint64
		LeaderEpoch int32
		Bytes       int64
		Err         error
	}
	// FoldedEvent: the piece was folded up to Next, or as far as the fold's memory went.
	FoldedEvent struct {
		Task    int
		Gen     uint64
		Token   uint64
		Next    int64            // the offset after the last one folded
		Done    bool             // nothing of the piece is left
		Records int64            // how many records lie in what was folded
		Gaps    int64            // how many offsets in it were seen to hold none
		Audit   checkpoint.Audit // what the fold made of the records; Gaps is 0 here
		Size    int64            // bytes that the open batch holds now
		Reason  string           // of the first dead letter, where there is one
	}
	// ClaimedEvent ends a DoClaim.
	ClaimedEvent struct {
		Task        int
		Op          uint64
		Checkpoints []checkpoint.Checkpoint
		Err         error
	}
	// CommittedEvent ends a DoCommit.
	CommittedEvent struct {
		Task int
		Op   uint64
		Err  error
	}
	// ResolvedEvent ends a DoResolve.
	ResolvedEvent struct {
		Task    int
		Op      uint64
		Outcome Outcome
		Err     error
	}
	// ConfirmedEvent ends a DoConfirm.
	ConfirmedEvent struct {
		Task       int
		Op         uint64
		Partitions []checkpoint.Partition
		Err        error
	}
	// WaitedEvent ends a DoWait.
	WaitedEvent struct {
		Task int
		Op   uint64
	}
	// TickEvent: an interval has ended.
	TickEvent struct{}
	// DrainEvent: commit what is folded, begin nothing new.
	DrainEvent struct{}
)

func (AssignedEvent) event()  {}
func (RevokedEvent) event()   {}
func (FetchedEvent) event()   {}
func (FoldedEvent) event()    {}
func (ClaimedEvent) event()   {}
func (CommittedEvent) event() {}
func (ResolvedEvent) event()  {}
func (ConfirmedEvent) event() {}
func (WaitedEvent) event()    {}
func (TickEvent) event()      {}
func (DrainEvent) event()     {}

// Effect is what a Planner asks its driver to do, in the order given.
type Effect interface{ effect() }

// The effects. Those with an Op are answered by the event that echoes it; a task has one Op under way at most.
type (
	// DoClaim: Sink.Claim.
	DoClaim struct {
		Task       int
		Op         uint64
		Partitions []checkpoint.Partition
	}
	// DoCommit: take the fold's rows and Sink.Commit them; Again means the same part once more.
	DoCommit struct {
		Task     int
		Op       uint64
		Again    bool
		Advances []Advance
	}
	// DoResolve: Sink.Resolve for the part that was committed last.
	DoResolve struct {
		Task     int
		Op       uint64
		Advances []Advance
	}
	// DoConfirm: Source.Confirm.
	DoConfirm struct {
		Task       int
		Op         uint64
		Partitions []checkpoint.Partition
	}
	// DoWait: a pause that grows with Attempt, with jitter; Cause says why.
	DoWait struct {
		Task    int
		Op      uint64
		Attempt int
		Cause   error
	}
	// DoFold: fold the piece from where it stands, MaxRecords at most.
	DoFold struct {
		Task       int
		Gen        uint64
		Token      uint64
		MaxRecords int64
	}
	// DoDrop: the piece is not needed any more.
	DoDrop struct{ Token uint64 }
	// DoRestore: Fold.Restore; what the task folded under an older Gen is gone, and so is its part.
	DoRestore struct {
		Task        int
		Gen         uint64
		Checkpoints []checkpoint.Checkpoint
	}
	// DoPosition: Source.Position.
	DoPosition struct{ Position }
	// Released: the partition is let go, nothing more of it will be sent to MySQL.
	Released struct{ Partition checkpoint.Partition }
	// Stopped: the partition stopped, and why. A person must act; the others go on.
	Stopped struct {
		Partition checkpoint.Partition
		Err       error
	}
	// Fenced: the task's batch was thrown away because a fence did not match. Times counts those of the last minute.
	Fenced struct {
		Task  int
		Times int
		Err   error
	}
	// Advanced: a part was committed.
	Advanced struct {
		Task     int
		Advances []Advance
		Records  int64
	}
	// Fatal: the process must stop.
	Fatal struct{ Err error }
	// Drained: after a DrainEvent, nothing is under way any more.
	Drained struct{}
)

func (DoClaim) effect()    {}
func (DoCommit) effect()   {}
func (DoResolve) effect()  {}
func (DoConfirm) effect()  {}
func (DoWait) effect()     {}
func (DoFold) effect()     {}
func (DoDrop) effect()     {}
func (DoRestore) effect()  {}
func (DoPosition) effect() {}
func (Released) effect()   {}
func (Stopped) effect()    {}
func (Fenced) effect()     {}
func (Advanced) effect()   {}
func (Fatal) effect()      {}
func (Drained) effect()    {}
