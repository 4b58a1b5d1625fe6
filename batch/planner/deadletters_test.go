package planner_test

import (
	"errors"
	"testing"
	"time"

	"github.com/sluice-etl/sluice/batch/planner"
	"github.com/sluice-etl/sluice/checkpoint"
)

// A batch is not committed, and its partition stops until Recheck has passed, if it has no counted record, at least
// 1,000 records that were not filtered, and more than DeadLetterStop of those dead. One counted record shows that
// format and query are right.
func TestP20_ShareOfDeadRecordsThatStops(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		audit checkpoint.Audit
		share float64
		stops bool
	}{
		{"999 dead", checkpoint.Audit{Dead: 999}, 0.5, false},
		{"1000 dead", checkpoint.Audit{Dead: 1000}, 0.5, true},
		{"1000 dead, stop disabled", checkpoint.Audit{Dead: 1000}, 1, false},
		{"1000 dead, one counted", checkpoint.Audit{Dead: 1000, Counted: 1}, 0.5, false},
		{"999 dead, one filtered", checkpoint.Audit{Dead: 999, Filtered: 1}, 0.5, false},
		{"1000 dead, 3000 filtered", checkpoint.Audit{Dead: 1000, Filtered: 3000}, 0.5, true},
		{"500 dead, 500 duplicates", checkpoint.Audit{Dead: 500, Duplicates: 500}, 0.5, false},
		{"501 dead, 499 duplicates", checkpoint.Audit{Dead: 501, Duplicates: 499}, 0.5, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := limits()
			l.DeadLetterStop, l.MaxRecords = test.share, 5000
			s := newScript(t, l, 0)
			s.fetch(0, 0, test.audit.Total(), 0)
			s.foldedAs(test.audit.Total(), test.audit)
			s.step(planner.Tick{})
			if !test.stops {
				the[planner.CommitRequest](s)
				return
			}
			if stop := the[planner.Stopped](s); !errors.Is(stop.Err, checkpoint.ErrRefused) {
				t.Errorf("stopped by %v, expected ErrRefused", stop.Err)
			}
			s.step(planner.Tick{}) // 1 ms later: too early to claim again
			if len(s.out) != 0 {
				t.Errorf("got %+v, expected nothing", s.out)
			}
			s.now += time.Second
			s.step(planner.Tick{})
			s.claimed()
		})
	}
}

// Junk that comes after a record was counted stops nothing, whatever its partition and task. A record that was counted
// in a discarded batch does not matter, because it is not committed.
func TestP20_InvalidRecordsAfterACountedOneStopNothing(t *testing.T) {
	t.Parallel()
	junk := checkpoint.Audit{Dead: 1000}
	for _, test := range []struct {
		name  string
		first checkpoint.Audit
		err   error
		stops bool
	}{
		{"one was counted", checkpoint.Audit{Counted: 1}, nil, false},
		{"one was filtered", checkpoint.Audit{Filtered: 1}, nil, true},
		{"one was dead", checkpoint.Audit{Dead: 1}, nil, true},
		{"one was a duplicate", checkpoint.Audit{Duplicates: 1}, nil, true},
		{"one was folded and discarded", checkpoint.Audit{Counted: 1}, &checkpoint.Error{Class: checkpoint.ErrTooLarge, Err: errors.New("too large")}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := limits()
			l.Tasks, l.DeadLetterStop, l.MaxRecords = 2, 0.5, 5000
			s := &script{t: t, planner: planner.New(l), fetchID: map[int32]uint64{}}
			for id := range 2 {
				s.step(planner.Assigned{Partitions: []checkpoint.Partition{partition(id)}})
				claim := the[planner.ClaimRequest](s)
				s.step(planner.ClaimResult{Task: claim.Task, Op: claim.Op, Checkpoints: []checkpoint.Checkpoint{{
					Range: checkpoint.Range{Partition: partition(id)}, LeaderEpoch: -1, Epoch: 1, Owner: checkpoint.Owner{1},
				}}})
			}
			if test.err != nil {
				test.first.Counted = 2 // a batch of one record would not be halved and discarded
			}
			s.fetch(0, 0, test.first.Total(), 0)
			s.foldedAs(test.first.Total(), test.first)
			s.step(planner.Tick{})
			commit := the[planner.CommitRequest](s)
			s.step(planner.CommitResult{Task: commit.Task, Op: commit.Op, Err: test.err})
			s.fetch(1, 0, junk.Total(), 0)
			s.foldedAs(junk.Total(), junk)
			s.step(planner.Tick{})
			if !test.stops {
				if commit := the[planner.CommitRequest](s); commit.Advances[0].Audit != junk {
					t.Errorf("commits %+v, expected %+v", commit.Advances[0].Audit, junk)
				}
				return
			}
			if stop := the[planner.Stopped](s); stop.Partition != partition(1) {
				t.Errorf("%v stopped, expected partition 1", stop.Partition)
			}
		})
	}
}
