package planner_test

import (
	"slices"
	"testing"

	"github.com/sluice-etl/sluice/batch/planner"
	"github.com/sluice-etl/sluice/checkpoint"
)

// fetches lists the positions from which the last step starts to fetch.
func (s *script) fetches() (out []planner.Position) {
	for _, x := range all[planner.PositionRequest](s) {
		if x.Action == planner.Fetch {
			out = append(out, x.Position)
		}
	}
	return out
}

// A partition is fetched from its checkpoint: from its offset, with its leader epoch and topic ID. This holds after a claim,
// and after a rewind that follows a commit.
func TestP6_APartitionIsFetchedFromItsCheckpoint(t *testing.T) {
	t.Parallel()
	s := &script{t: t, planner: planner.New(limits()), session: map[int32]uint64{}}
	s.step(planner.Assigned{Partitions: []checkpoint.Partition{partition(0)}})
	if n := len(s.fetches()); n != 0 {
		t.Fatal("fetched before it is claimed")
	}
	at := checkpoint.Checkpoint{
		Range: checkpoint.Range{Partition: partition(0), First: 7, Next: 40}, LeaderEpoch: 3, Epoch: 9, TopicID: checkpoint.TopicID{5},
	}
	s.step(planner.ClaimResult{Op: the[planner.ClaimRequest](s).Op, Checkpoints: []checkpoint.Checkpoint{at}})
	want := func(next int64, leaderEpoch int32) {
		t.Helper()
		f := s.fetches()
		if len(f) != 1 || f[0].Next != next || f[0].LeaderEpoch != leaderEpoch || f[0].TopicID != at.TopicID {
			t.Errorf("fetches %+v, want it from %d under leader epoch %d of topic %v", f, next, leaderEpoch, at.TopicID)
		}
	}
	want(40, 3)
	s.step(planner.CommitResult{Op: s.commit(0, 40, 50, 4).Op})
	s.step(planner.CommitResult{Op: s.commit(0, 50, 60, 6).Op, Err: classed(checkpoint.ErrTooLarge)})
	want(50, 4)
}

// A partition is revoked and assigned again while its batch is being committed. It must be released before it is claimed
// again, because another process may have owned it in between.
func TestP8_APartitionThatComesBackIsReleasedFirst(t *testing.T) {
	t.Parallel()
	s := newScript(t, limits(), 0)
	commit := s.commit(0, 0, 5, 0)
	s.step(planner.Revoked{Partitions: []checkpoint.Partition{partition(0)}})
	s.step(planner.Assigned{Partitions: []checkpoint.Partition{partition(0)}})
	if len(s.out) != 0 {
		t.Errorf("wants %+v while the batch is being committed", s.out)
	}
	s.step(planner.CommitResult{Op: commit.Op})
	the[planner.Released](s)
	the[planner.ClaimRequest](s)
	released := slices.IndexFunc(s.out, func(x planner.Output) bool { _, is := x.(planner.Released); return is })
	claims := slices.IndexFunc(s.out, func(x planner.Output) bool { _, is := x.(planner.ClaimRequest); return is })
	if claims < released {
		t.Error("claimed before it is released")
	}
}

// A partition is revoked, assigned and revoked again while its batch is being committed. It must not be claimed.
func TestP8_APartitionTakenAwayTwiceIsNotClaimed(t *testing.T) {
	t.Parallel()
	s := newScript(t, limits(), 0)
	commit := s.commit(0, 0, 5, 0)
	for _, e := range []planner.Input{
		planner.Revoked{Partitions: []checkpoint.Partition{partition(0)}},
		planner.Assigned{Partitions: []checkpoint.Partition{partition(0)}},
		planner.Revoked{Partitions: []checkpoint.Partition{partition(0)}},
		planner.CommitResult{Op: commit.Op},
	} {
		s.step(e)
	}
	the[planner.Released](s)
	if n := len(all[planner.ClaimRequest](s)); n != 0 {
		t.Error("claims what was taken away")
	}
}

// A partition that the group denied is not released yet. When it is assigned again, the same task claims it, although
// another task has fewer partitions.
func TestP8_AnOrphanStaysInItsTask(t *testing.T) {
	t.Parallel()
	two := limits()
	two.Tasks = 2
	s := &script{t: t, planner: planner.New(two), session: map[int32]uint64{}}
	s.step(planner.Assigned{Partitions: []checkpoint.Partition{partition(0), partition(1), partition(2), partition(3)}})
	claims := all[planner.ClaimRequest](s) // of task 0: 0 and 2, of task 1: 1 and 3
	for _, c := range claims {
		e := planner.ClaimResult{Task: c.Task, Op: c.Op}
		for _, p := range c.Partitions {
			e.Checkpoints = append(e.Checkpoints, checkpoint.Checkpoint{Range: checkpoint.Range{Partition: p}, Epoch: 1})
		}
		s.step(e)
	}
	s.step(planner.Revoked{Partitions: []checkpoint.Partition{partition(2)}})
	s.fetch(1, 0, 5, 0)
	f := the[planner.FoldRequest](s)
	if f.Task != 1 {
		t.Fatalf("partition 1 is folded by task %d, want 1", f.Task)
	}
	s.step(planner.FoldResult{Task: 1, Gen: f.Gen, Token: f.Token, Next: 5, Done: true, Records: 5, Audit: checkpoint.Audit{Counted: 5}})
	s.step(planner.Tick{})
	s.step(planner.CommitResult{Task: 1, Op: the[planner.CommitRequest](s).Op, Err: classed(checkpoint.ErrFenced, 1)})
	s.step(planner.WaitResult{Task: 1, Op: the[planner.WaitRequest](s).Op})
	s.step(planner.ConfirmResult{Task: 1, Op: the[planner.ConfirmRequest](s).Op, Partitions: []checkpoint.Partition{partition(3)}})
	c := the[planner.ClaimRequest](s)
	s.step(planner.ClaimResult{Task: 1, Op: c.Op, Checkpoints: []checkpoint.Checkpoint{{Range: checkpoint.Range{Partition: partition(3)}, Epoch: 2}}})
	s.step(planner.Assigned{Partitions: []checkpoint.Partition{partition(1)}})
	if c := the[planner.ClaimRequest](s); c.Task != 1 || !slices.Equal(c.Partitions, []checkpoint.Partition{partition(1)}) {
		t.Errorf("task %d claims %v, want task 1 and partition 1", c.Task, c.Partitions)
	}
}

// If a fold does not account for all its records, the whole open batch is discarded, even if a running commit must end
// first.
func TestP13_AFoldThatDoesNotAddUpIsNeverCommitted(t *testing.T) {
	t.Parallel()
	s := newScript(t, limits(), 0, 1)
	commit := s.commit(0, 0, 5, 0)
	s.fetch(1, 0, 5, 0)
	s.folded(0, 5, true, false)
	s.fetch(0, 5, 10, 0)
	f := the[planner.FoldRequest](s)
	s.step(planner.FoldResult{Gen: f.Gen, Token: f.Token, Next: 10, Done: true, Records: 5, Audit: checkpoint.Audit{Counted: 4}})
	if stop := the[planner.Stopped](s); stop.Partition != partition(0) {
		t.Errorf("%v stops, want partition 0", stop.Partition)
	}
	s.step(planner.CommitResult{Op: commit.Op})
	the[planner.RestoreRequest](s)
	if p := s.fetches(); len(p) != 1 || p[0].Partition != partition(1) || p[0].Next != 0 {
		t.Errorf("fetches %+v, want partition 1 from 0", p)
	}
	s.step(planner.Tick{})
	if c := all[planner.CommitRequest](s); len(c) != 0 {
		t.Errorf("commits %+v", c)
	}
}

// Fetching pauses when more than a quarter of the task's memory is queued, and resumes at half of that. Resuming only when
// the queue is empty would leave the task idle until Kafka replies.
func TestP31_FetchingResumesAtHalfOfItsShare(t *testing.T) {
	t.Parallel()
	l := limits()
	l.Memory = 400 // a quarter is 100
	s := newScript(t, l, 0)
	actions := func() (out []planner.Action) {
		for _, x := range all[planner.PositionRequest](s) {
			out = append(out, x.Action)
		}
		return out
	}
	var fold planner.FoldRequest
	for i := range int64(4) { // 4 pieces of 30 bytes
		s.token++
		s.step(planner.Fetched{
			Range:   checkpoint.Range{Partition: partition(0), First: i, Next: i + 1},
			Session: s.session[0], Token: s.token, Bytes: 30,
		})
		if i == 0 {
			fold = the[planner.FoldRequest](s)
		}
		if paused := len(actions()) > 0; paused != (i == 3) {
			t.Errorf("with %d bytes: %v", 30*(i+1), actions())
		}
	}
	for left := 90; left >= 0; left -= 30 {
		s.step(planner.FoldResult{Gen: fold.Gen, Token: fold.Token, Next: int64(fold.Token), Done: true, Records: 1, Audit: checkpoint.Audit{Counted: 1}})
		if got, want := actions(), left == 30; (len(got) == 1 && got[0] == planner.Resume) != want {
			t.Errorf("with %d bytes left: %v", left, got)
		}
		if left > 0 {
			fold = the[planner.FoldRequest](s)
		}
	}
}
