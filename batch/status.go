package batch

import (
	"context"
	"time"

	"github.com/sluice-etl/sluice/checkpoint"
)

// Status is what the engine is doing, for the status page. Its slices belong to the caller.
type Status struct {
	Partitions []PartitionStatus
	Recent     []Stat // the newest first
}

// PartitionStatus is one partition that the group assigned to this process.
type PartitionStatus struct {
	Topic     string
	Partition int32
	Task      int
	State     string // unclaimed, claiming, owned, unconfirmed, lost or stopped
	Next      int64  // the offset to read next, as MySQL has it
	Fetched   int64  // the offset up to which records were fetched
	Epoch     checkpoint.Epoch
	Audit     checkpoint.Audit
}

// Stat is one committed task batch.
type Stat struct {
	Task    int
	At      time.Time
	Records int64
	Rows    int
	Seconds float64 // from the start of its commit, retries excluded, to its result
	Audit   checkpoint.Audit
}

// recent keeps the newest 20 batches.
type recent struct {
	stats [20]Stat
	n     int
}

func (r *recent) add(s Stat) {
	r.stats[r.n%len(r.stats)] = s
	r.n++
}

func (r *recent) newest() []Stat {
	out := []Stat{}
	for i := r.n - 1; i >= 0 && i >= r.n-len(r.stats); i-- {
		out = append(out, r.stats[i%len(r.stats)])
	}
	return out
}

// Status returns what the engine is doing. It waits for the loop, and returns the zero Status when ctx or Run ends
// first. It is safe for concurrent use.
func (e *Engine[D]) Status(ctx context.Context) Status {
	reply := make(chan Status, 1)
	e.inbox.Put(statusQuery[D]{reply})
	select {
	case s := <-reply:
		return s
	case <-ctx.Done():
	case <-e.ended:
	}
	return Status{}
}

func (e *Engine[D]) status() Status {
	s := Status{Partitions: []PartitionStatus{}, Recent: e.recent.newest()}
	for task, t := range e.planner.Status().Tasks {
		for _, p := range t.Partitions {
			at := p.Checkpoint
			s.Partitions = append(s.Partitions, PartitionStatus{
				Topic: at.Topic, Partition: at.ID, Task: task, State: p.State,
				Next: at.Next, Fetched: p.Fetched, Epoch: at.Epoch, Audit: at.Audit,
			})
		}
	}
	return s
}
