package mysqlout

import (
	"testing"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/checkpoint"
)

// "Committed" needs this batch's id at this batch's end under my epoch and owner, in every partition; "not committed" its
// beginning, in every partition. Anything else, and any mixture, is neither.
func TestP12_EveryPartitionMustAnswerAlike(t *testing.T) {
	t.Parallel()
	s := New(testConfig(), openPool(t, quick("etl@tcp(127.0.0.1:1)/etl")), nil, nil)
	id, mine := checkpoint.BatchID{1}, checkpoint.Owner{2}
	at := func(partition int32, next int64, id checkpoint.BatchID) stored {
		return stored{Checkpoint: checkpoint.Checkpoint{
			Range: checkpoint.Range{Partition: checkpoint.Partition{Topic: "logs", ID: partition}, Next: next},
			Epoch: 4, Owner: mine, Batch: id,
		}}
	}
	of := func(c stored, change func(*stored)) stored { change(&c); return c }
	before := checkpoint.BatchID{9}
	moves := []batch.Advance{
		{Range: checkpoint.Range{Partition: checkpoint.Partition{Topic: "logs", ID: 3}, First: 10, Next: 20}, Epoch: 4, Owner: mine},
		{Range: checkpoint.Range{Partition: checkpoint.Partition{Topic: "logs", ID: 5}, First: 30, Next: 40}, Epoch: 4, Owner: mine},
	}
	for _, c := range []struct {
		name string
		rows []stored
		want batch.Outcome
	}{
		{"both at their ends", []stored{at(3, 20, id), at(5, 40, id)}, batch.Committed},
		{"both at their beginnings", []stored{at(3, 10, before), at(5, 30, before)}, batch.NotCommitted},
		{"beside another partition", []stored{at(3, 20, id), at(4, 7, before), at(5, 40, id)}, batch.Committed},
		{"one each", []stored{at(3, 20, id), at(5, 30, before)}, batch.Superseded},
		{"one each, the other way round", []stored{at(3, 10, before), at(5, 40, id)}, batch.Superseded},
		{"another batch came to the same end", []stored{at(3, 20, id), at(5, 40, before)}, batch.Superseded},
		{"this batch, at another end", []stored{at(3, 20, id), at(5, 41, id)}, batch.Superseded},
		{"at an older state", []stored{at(3, 20, id), at(5, 29, before)}, batch.Superseded},
		{"one is gone", []stored{at(3, 20, id)}, batch.Superseded},
		{"both are gone", nil, batch.Superseded},
		{"another epoch", []stored{at(3, 20, id), of(at(5, 40, id), func(c *stored) { c.Epoch++ })}, batch.Superseded},
		{"another owner", []stored{at(3, 20, id), of(at(5, 40, id), func(c *stored) { c.Owner = checkpoint.Owner{7} })}, batch.Superseded},
		{"another owner, not committed", []stored{at(3, 10, before), of(at(5, 30, before), func(c *stored) { c.Owner = checkpoint.Owner{7} })}, batch.Superseded},
	} {
		if got := s.answer(id, moves, c.rows); got != c.want {
			t.Errorf("%s: the answer is %d, want %d", c.name, got, c.want)
		}
	}
}
