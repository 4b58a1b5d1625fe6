package planner

import "github.com/sluice-etl/sluice/checkpoint"

// Status is a copy of what a planner knows. It stays as it is when the planner goes on.
type Status struct {
	Tasks []TaskStatus // by number
}

// TaskStatus is one task.
type TaskStatus struct {
	Partitions []PartitionStatus // in the order in which the task got them
}

// PartitionStatus is one partition that the group assigned to this process.
type PartitionStatus struct {
	State      string                // unclaimed, claiming, owned, unconfirmed, lost or stopped
	Checkpoint checkpoint.Checkpoint // as last read or written by this process; only Partition is set before the first claim
	Fetched    int64                 // the offset up to which records were fetched
}

var phases = [...]string{"unclaimed", "claiming", "owned", "unconfirmed", "lost", "stopped"}

// Status copies the planner's state.
func (p *Planner) Status() Status {
	s := Status{Tasks: make([]TaskStatus, len(p.tasks))}
	for i, t := range p.tasks {
		for _, q := range t.parts {
			at := q.at
			at.Partition = q.Partition
			s.Tasks[i].Partitions = append(s.Tasks[i].Partitions, PartitionStatus{
				State: phases[q.phase], Checkpoint: at, Fetched: q.fetched,
			})
		}
	}
	return s
}
