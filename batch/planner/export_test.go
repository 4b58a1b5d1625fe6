package planner

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
