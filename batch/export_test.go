package batch

import "fmt"

// Dump writes a planner's state, for the report of a failed test.
func (p *Planner) Dump() (s string) {
	for _, t := range p.tasks {
		s += fmt.Sprintf("\n  task %d: op %d doing %d folding %v due %v ask %v spoiled %v open %+v flight %+v queue %d max %d",
			t.n, t.op, t.doing, t.folding, t.due, t.ask, t.spoiled, t.open, t.flight, len(t.queue), t.maxRecords)
		for _, q := range t.parts {
			s += fmt.Sprintf("\n    %s %s next %d fetched %d session %d leaving %v", q.Partition, phases[q.phase], q.at.Next, q.fetched, q.session, q.leaving)
		}
	}
	return s
}

// Shares is the bytes of memory that each task may hold, and those at which each worker ends a fold.
func (e *Engine[D]) Shares() (tasks, workers []int64) {
	for range e.planner.tasks {
		tasks = append(tasks, e.planner.limits.Memory)
	}
	for _, w := range e.workers {
		workers = append(workers, w.memory)
	}
	return tasks, workers
}
