package planner_test

import (
	"testing"
	"time"

	"github.com/sluice-etl/sluice/batch/planner"
	"github.com/sluice-etl/sluice/checkpoint"
)

// script drives a planner of one task by code, where a transcript would be repetitive.
type script struct {
	t       *testing.T
	planner *planner.Planner
	now     time.Duration
	out     []planner.Output
	fetchID map[int32]uint64
	token   uint64
}

func newScript(t *testing.T, limits planner.Limits, partitions ...int32) *script {
	t.Helper()
	s := &script{t: t, planner: planner.New(limits), fetchID: map[int32]uint64{}}
	e := planner.Assigned{}
	for _, id := range partitions {
		e.Partitions = append(e.Partitions, partition(int(id)))
	}
	s.step(e)
	s.claimed()
	return s
}

// step passes an input to the planner, and keeps the outputs.
func (s *script) step(e planner.Input) {
	s.t.Helper()
	s.now += time.Millisecond
	s.out = s.planner.Step(s.now, e, nil)
	for _, x := range s.out {
		switch x := x.(type) {
		case planner.PositionRequest:
			if x.Action == planner.Fetch {
				s.fetchID[x.ID] = x.FetchID
			}
		case planner.Fatal:
			s.t.Fatalf("the process ends: %v", x.Err)
		}
	}
}

// the returns the one output of type E of the last step.
func the[E planner.Output](s *script) E {
	s.t.Helper()
	var found []E
	for _, x := range s.out {
		if e, ok := x.(E); ok {
			found = append(found, e)
		}
	}
	if len(found) != 1 {
		s.t.Fatalf("the last step has outputs %+v, got %[2]d of the type %[3]T, expected one", s.out, len(found), *new(E))
	}
	return found[0]
}

// claimed posts the result of the claim that the last step requested; every partition is at offset 0.
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

// fetch passes a piece.
func (s *script) fetch(id int32, first, next int64, leaderEpoch int32) {
	s.t.Helper()
	s.token++
	s.step(planner.Fetched{
		Range:   checkpoint.Range{Partition: partition(int(id)), First: first, Next: next},
		FetchID: s.fetchID[id], Token: s.token, LeaderEpoch: leaderEpoch, Bytes: 1,
	})
}

// limits returns the limits of scripts and transcripts that set no others.
func limits() planner.Limits {
	return planner.Limits{
		Tasks: 1, MaxRecords: 1000, MaxBytes: 1 << 20, Memory: 1 << 20, DeadLetterStop: 1, Recheck: 10 * time.Millisecond,
	}
}

// foldedAs posts the result of the fold that the last step requested, with these fates.
func (s *script) foldedAs(next int64, a checkpoint.Audit) {
	s.t.Helper()
	f := the[planner.FoldRequest](s)
	s.step(planner.FoldResult{
		Task: f.Task, Gen: f.Gen, Token: f.Token, Next: next, Done: true, Records: a.Total(), Reason: "no JSON", Audit: a,
	})
}
