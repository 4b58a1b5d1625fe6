package planner_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/batch/planner"
	"github.com/sluice-etl/sluice/checkpoint"
)

// script drives a planner of one task by hand.
type script struct {
	t       *testing.T
	planner *planner.Planner
	now     time.Duration
	out     []planner.Output
	session map[int32]uint64
	token   uint64
}

func newScript(t *testing.T, limits planner.Limits, partitions ...int32) *script {
	t.Helper()
	s := &script{t: t, planner: planner.New(limits), session: map[int32]uint64{}}
	e := planner.Assigned{}
	for _, id := range partitions {
		e.Partitions = append(e.Partitions, partition(int(id)))
	}
	s.step(e)
	s.claimed()
	return s
}

// step gives the planner an event and keeps what it wants done.
func (s *script) step(e planner.Input) {
	s.t.Helper()
	s.now += time.Millisecond
	s.out = s.planner.Step(s.now, e, nil)
	for _, x := range s.out {
		switch x := x.(type) {
		case planner.PositionRequest:
			if x.Action == planner.Fetch {
				s.session[x.ID] = x.Session
			}
		case planner.Fatal:
			s.t.Fatalf("the process ends: %v", x.Err)
		}
	}
}

// the finds the one effect of type E of the last step.
func the[E planner.Output](s *script) E {
	s.t.Helper()
	var found []E
	for _, x := range s.out {
		if e, ok := x.(E); ok {
			found = append(found, e)
		}
	}
	if len(found) != 1 {
		s.t.Fatalf("the last step wants %+v, with %d of the type %T", s.out, len(found), *new(E))
	}
	return found[0]
}

// claimed answers the claim that the last step asked for; every partition stands at 0.
func (s *script) claimed() {
	s.t.Helper()
	claim := the[planner.ClaimRequest](s)
	e := planner.ClaimResult{Op: claim.Op}
	for _, p := range claim.Partitions {
		c := checkpoint.Checkpoint{Range: checkpoint.Range{Partition: p}, LeaderEpoch: -1, Epoch: 1, Owner: checkpoint.Owner{1}}
		e.Checkpoints = append(e.Checkpoints, c)
	}
	s.step(e)
}

// fetch brings a piece.
func (s *script) fetch(id int32, first, next int64, leaderEpoch int32) {
	s.t.Helper()
	s.token++
	s.step(planner.Fetched{
		Range:   checkpoint.Range{Partition: partition(int(id)), First: first, Next: next},
		Session: s.session[id], Token: s.token, LeaderEpoch: leaderEpoch, Bytes: 1,
	})
}

// folded answers the fold that the last step asked for: up to next, every offset being a record, or none being one.
func (s *script) folded(first, next int64, done, gap bool) {
	s.t.Helper()
	f := the[planner.FoldRequest](s)
	e := planner.FoldResult{Gen: f.Gen, Token: f.Token, Next: next, Done: done, Size: 1}
	if gap {
		e.Gaps = next - first
	} else {
		e.Records = next - first
		e.Audit.Counted = e.Records
	}
	s.step(e)
}

func limits() planner.Limits {
	return planner.Limits{
		Tasks: 1, MaxRecords: 1000, MaxBytes: 1 << 20, Memory: 1 << 20, DeadLetterStop: 1, Recheck: 10 * time.Millisecond,
	}
}

var errAway = &checkpoint.Error{Class: checkpoint.ErrRetry, Err: errors.New("MySQL is away")}

// An idle task asks whether its checkpoints still stand, and MySQL is away. Kafka stops the task's only partition. There
// is nothing left to ask for: a question without partitions would end the process.
func TestP34_AnIdleTaskWhosePartitionsStopAsksNothing(t *testing.T) {
	t.Parallel()
	s := newScript(t, limits(), 0)
	s.now += time.Second
	s.step(planner.Tick{})
	ask := the[planner.ResolveRequest](s)
	s.step(planner.ResolveResult{Op: ask.Op, Err: errAway})
	wait := the[planner.WaitRequest](s)
	s.step(planner.Fetched{
		Range: checkpoint.Range{Partition: partition(0)}, Session: s.session[0],
		Err: &checkpoint.Error{Class: checkpoint.ErrRefused, Err: errors.New("records are gone")},
	})
	the[planner.Stopped](s)
	s.step(planner.WaitResult{Op: wait.Op})
	for _, x := range s.out {
		if r, ok := x.(planner.ResolveRequest); ok {
			t.Fatalf("asks about %d partitions", len(r.Advances))
		}
	}
	// A person acts: it goes on.
	s.now += time.Second
	s.step(planner.Tick{})
	s.claimed()
	s.fetch(0, 0, 10, 0)
	the[planner.FoldRequest](s)
}

// A row that MySQL refuses comes in every batch. The records that make it are dead up to where the refused batch ended;
// a batch that is larger the next time holds it again, is refused again, and so on for as long as the log grows.
func TestP18_ABatchAfterARefusalIsNotLarger(t *testing.T) {
	t.Parallel()
	s := newScript(t, limits(), 0)
	s.fetch(0, 0, 10, 0)
	s.folded(0, 10, true, false)
	s.step(planner.Tick{})
	commit := the[planner.CommitRequest](s)
	s.step(planner.CommitResult{Op: commit.Op, Err: &batch.RejectedRows{Rows: []batch.RejectedRow{{
		Table: "hits", Until: map[checkpoint.Partition]int64{partition(0): 10},
	}}}})
	s.fetch(0, 0, 50, 0) // the log has grown
	if f := the[planner.FoldRequest](s); f.MaxRecords > 10 {
		t.Errorf("folds up to %d records, the refused batch had 10", f.MaxRecords)
	}
	s.folded(0, 10, false, false)
	commit = the[planner.CommitRequest](s)
	if m := commit.Advances[0]; m.First != 0 || m.Next != 10 {
		t.Errorf("commits %v", m.Range)
	}
	s.step(planner.CommitResult{Op: commit.Op})
}

// P19: a batch that was folded for columns that were altered since is discarded, with the one behind it, and its records are
// folded again from the checkpoint. No partition stops, and nothing is committed twice.
func TestP19_AStaleBatchIsFoldedAgain(t *testing.T) {
	t.Parallel()
	s := newScript(t, limits(), 0)
	s.fetch(0, 0, 10, 0)
	s.folded(0, 10, true, false)
	s.step(planner.Tick{})
	commit := the[planner.CommitRequest](s)
	s.step(planner.CommitResult{Op: commit.Op, Err: classed(checkpoint.ErrStale)})
	if n := len(all[planner.RestoreRequest](s)); n != 1 {
		t.Fatalf("got %d restores, expected one: %+v", n, s.out)
	}
	if n := len(all[planner.CommitRequest](s)) + len(all[planner.WaitRequest](s)) + len(all[planner.Stopped](s)); n != 0 {
		t.Fatalf("got %+v, expected no other try of the same rows, no pause and no stop", s.out)
	}
	s.fetch(0, 0, 10, 0)
	s.folded(0, 10, true, false)
	s.step(planner.Tick{})
	commit = the[planner.CommitRequest](s)
	if m := commit.Advances[0]; commit.Again || m.First != 0 || m.Next != 10 {
		t.Errorf("commits %v, again %v; expected 0 to 10, folded again", m.Range, commit.Again)
	}
	s.step(planner.CommitResult{Op: commit.Op})
}

// Offsets that hold no record move next_offset too. Under a new leader their epoch must be kept: the older one ends
// before next_offset, and the next claim would say that the log was cut back.
func TestP27_TheLeaderEpochIsThatOfTheLastOffsetAccountedFor(t *testing.T) {
	t.Parallel()
	s := newScript(t, limits(), 0)
	s.fetch(0, 0, 10, 3)
	s.folded(0, 10, true, false)
	s.fetch(0, 10, 11, 5) // the marker of a transaction, written by the next leader
	s.folded(10, 11, true, true)
	s.step(planner.Tick{})
	commit := the[planner.CommitRequest](s)
	if m := commit.Advances[0]; m.Next != 11 || m.LeaderEpoch != 5 {
		t.Errorf("commits %v with leader epoch %d, want 5", m.Range, m.LeaderEpoch)
	}
}

// A partition stays in its task from claim to release, however uneven that leaves the tasks: two tasks with one
// partition would commit it from two places under one epoch.
func TestP8_APartitionStaysInItsTask(t *testing.T) {
	t.Parallel()
	two := limits()
	two.Tasks = 2
	p := planner.New(two)
	now, at := time.Duration(0), map[checkpoint.Partition]int{}
	step := func(e planner.Input) {
		t.Helper()
		now += time.Millisecond
		for events := []planner.Input{e}; len(events) > 0; events = events[1:] {
			for _, x := range p.Step(now, events[0], nil) {
				switch x := x.(type) {
				case planner.Released:
					delete(at, x.Partition)
				case planner.ClaimRequest:
					claimed := planner.ClaimResult{Task: x.Task, Op: x.Op}
					for _, q := range x.Partitions {
						if was, ok := at[q]; ok && was != x.Task {
							t.Errorf("%s moves from task %d to task %d without a release", q, was, x.Task)
						}
						at[q] = x.Task
						claimed.Checkpoints = append(claimed.Checkpoints, checkpoint.Checkpoint{Range: checkpoint.Range{Partition: q}, Epoch: 1})
					}
					events = append(events, claimed)
				}
			}
		}
	}
	step(planner.Assigned{Partitions: []checkpoint.Partition{partition(0), partition(1), partition(2), partition(3)}})
	if len(at) != 4 {
		t.Fatalf("claimed %v", at)
	}
	// One task loses all of its own: the other keeps both, and new ones go where there is room.
	var leave []checkpoint.Partition
	for q, task := range at {
		if task == 0 {
			leave = append(leave, q)
		}
	}
	step(planner.Revoked{Partitions: leave})
	step(planner.Tick{})
	step(planner.Assigned{Partitions: []checkpoint.Partition{partition(4), partition(5)}})
	if at[partition(4)] != 0 || at[partition(5)] != 0 {
		t.Errorf("new partitions went to tasks %d and %d, want 0", at[partition(4)], at[partition(5)])
	}
}

// Three fences within a minute are an alarm; between them the task waits a little longer each time, asks the group, and
// claims what is still its own.
func TestP14_AfterAFenceTheGroupIsAskedFirst(t *testing.T) {
	t.Parallel()
	s := newScript(t, limits(), 0, 1)
	for times := 1; times <= 3; times++ {
		s.fetch(0, 0, 10, 0)
		s.folded(0, 10, true, false)
		s.step(planner.Tick{})
		commit := the[planner.CommitRequest](s)
		s.step(planner.CommitResult{Op: commit.Op, Err: &checkpoint.Error{Class: checkpoint.ErrFenced, Err: errors.New("another owner")}})
		if f := the[planner.Fenced](s); f.Times != times {
			t.Errorf("fence %d is told as %d", times, f.Times)
		}
		wait := the[planner.WaitRequest](s)
		if wait.Attempt != times {
			t.Errorf("waits for attempt %d after fence %d", wait.Attempt, times)
		}
		s.step(planner.WaitResult{Op: wait.Op})
		confirm := the[planner.ConfirmRequest](s)
		if len(confirm.Partitions) != 2 {
			t.Errorf("asks the group about %v", confirm.Partitions)
		}
		s.step(planner.ConfirmResult{Op: confirm.Op, Partitions: []checkpoint.Partition{partition(0)}})
		if claim := the[planner.ClaimRequest](s); len(claim.Partitions) != 1 || claim.Partitions[0] != partition(0) {
			t.Errorf("claims %v, the group gives it logs/0 alone", claim.Partitions)
		}
		s.claimed()
		s.step(planner.Revoked{Partitions: []checkpoint.Partition{partition(1)}})
		s.step(planner.Assigned{Partitions: []checkpoint.Partition{partition(1)}})
		s.claimed()
	}
}

// foldedAs answers the fold that the last step asked for with these fates.
func (s *script) foldedAs(next int64, a checkpoint.Audit) {
	s.t.Helper()
	f := the[planner.FoldRequest](s)
	s.step(planner.FoldResult{
		Task: f.Task, Gen: f.Gen, Token: f.Token, Next: next, Done: true, Records: a.Total(), Reason: "no JSON", Audit: a,
	})
}

// A batch without a counted record, 1,000 records or more of which were not filtered, more than the share of them dead:
// nothing is committed, and the partition stops until it is looked at again. One counted record shows that format and
// query are right.
func TestP20_TheShareOfDeadThatStops(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		audit checkpoint.Audit
		share float64
		stops bool
	}{
		{"999 dead", checkpoint.Audit{Dead: 999}, 0.5, false},
		{"1000 dead", checkpoint.Audit{Dead: 1000}, 0.5, true},
		{"1000 dead, never to stop", checkpoint.Audit{Dead: 1000}, 1, false},
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
				t.Errorf("stops with %v", stop.Err)
			}
			s.step(planner.Tick{}) // 1 ms later: it does not try again at once
			if len(s.out) != 0 {
				t.Errorf("goes on with %+v", s.out)
			}
			s.now += time.Second
			s.step(planner.Tick{})
			s.claimed()
		})
	}
}

// Junk that comes after something was counted stops nothing, in whatever partition and task it comes. What was counted
// in a batch that was discarded does not say so: it was not counted.
func TestP20_JunkAfterACountedRecordStopsNothing(t *testing.T) {
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
			s := &script{t: t, planner: planner.New(l), session: map[int32]uint64{}}
			for id := range 2 {
				s.step(planner.Assigned{Partitions: []checkpoint.Partition{partition(id)}})
				claim := the[planner.ClaimRequest](s)
				s.step(planner.ClaimResult{Task: claim.Task, Op: claim.Op, Checkpoints: []checkpoint.Checkpoint{{
					Range: checkpoint.Range{Partition: partition(id)}, LeaderEpoch: -1, Epoch: 1, Owner: checkpoint.Owner{1},
				}}})
			}
			if test.err != nil {
				test.first.Counted = 2 // of more than one record: the batch is discarded, and is halved
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
					t.Errorf("commits %+v, want %+v", commit.Advances[0].Audit, junk)
				}
				return
			}
			if stop := the[planner.Stopped](s); stop.Partition != partition(1) {
				t.Errorf("%v stops", stop.Partition)
			}
		})
	}
}

// checked answers the commit under way, expects the check that follows it, and returns the check.
func (s *script) checked(want ...int32) planner.ResolveRequest {
	s.t.Helper()
	check := the[planner.ResolveRequest](s)
	var got []int32
	for _, m := range check.Advances {
		if m.First != m.Next {
			s.t.Errorf("the check moves %v", m.Range)
		}
		got = append(got, m.ID)
	}
	if !slices.Equal(got, want) {
		s.t.Errorf("compares partitions %v, want %v", got, want)
	}
	return check
}

// A task that commits partition 0 at every tick compares partition 1 as well, within Recheck of the last comparison.
func TestP2_AQuietPartitionOfABusyTaskIsCompared(t *testing.T) {
	t.Parallel()
	l := limits()
	l.Recheck = 100 * time.Millisecond
	s := newScript(t, l, 0, 1)
	last, checks := s.now, 0 // the claim compared both
	for offset := range int64(50) {
		s.fetch(0, offset, offset+1, 0)
		s.folded(offset, offset+1, true, false)
		s.now += 17 * time.Millisecond
		s.step(planner.Tick{})
		commit := the[planner.CommitRequest](s)
		if len(commit.Advances) != 1 || commit.Advances[0].Range != (checkpoint.Range{Partition: partition(0), First: offset, Next: offset + 1}) {
			t.Fatalf("commits %+v, want offset %d of partition 0 alone", commit.Advances, offset)
		}
		s.step(planner.CommitResult{Op: commit.Op})
		for _, x := range s.out {
			if _, ok := x.(planner.ResolveRequest); !ok {
				continue
			}
			check := s.checked(0, 1)
			if check.Advances[0].Next != offset+1 || check.Advances[1].Next != 0 {
				t.Errorf("expects partitions at %d and %d, want %d and 0", check.Advances[0].Next, check.Advances[1].Next, offset+1)
			}
			if s.now-last > l.Recheck {
				t.Errorf("partition 1 was not compared for %s", s.now-last)
			}
			last, checks = s.now, checks+1
			s.step(planner.ResolveResult{Op: check.Op, Outcome: planner.Committed})
		}
	}
	if s.now-last > l.Recheck || checks < 8 || checks > 13 { // 50 ticks of 20 ms
		t.Errorf("%d checks, the last one %s ago", checks, s.now-last)
	}
}

// The batch is blocked: a table is missing. The quiet partition of its task is compared all the same, and what the
// check finds out takes the task to its new checkpoint.
func TestP2_AQuietPartitionOfABlockedTaskIsCompared(t *testing.T) {
	t.Parallel()
	s := newScript(t, limits(), 0, 1)
	s.fetch(0, 0, 10, 0)
	s.folded(0, 10, true, false)
	s.step(planner.Tick{})
	commit := the[planner.CommitRequest](s)
	blocked := &checkpoint.Error{Class: checkpoint.ErrBlocked, Err: errors.New("no such table")}
	s.step(planner.CommitResult{Op: commit.Op, Err: blocked})
	wait := the[planner.WaitRequest](s)
	s.now += 20 * time.Millisecond
	s.step(planner.Tick{})
	s.step(planner.WaitResult{Op: wait.Op})
	check := s.checked(0, 1)
	s.step(planner.ResolveResult{Op: check.Op, Err: errAway}) // no answer: ask again
	wait = the[planner.WaitRequest](s)
	s.step(planner.WaitResult{Op: wait.Op})
	check = s.checked(0, 1)
	s.step(planner.ResolveResult{Op: check.Op, Outcome: planner.Committed}) // it stands
	commit = the[planner.CommitRequest](s)
	if !commit.Again {
		t.Error("a check made the batch a new one")
	}
	s.step(planner.CommitResult{Op: commit.Op, Err: blocked})
	wait = the[planner.WaitRequest](s)
	s.now += 20 * time.Millisecond
	s.step(planner.Tick{})
	s.step(planner.WaitResult{Op: wait.Op})
	check = s.checked(0, 1)
	s.step(planner.ResolveResult{Op: check.Op, Outcome: planner.Superseded}) // a person moved partition 1
	if f := the[planner.Fenced](s); !errors.Is(f.Err, checkpoint.ErrFenced) {
		t.Errorf("fenced by %v", f.Err)
	}
}

// The outcome of a COMMIT is not known: that is found out first, for until then nobody knows where the partitions stand.
func TestP12_NoCheckWhileAnOutcomeIsUnknown(t *testing.T) {
	t.Parallel()
	s := newScript(t, limits(), 0, 1)
	s.fetch(0, 0, 10, 0)
	s.folded(0, 10, true, false)
	s.step(planner.Tick{})
	commit := the[planner.CommitRequest](s)
	s.now += time.Second
	s.step(planner.Tick{}) // a check is due now
	s.step(planner.CommitResult{Op: commit.Op, Err: &checkpoint.Error{Class: checkpoint.ErrUnknown, Err: errors.New("no reply")}})
	ask := the[planner.ResolveRequest](s)
	if len(ask.Advances) != 1 || ask.Advances[0].Next != 10 {
		t.Fatalf("resolves %+v, want offsets 0 to 10 of partition 0", ask.Advances)
	}
	s.step(planner.ResolveResult{Op: ask.Op, Outcome: planner.Committed})
	the[planner.Advanced](s)
	check := s.checked(0, 1)
	if check.Advances[0].Next != 10 {
		t.Errorf("expects partition 0 at %d, want 10", check.Advances[0].Next)
	}
}
