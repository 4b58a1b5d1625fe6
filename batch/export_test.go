package batch

// Shares returns the bytes of memory that each task may hold, and those at which each worker ends a fold.
func (e *Engine[D]) Shares() (tasks, workers []int64) {
	for range e.workers {
		tasks = append(tasks, e.planner.Limits().Memory)
	}
	for _, w := range e.workers {
		workers = append(workers, w.memory)
	}
	return tasks, workers
}
