package mysqlout

import (
	"testing"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqltest"
	"github.com/sluice-etl/sluice/mysqlout/ledger"
)

// "Committed" requires this batch's ID at this batch's end under this process's epoch and owner, in every partition.
// "Not committed" requires the batch's beginning, in every partition. Anything else, and any mixture, is neither.
func TestP12_AllPartitionsMustAgree(t *testing.T) {
	t.Parallel()
	s := New(testConfig(), sqltest.OpenPool(t, sqltest.Quick("etl@tcp(127.0.0.1:1)/etl")), nil, nil)
	id, mine := checkpoint.BatchID{1}, checkpoint.Owner{2}
	at := func(partition int32, next int64, id checkpoint.BatchID) ledger.Row {
		return ledger.Row{Checkpoint: checkpoint.Checkpoint{
			Range: checkpoint.Range{Partition: checkpoint.Partition{Topic: "logs", ID: partition}, Next: next},
			Epoch: 4, Owner: mine, Batch: id,
		}}
	}
	of := func(c ledger.Row, change func(*ledger.Row)) ledger.Row { change(&c); return c }
	before := checkpoint.BatchID{9}
	advances := []batch.Advance{
		{Range: checkpoint.Range{Partition: checkpoint.Partition{Topic: "logs", ID: 3}, First: 10, Next: 20}, Epoch: 4, Owner: mine},
		{Range: checkpoint.Range{Partition: checkpoint.Partition{Topic: "logs", ID: 5}, First: 30, Next: 40}, Epoch: 4, Owner: mine},
	}
	for _, c := range []struct {
		name string
		rows []ledger.Row
		want batch.Outcome
	}{
		{"both at their ends", []ledger.Row{at(3, 20, id), at(5, 40, id)}, batch.Committed},
		{"both at their beginnings", []ledger.Row{at(3, 10, before), at(5, 30, before)}, batch.NotCommitted},
		{"beside another partition", []ledger.Row{at(3, 20, id), at(4, 7, before), at(5, 40, id)}, batch.Committed},
		{"one each", []ledger.Row{at(3, 20, id), at(5, 30, before)}, batch.Superseded},
		{"one each, the other way round", []ledger.Row{at(3, 10, before), at(5, 40, id)}, batch.Superseded},
		{"another batch came to the same end", []ledger.Row{at(3, 20, id), at(5, 40, before)}, batch.Superseded},
		{"this batch, at another end", []ledger.Row{at(3, 20, id), at(5, 41, id)}, batch.Superseded},
		{"at an older state", []ledger.Row{at(3, 20, id), at(5, 29, before)}, batch.Superseded},
		{"one is gone", []ledger.Row{at(3, 20, id)}, batch.Superseded},
		{"both are gone", nil, batch.Superseded},
		{"another epoch", []ledger.Row{at(3, 20, id), of(at(5, 40, id), func(c *ledger.Row) { c.Epoch++ })}, batch.Superseded},
		{"another owner", []ledger.Row{at(3, 20, id), of(at(5, 40, id), func(c *ledger.Row) { c.Owner = checkpoint.Owner{7} })}, batch.Superseded},
		{"another owner, not committed", []ledger.Row{at(3, 10, before), of(at(5, 30, before), func(c *ledger.Row) { c.Owner = checkpoint.Owner{7} })}, batch.Superseded},
	} {
		if got := s.outcome(id, advances, c.rows); got != c.want {
			t.Errorf("%s: the outcome is %d, expected %d", c.name, got, c.want)
		}
	}
}
