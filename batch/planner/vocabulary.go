package planner

import (
	"errors"

	"github.com/sluice-etl/sluice/checkpoint"
)

// Advance is the range of one partition that a task batch moves the checkpoint over, and the claim under which it does.
type Advance struct {
	checkpoint.Range                  // from First, which the fence compares, to Next
	LeaderEpoch      int32            // of the last offset counted; -1 if unknown
	Epoch            checkpoint.Epoch // of the claim under which this process owns the partition
	Owner            checkpoint.Owner // of that claim
	Audit            checkpoint.Audit // the fates of the range's offsets; its Total is the range's length
}

// Outcome is whether a COMMIT was applied.
type Outcome uint8

// The outcomes.
const (
	// Superseded: the checkpoints have neither the state before the COMMIT nor the one after it, because another owner
	// claimed them or the database is in an older state. Discard, and claim again.
	Superseded Outcome = iota
	Committed
	NotCommitted
)

// ErrRowsRejected is wrapped by the error of a commit that MySQL rejected because of values of its rows. Nothing was
// written. The same records are folded again, and the fold turns the records at fault into dead letters (P18). The
// driver passes it the rejected rows.
var ErrRowsRejected = errors.New("rows rejected")

// Action is what a Position requests.
type Action uint8

// The actions.
const (
	// Fetch from Next, under a new FetchID. Everything that was fetched before is dropped. For a partition that is not
	// being fetched yet, the source first asks Kafka for the end of LeaderEpoch and stops the partition if the log was
	// truncated (P27).
	Fetch Action = iota
	// Pause fetching, without losing the position.
	Pause
	// Resume after Pause.
	Resume
	// Remove the partition from the fetching client.
	Remove
	// Mirror the committed offset Next to the group, for tools that show lag; it is never read back.
	Mirror
)

// Position tells a source what to do with one partition.
type Position struct {
	checkpoint.Partition
	Action      Action
	FetchID     uint64             // for Fetch: echoed by what is fetched; grows with each Fetch
	Next        int64              // for Fetch and Mirror
	LeaderEpoch int32              // for Fetch: of the record before Next, -1 if unknown
	TopicID     checkpoint.TopicID // for Fetch: the topic's expected ID
}
