package planner_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/sluice-etl/sluice/batch/planner"
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
func all[E planner.Output](s *script) (found []E) {
	for _, x := range s.out {
		if e, ok := x.(E); ok {
			found = append(found, e)
		}
	}
	return found
}

// commit folds offsets [first, next) of a partition and has them committed.
func (s *script) commit(id int32, first, next int64, leaderEpoch int32) planner.CommitRequest {
	s.t.Helper()
	s.fetch(id, first, next, leaderEpoch)
	s.folded(first, next, true, false)
	s.step(planner.Tick{})
	return the[planner.CommitRequest](s)
}

// A commit is refused because of one partition: that one stops, and the other is rewound.
func TestP34_ACommitStopsThePartitionsThatItsErrorNames(t *testing.T) {
	t.Parallel()
	s := newScript(t, limits(), 0, 1)
	s.fetch(0, 0, 5, 0)
	s.folded(0, 5, true, false)
	commit := s.commit(1, 0, 5, 0)
	s.step(planner.CommitResult{Op: commit.Op, Err: classed(checkpoint.ErrRefused, 1)})
	if stop := the[planner.Stopped](s); stop.Partition != partition(1) {
		t.Errorf("%v stops, want partition 1", stop.Partition)
	}
	s.fetch(0, 0, 5, 0)
	the[planner.FoldRequest](s)
}

// A claim is refused because of one partition: that one stops, and the other is claimed without it.
func TestP34_AClaimStopsThePartitionsThatItsErrorNames(t *testing.T) {
	t.Parallel()
	s := &script{t: t, planner: planner.New(limits()), session: map[int32]uint64{}}
	s.step(planner.Assigned{Partitions: []checkpoint.Partition{partition(0), partition(1)}})
	claim := the[planner.ClaimRequest](s)
	s.step(planner.ClaimResult{Op: claim.Op, Err: classed(checkpoint.ErrRefused, 1)})
	if stop := the[planner.Stopped](s); stop.Partition != partition(1) {
		t.Errorf("%v stops, want partition 1", stop.Partition)
	}
	if claim := the[planner.ClaimRequest](s); !slices.Equal(claim.Partitions, []checkpoint.Partition{partition(0)}) {
		t.Errorf("claims %v, want partition 0", claim.Partitions)
	}
}

// Told to stop, a task folds nothing new and claims nothing, although it has both to do.
func TestP33_NothingNewBeginsAfterAStop(t *testing.T) {
	t.Parallel()
	s := newScript(t, limits(), 0)
	commit := s.commit(0, 0, 5, 0)
	s.step(planner.Assigned{Partitions: []checkpoint.Partition{partition(1)}})
	s.step(planner.Drain{})
	s.step(planner.CommitResult{Op: commit.Op})
	if n := len(all[planner.ClaimRequest](s)) + len(all[planner.FoldRequest](s)); n != 0 {
		t.Errorf("%d claims or folds begin after a stop: %+v", n, s.out)
	}
	the[planner.Drained](s)
}

// Offsets without a leader epoch keep that of the offsets before them, be those committed or being committed.
func TestP27_AnUnknownLeaderEpochKeepsTheOneBefore(t *testing.T) {
	t.Parallel()
	s := newScript(t, limits(), 0)
	commit := s.commit(0, 0, 5, 7)
	s.fetch(0, 5, 6, -1) // while the commit is under way
	s.folded(5, 6, true, true)
	s.step(planner.CommitResult{Op: commit.Op})
	s.step(planner.Tick{})
	commit = the[planner.CommitRequest](s)
	if commit.Advances[0].LeaderEpoch != 7 {
		t.Errorf("commits leader epoch %d behind a batch under way, want 7", commit.Advances[0].LeaderEpoch)
	}
	s.step(planner.CommitResult{Op: commit.Op})
	s.fetch(0, 6, 7, -1)
	s.folded(6, 7, true, true)
	s.step(planner.Tick{})
	if commit = the[planner.CommitRequest](s); commit.Advances[0].LeaderEpoch != 7 {
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
	if n := len(all[planner.CommitRequest](s)); n != 0 {
		t.Fatal("commits after 1 byte of 2")
	}
	s.fetch(0, 1, 2, 0)
	s.folded(1, 2, true, false)
	s.fetch(0, 2, 3, 0) // the third does not fit
	if commit := the[planner.CommitRequest](s); commit.Advances[0].Next != 2 {
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
			s.step(planner.CommitResult{Op: commit.Op, Err: errAway})
			wait := the[planner.WaitRequest](s)
			if wait.Attempt != attempt {
				t.Errorf("waits for attempt %d, want %d", wait.Attempt, attempt)
			}
			s.step(planner.WaitResult{Op: wait.Op})
			if commit = the[planner.CommitRequest](s); !commit.Again {
				t.Error("a retry is another batch")
			}
		}
		s.step(planner.CommitResult{Op: commit.Op})
	}
}

// A batch that is too large is halved down to one record, and each commit doubles what the next one may hold.
func TestP17_TooLargeGoesDownToOneRecordAndUpAgain(t *testing.T) {
	t.Parallel()
	s := newScript(t, limits(), 0)
	commit := s.commit(0, 0, 2, 0)
	s.step(planner.CommitResult{Op: commit.Op, Err: classed(checkpoint.ErrTooLarge)})
	for first, want := int64(0), int64(1); want <= 4; first, want = first+want, 2*want {
		s.fetch(0, first, first+want, 0)
		f := the[planner.FoldRequest](s)
		if f.MaxRecords != want {
			t.Fatalf("folds up to %d records at offset %d, want %d", f.MaxRecords, first, want)
		}
		s.folded(first, first+want, true, false)
		s.step(planner.Tick{})
		commits := all[planner.CommitRequest](s)
		if len(commits) != 1 {
			t.Fatalf("no commit of %d records: %+v", want, s.out)
		}
		s.step(planner.CommitResult{Op: commits[0].Op})
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
		s.step(planner.CommitResult{Op: commit.Op, Err: classed(checkpoint.ErrFenced)})
		if f := the[planner.Fenced](s); f.Times != test.times {
			t.Errorf("%s later it is fence %d of the last minute, want %d", test.after, f.Times, test.times)
		}
		wait := the[planner.WaitRequest](s)
		s.step(planner.WaitResult{Op: wait.Op})
		confirm := the[planner.ConfirmRequest](s)
		s.step(planner.ConfirmResult{Op: confirm.Op, Partitions: confirm.Partitions})
		s.claimed()
	}
}

// The group said that a partition is not ours, and gives it to us again: it is claimed.
func TestP14_AnOrphanThatIsAssignedAgainIsClaimed(t *testing.T) {
	t.Parallel()
	s := newScript(t, limits(), 0)
	commit := s.commit(0, 0, 5, 0)
	s.step(planner.CommitResult{Op: commit.Op, Err: classed(checkpoint.ErrFenced)})
	wait := the[planner.WaitRequest](s)
	s.step(planner.WaitResult{Op: wait.Op})
	confirm := the[planner.ConfirmRequest](s)
	s.step(planner.ConfirmResult{Op: confirm.Op})
	if n := len(all[planner.ClaimRequest](s)); n != 0 {
		t.Fatal("claims what the group gave to another")
	}
	s.step(planner.Assigned{Partitions: []checkpoint.Partition{partition(0)}})
	the[planner.ClaimRequest](s)
}

// A partition that the group takes away while its batch is being committed is let go when the outcome is known, once,
// and not before: until then its records may still be written.
func TestP6_APartitionIsLetGoAfterTheCommitUnderWay(t *testing.T) {
	t.Parallel()
	s := newScript(t, limits(), 0, 1)
	commit := s.commit(0, 0, 5, 0)
	s.step(planner.Revoked{Partitions: []checkpoint.Partition{partition(0)}})
	if n := len(all[planner.Released](s)); n != 0 {
		t.Fatal("let go while its batch is being committed")
	}
	s.step(planner.CommitResult{Op: commit.Op})
	if r := the[planner.Released](s); r.Partition != partition(0) {
		t.Errorf("lets go of %v, want partition 0", r.Partition)
	}
}

// New partitions go to the tasks that have the fewest.
func TestP8_PartitionsAreSpreadOverTheTasks(t *testing.T) {
	t.Parallel()
	l := limits()
	l.Tasks = 3
	s := &script{t: t, planner: planner.New(l), session: map[int32]uint64{}}
	e := planner.Assigned{}
	for id := range 6 {
		e.Partitions = append(e.Partitions, partition(id))
	}
	s.step(e)
	claims := all[planner.ClaimRequest](s)
	if len(claims) != 3 {
		t.Fatalf("%d tasks claim, want 3", len(claims))
	}
	for _, c := range claims {
		if len(c.Partitions) != 2 {
			t.Errorf("task %d claims %v, want 2 partitions", c.Task, c.Partitions)
		}
	}
}
