package batch_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/checkpoint"
)

func classed(class error, partitions ...int) error {
	e := &checkpoint.Error{Class: class, Err: errors.New("a test's")}
	for _, id := range partitions {
		e.Partitions = append(e.Partitions, partition(id))
	}
	return e
}

// all lists the effects of type E of the last step.
func all[E batch.Effect](s *script) (found []E) {
	for _, x := range s.out {
		if e, ok := x.(E); ok {
			found = append(found, e)
		}
	}
	return found
}

// commit folds offsets [first, next) of a partition and has them committed.
func (s *script) commit(id int32, first, next int64, leaderEpoch int32) batch.DoCommit {
	s.t.Helper()
	s.fetch(id, first, next, leaderEpoch)
	s.folded(first, next, true, false)
	s.step(batch.TickEvent{})
	return the[batch.DoCommit](s)
}

// A commit is refused because of one partition: that one stops, and the other is rewound.
func TestP34_ACommitStopsThePartitionsThatItsErrorNames(t *testing.T) {
	t.Parallel()
	s := newScript(t, limits(), 0, 1)
	s.fetch(0, 0, 5, 0)
	s.folded(0, 5, true, false)
	commit := s.commit(1, 0, 5, 0)
	s.step(batch.CommittedEvent{Op: commit.Op, Err: classed(checkpoint.ErrRefused, 1)})
	if stop := the[batch.Stopped](s); stop.Partition != partition(1) {
		t.Errorf("%v stops, want partition 1", stop.Partition)
	}
	s.fetch(0, 0, 5, 0)
	the[batch.DoFold](s)
}

// A claim is refused because of one partition: that one stops, and the other is claimed without it.
func TestP34_AClaimStopsThePartitionsThatItsErrorNames(t *testing.T) {
	t.Parallel()
	s := &script{t: t, planner: batch.NewPlanner(limits()), session: map[int32]uint64{}}
	s.step(batch.AssignedEvent{Partitions: []checkpoint.Partition{partition(0), partition(1)}})
	claim := the[batch.DoClaim](s)
	s.step(batch.ClaimedEvent{Op: claim.Op, Err: classed(checkpoint.ErrRefused, 1)})
	if stop := the[batch.Stopped](s); stop.Partition != partition(1) {
		t.Errorf("%v stops, want partition 1", stop.Partition)
	}
	if claim := the[batch.DoClaim](s); !slices.Equal(claim.Partitions, []checkpoint.Partition{partition(0)}) {
		t.Errorf("claims %v, want partition 0", claim.Partitions)
	}
}

// Told to stop, a task folds nothing new and claims nothing, although it has both to do.
func TestP33_NothingNewBeginsAfterAStop(t *testing.T) {
	t.Parallel()
	s := newScript(t, limits(), 0)
	commit := s.commit(0, 0, 5, 0)
	s.step(batch.AssignedEvent{Partitions: []checkpoint.Partition{partition(1)}})
	s.step(batch.DrainEvent{})
	s.step(batch.CommittedEvent{Op: commit.Op})
	if n := len(all[batch.DoClaim](s)) + len(all[batch.DoFold](s)); n != 0 {
		t.Errorf("%d claims or folds begin after a stop: %+v", n, s.out)
	}
	the[batch.Drained](s)
}

// Offsets without a leader epoch keep that of the offsets before them, be those committed or being committed.
func TestP27_AnUnknownLeaderEpochKeepsTheOneBefore(t *testing.T) {
	t.Parallel()
	s := newScript(t, limits(), 0)
	commit := s.commit(0, 0, 5, 7)
	s.fetch(0, 5, 6, -1) // while the commit is under way
	s.folded(5, 6, true, true)
	s.step(batch.CommittedEvent{Op: commit.Op})
	s.step(batch.TickEvent{})
	commit = the[batch.DoCommit](s)
	if commit.Advances[0].LeaderEpoch != 7 {
		t.Errorf("commits leader epoch %d behind a batch under way, want 7", commit.Advances[0].LeaderEpoch)
	}
	s.step(batch.CommittedEvent{Op: commit.Op})
	s.fetch(0, 6, 7, -1)
	s.folded(6, 7, true, true)
	s.step(batch.TickEvent{})
	if commit = the[batch.DoCommit](s); commit.Advances[0].LeaderEpoch != 7 {
		t.Errorf("commits leader epoch %d behind a committed batch, want 7", commit.Advances[0].LeaderEpoch)
	}
}

// A batch ends before its tick at MaxBytes fetched bytes.
func TestP31_ABatchEndsAtItsBytes(t *testing.T) {
	t.Parallel()
	l := limits()
	l.MaxBytes = 2
	s := newScript(t, l, 0)
	s.fetch(0, 0, 1, 0)
	s.folded(0, 1, true, false)
	if n := len(all[batch.DoCommit](s)); n != 0 {
		t.Fatal("commits after 1 byte of 2")
	}
	s.fetch(0, 1, 2, 0)
	s.folded(1, 2, true, false)
	s.fetch(0, 2, 3, 0) // the third does not fit
	if commit := the[batch.DoCommit](s); commit.Advances[0].Next != 2 {
		t.Errorf("commits up to %d, want 2", commit.Advances[0].Next)
	}
}

// The pause before a retry begins at its shortest again after a commit.
func TestP17_ACommitEndsTheBackoff(t *testing.T) {
	t.Parallel()
	s := newScript(t, limits(), 0)
	for first := int64(0); first < 10; first += 5 {
		commit := s.commit(0, first, first+5, 0)
		for attempt := 1; attempt <= 3; attempt++ {
			s.step(batch.CommittedEvent{Op: commit.Op, Err: errAway})
			wait := the[batch.DoWait](s)
			if wait.Attempt != attempt {
				t.Errorf("waits for attempt %d, want %d", wait.Attempt, attempt)
			}
			s.step(batch.WaitedEvent{Op: wait.Op})
			if commit = the[batch.DoCommit](s); !commit.Again {
				t.Error("a retry is another batch")
			}
		}
		s.step(batch.CommittedEvent{Op: commit.Op})
	}
}

// A batch that is too large is halved down to one record, and each commit doubles what the next one may hold.
func TestP17_TooLargeGoesDownToOneRecordAndUpAgain(t *testing.T) {
	t.Parallel()
	s := newScript(t, limits(), 0)
	commit := s.commit(0, 0, 2, 0)
	s.step(batch.CommittedEvent{Op: commit.Op, Err: classed(checkpoint.ErrTooLarge)})
	for first, want := int64(0), int64(1); want <= 4; first, want = first+want, 2*want {
		s.fetch(0, first, first+want, 0)
		f := the[batch.DoFold](s)
		if f.MaxRecords != want {
			t.Fatalf("folds up to %d records at offset %d, want %d", f.MaxRecords, first, want)
		}
		s.folded(first, first+want, true, false)
		s.step(batch.TickEvent{})
		commits := all[batch.DoCommit](s)
		if len(commits) != 1 {
			t.Fatalf("no commit of %d records: %+v", want, s.out)
		}
		s.step(batch.CommittedEvent{Op: commits[0].Op})
	}
}

// Fences are counted for a minute.
func TestP14_FencesAreCountedForAMinute(t *testing.T) {
	t.Parallel()
	l := limits()
	l.Recheck = time.Hour
	s := newScript(t, l, 0)
	for _, test := range []struct {
		after time.Duration
		times int
	}{{0, 1}, {50 * time.Second, 2}, {20 * time.Second, 2}, {2 * time.Minute, 1}} {
		s.now += test.after
		commit := s.commit(0, 0, 5, 0)
		s.step(batch.CommittedEvent{Op: commit.Op, Err: classed(checkpoint.ErrFenced)})
		if f := the[batch.Fenced](s); f.Times != test.times {
			t.Errorf("%s later it is fence %d of the last minute, want %d", test.after, f.Times, test.times)
		}
		wait := the[batch.DoWait](s)
		s.step(batch.WaitedEvent{Op: wait.Op})
		confirm := the[batch.DoConfirm](s)
		s.step(batch.ConfirmedEvent{Op: confirm.Op, Partitions: confirm.Partitions})
		s.claimed()
	}
}

// The group said that a partition is not ours, and gives it to us again: it is claimed.
func TestP14_AnOrphanThatIsAssignedAgainIsClaimed(t *testing.T) {
	t.Parallel()
	s := newScript(t, limits(), 0)
	commit := s.commit(0, 0, 5, 0)
	s.step(batch.CommittedEvent{Op: commit.Op, Err: classed(checkpoint.ErrFenced)})
	wait := the[batch.DoWait](s)
	s.step(batch.WaitedEvent{Op: wait.Op})
	confirm := the[batch.DoConfirm](s)
	s.step(batch.ConfirmedEvent{Op: confirm.Op})
	if n := len(all[batch.DoClaim](s)); n != 0 {
		t.Fatal("claims what the group gave to another")
	}
	s.step(batch.AssignedEvent{Partitions: []checkpoint.Partition{partition(0)}})
	the[batch.DoClaim](s)
}

// A partition that the group takes away while its batch is being committed is let go when the outcome is known, once,
// and not before: until then its records may still be written.
func TestP6_APartitionIsLetGoAfterTheCommitUnderWay(t *testing.T) {
	t.Parallel()
	s := newScript(t, limits(), 0, 1)
	commit := s.commit(0, 0, 5, 0)
	s.step(batch.RevokedEvent{Partitions: []checkpoint.Partition{partition(0)}})
	if n := len(all[batch.Released](s)); n != 0 {
		t.Fatal("let go while its batch is being committed")
	}
	s.step(batch.CommittedEvent{Op: commit.Op})
	if r := the[batch.Released](s); r.Partition != partition(0) {
		t.Errorf("lets go of %v, want partition 0", r.Partition)
	}
}

// New partitions go to the tasks that have the fewest.
func TestP8_PartitionsAreSpreadOverTheTasks(t *testing.T) {
	t.Parallel()
	l := limits()
	l.Tasks = 3
	s := &script{t: t, planner: batch.NewPlanner(l), session: map[int32]uint64{}}
	e := batch.AssignedEvent{}
	for id := range 6 {
		e.Partitions = append(e.Partitions, partition(id))
	}
	s.step(e)
	claims := all[batch.DoClaim](s)
	if len(claims) != 3 {
		t.Fatalf("%d tasks claim, want 3", len(claims))
	}
	for _, c := range claims {
		if len(c.Partitions) != 2 {
			t.Errorf("task %d claims %v, want 2 partitions", c.Task, c.Partitions)
		}
	}
}
