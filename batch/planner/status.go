package planner

import "github.com/sluice-etl/sluice/checkpoint"

// Status is a copy of a planner's state. It does not change with the planner.
type Status struct {
	Draining bool
	Tasks    []TaskStatus // by number
}

// TaskStatus is the state of one task.
type TaskStatus struct {
	State          string            // idle, claiming, committing, resolving, checking, confirming or backing off
	Partitions     []PartitionStatus // in the order in which they were assigned
	Open           int64             // records in the open batch
	Closed         int64             // records in the batch that is to be committed, -1 if there is none
	OutcomeUnknown bool              // whether the reply to a COMMIT of that batch was lost
	Folding        bool              // whether a piece is with the worker
	Queued         int64             // bytes that are fetched and not folded
	MaxRecords     int64             // records that a batch may have at present
}

// PartitionStatus is the state of one partition that the group assigned to this process.
type PartitionStatus struct {
	State   string // unclaimed, claiming, owned, unconfirmed, lost or stopped
	Leaving bool   // whether it was revoked and is not released yet
	// Checkpoint is as this process read or wrote it last. Before the first claim only its Partition is set.
	Checkpoint checkpoint.Checkpoint
	Fetched    int64 // the offset up to which records were fetched
}

// Status copies the planner's state.
func (p *Planner) Status() Status {
	s := Status{Draining: p.drain}
	for _, t := range p.tasks {
		s.Tasks = append(s.Tasks, t.status())
	}
	return s
}

// HasPartitions reports whether a task, by its number, has any partitions, leaving ones included.
func (p *Planner) HasPartitions(task int) bool { return len(p.tasks[task].partitions) > 0 }

func (t *task) status() TaskStatus {
	s := TaskStatus{
		State: taskStates[t.op.state], Open: t.open.records, Closed: -1, OutcomeUnknown: t.outcomeUnknown(),
		Folding: t.queue.folding, Queued: t.queue.bytes, MaxRecords: t.maxRecords,
	}
	if t.closed != nil {
		s.Closed = t.closed.records
	}
	for _, q := range t.partitions {
		at := q.at
		at.Partition = q.Partition
		s.Partitions = append(s.Partitions, PartitionStatus{
			State: q.state.name(), Leaving: q.membership != member, Checkpoint: at, Fetched: q.fetched,
		})
	}
	return s
}
