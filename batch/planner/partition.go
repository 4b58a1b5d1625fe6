package planner

import (
	"time"

	"github.com/sluice-etl/sluice/checkpoint"
)

// partitionState is where a partition is between its assignment and its release. Each state holds what exists in that
// state alone.
//
//	unclaimed ──▶ inClaim ──▶ owned ──▶ unconfirmed ──▶ lost
//	    ▲            │          │            │            │
//	    ├◀───────────┘          ▼            │            │    inClaim: the claim failed
//	    ├◀──── Recheck ───── stopped         │            │
//	    └◀───────────────────────────────────┴────────────┘    confirmed; assigned again
//
// A partition may be released in every state, and stop in the states inClaim and owned. A partition of a batch that is
// being committed may have stopped meanwhile; its state does not change when the batch is committed.
type partitionState interface {
	name() string // for Status
}

type (
	// unclaimed: the group assigned the partition to this process; it is to be claimed.
	unclaimed struct{}
	// inClaim: the task's claim that is under way includes the partition.
	inClaim struct{}
	// owned: claimed by this process. Its records are fetched, folded and committed.
	owned struct {
		// compared is a time at or before the last comparison of the checkpoint with MySQL: by a claim, a fence or a check.
		compared time.Duration
		// fetch is nil while the source does not fetch the partition, because it is leaving or the planner drains.
		fetch *fetchPosition
	}
	// unconfirmed: a fence did not match; the group is asked whether the partition is still assigned to this process.
	unconfirmed struct{}
	// lost: the group has denied that it is assigned to this process. Its Revoked will follow.
	lost struct{}
	// stopped: the cause needs an operator.
	stopped struct {
		retryAt time.Duration // when it is claimed again, to see whether the cause was removed
	}
)

// fetchPosition is how the source fetches an owned partition.
type fetchPosition struct {
	fetchID uint64
	paused  bool
}

func (unclaimed) name() string   { return "unclaimed" }
func (inClaim) name() string     { return "claiming" }
func (*owned) name() string      { return "owned" }
func (unconfirmed) name() string { return "unconfirmed" }
func (lost) name() string        { return "lost" }
func (stopped) name() string     { return "stopped" }

// membership is a partition's state in the consumer group since it was assigned.
type membership uint8

const (
	// member: assigned.
	member membership = iota
	// leaving: revoked. It is released when its task can discard.
	leaving
	// returning: revoked, and assigned again before it was released. It is released first, because another process may
	// have owned it in between, and then starts as unclaimed (P8).
	returning
)

// partition is one partition that the group assigned to this process. It stays in its task until it is released.
type partition struct {
	checkpoint.Partition
	task       *task
	state      partitionState
	membership membership
	at         checkpoint.Checkpoint // as MySQL has it, from the last claim and the commits since
	fetched    int64                 // the offset up to which it was fetched: where the next piece begins
}

// in reports whether a partition is in state S and not leaving.
func in[S partitionState](q *partition) bool {
	_, ok := q.state.(S)
	return ok && q.membership == member
}

// owned returns the state of an owned partition, leaving or not; else nil.
func (q *partition) owned() *owned {
	o, _ := q.state.(*owned)
	return o
}

// fetch returns how the source fetches the partition, nil if it does not.
func (q *partition) fetch() *fetchPosition {
	if o := q.owned(); o != nil {
		return o.fetch
	}
	return nil
}

// startFetch has an owned partition fetched from its checkpoint, under a new fetch ID.
func (q *partition) startFetch() {
	p, o := q.task.planner, q.owned()
	resume := o.fetch != nil && o.fetch.paused
	p.fetchID++
	o.fetch = &fetchPosition{fetchID: p.fetchID}
	q.fetched = q.at.Next
	p.emit(PositionRequest{Position{
		Partition: q.Partition, Action: Fetch, FetchID: p.fetchID,
		Next: q.at.Next, LeaderEpoch: q.at.LeaderEpoch, TopicID: q.at.TopicID,
	}})
	if resume {
		p.emit(PositionRequest{Position{Partition: q.Partition, Action: Resume}})
	}
}

// endFetch removes the partition from the fetching client, if it is there.
func (q *partition) endFetch() {
	if q.fetch() != nil {
		q.owned().fetch = nil
		q.task.planner.emit(PositionRequest{Position{Partition: q.Partition, Action: Remove}})
	}
}

// stop stops the partition. It is claimed again when Recheck has passed.
func (q *partition) stop(err error) {
	p := q.task.planner
	q.endFetch()
	q.state = stopped{retryAt: p.now + p.limits.Recheck}
	p.emit(Stopped{Partition: q.Partition, Err: err})
}
