package batch_test

import (
	"errors"
	"testing"
	"time"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/checkpoint"
)

// script drives a planner of one task by hand.
type script struct {
	t       *testing.T
	planner *batch.Planner
	now     time.Duration
	out     []batch.Effect
	session map[int32]uint64
	token   uint64
}

func newScript(t *testing.T, limits batch.Limits, partitions ...int32) *script {
	t.Helper()
	s := &script{t: t, planner: batch.NewPlanner(limits), session: map[int32]uint64{}}
	e := batch.AssignedEvent{}
	for _, id := range partitions {
		e.Partitions = append(e.Partitions, partition(int(id)))
	}
	s.step(e)
	s.claimed()
	return s
}

// step gives the planner an event and keeps what it wants done.
func (s *script) step(e batch.Event) {
	s.t.Helper()
	s.now += time.Millisecond
	s.out = s.planner.Step(s.now, e, nil)
	for _, x := range s.out {
		switch x := x.(type) {
		case batch.DoPosition:
			if x.Action == batch.Fetch {
				s.session[x.ID] = x.Session
			}
		case batch.Fatal:
			s.t.Fatalf("the process ends: %v", x.Err)
		}
	}
}

// the finds the one effect of type E of the last step.
func the[E batch.Effect](s *script) E {
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
	claim := the[batch.DoClaim](s)
	e := batch.ClaimedEvent{Op: claim.Op}
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
	s.step(batch.FetchedEvent{
		Range:   checkpoint.Range{Partition: partition(int(id)), First: first, Next: next},
		Session: s.session[id], Token: s.token, LeaderEpoch: leaderEpoch, Bytes: 1,
	})
}

// folded answers the fold that the last step asked for: up to next, every offset being a record, or none being one.
func (s *script) folded(first, next int64, done, gap bool) {
	s.t.Helper()
	f := the[batch.DoFold](s)
	e := batch.FoldedEvent{Gen: f.Gen, Token: f.Token, Next: next, Done: done, Size: 1}
	if gap {
		e.Gaps = next - first
	} else {
		e.Records = next - first
		e.Audit.Counted = e.Records
	}
	s.step(e)
}

func limits() batch.Limits {
	return batch.Limits{
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
	s.step(batch.TickEvent{})
	ask := the[batch.DoResolve](s)
	s.step(batch.ResolvedEvent{Op: ask.Op, Err: errAway})
	wait := the[batch.DoWait](s)
	s.step(batch.FetchedEvent{
		Range: checkpoint.Range{Partition: partition(0)}, Session: s.session[0],
		Err: &checkpoint.Error{Class: checkpoint.ErrRefused, Err: errors.New("records are gone")},
	})
	the[batch.Stopped](s)
	s.step(batch.WaitedEvent{Op: wait.Op})
	for _, x := range s.out {
		if r, ok := x.(batch.DoResolve); ok {
			t.Fatalf("asks about %d partitions", len(r.Moves))
		}
	}
	// A person acts: it goes on.
	s.now += time.Second
	s.step(batch.TickEvent{})
	s.claimed()
	s.fetch(0, 0, 10, 0)
	the[batch.DoFold](s)
}

// A row that MySQL refuses comes in every batch. The records that make it are dead up to where the refused batch ended;
// a batch that is larger the next time holds it again, is refused again, and so on for as long as the log grows.
func TestP18_ABatchAfterARefusalIsNotLarger(t *testing.T) {
	t.Parallel()
	s := newScript(t, limits(), 0)
	s.fetch(0, 0, 10, 0)
	s.folded(0, 10, true, false)
	s.step(batch.TickEvent{})
	commit := the[batch.DoCommit](s)
	s.step(batch.CommittedEvent{Op: commit.Op, Err: &batch.RefusedRows{Rows: []batch.Refused{{
		Table: "hits", Until: map[checkpoint.Partition]int64{partition(0): 10},
	}}}})
	s.fetch(0, 0, 50, 0) // the log has grown
	if f := the[batch.DoFold](s); f.MaxRecords > 10 {
		t.Errorf("folds up to %d records, the refused batch had 10", f.MaxRecords)
	}
	s.folded(0, 10, false, false)
	commit = the[batch.DoCommit](s)
	if m := commit.Moves[0]; m.First != 0 || m.Next != 10 {
		t.Errorf("commits %v", m.Range)
	}
	s.step(batch.CommittedEvent{Op: commit.Op})
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
	s.step(batch.TickEvent{})
	commit := the[batch.DoCommit](s)
	if m := commit.Moves[0]; m.Next != 11 || m.LeaderEpoch != 5 {
		t.Errorf("commits %v with leader epoch %d, want 5", m.Range, m.LeaderEpoch)
	}
}
