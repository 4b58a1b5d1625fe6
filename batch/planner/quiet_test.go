package planner_test

import (
	"slices"
	"testing"
	"time"

	"github.com/sluice-etl/sluice/batch/planner"
	"github.com/sluice-etl/sluice/checkpoint"
)

// settle does everything that a process has under way.
func (p *process) settle() {
	for busy := true; busy; {
		busy = p.read()
		for len(p.pending) > 0 {
			p.run(0)
			busy = true
		}
		for task := range p.orders {
			busy = p.work(task) || busy
		}
	}
}

// TestP2_QuietPartitionIsRestoredToAnOlderState restores a state that differs in partition 1 alone, while partition 0
// of the same task is committed at every tick. The fences of partition 0 always match. Within Recheck partition 1 is
// compared and rewound, and its lost records are counted again.
func TestP2_QuietPartitionIsRestoredToAnOlderState(t *testing.T) {
	t.Parallel()
	const recheck, tick, older, newer = 200 * time.Millisecond, 10 * time.Millisecond, 40, 60
	w := newWorld(2, 1, 10_000, planner.Limits{
		Tasks: 1, MaxRecords: 1000, MaxBytes: 1 << 20, Memory: 1 << 20, DeadLetterStop: 1, Recheck: recheck,
	}, t.Fatalf)
	w.move(0, 0, false)
	w.move(1, 0, false)
	p := w.procs[0]
	p.settle()
	count := func(id int, n int64) {
		p.fetch(id, n)
		p.settle()
		w.now += tick
		p.post(planner.Tick{})
		p.settle()
	}
	count(0, older)
	count(1, older)
	state := w.db.Copy()
	count(1, newer-older)
	if at := w.db.Checkpoints(); at[0].Next != older || at[1].Next != newer {
		t.Fatalf("partitions at %d and %d, expected %d and %d", at[0].Next, at[1].Next, older, newer)
	}
	w.db.Restore(state)
	restored := w.now
	for w.now-restored <= recheck {
		count(0, 1)
		if at := p.at[partition(1)]; at != nil && at.next < newer {
			count(1, newer-int64(at.next))
		}
	}
	at := w.db.Checkpoints()
	if at[1].Next != newer {
		t.Errorf("partition 1 at %d after %s, expected %d", at[1].Next, w.now-restored, newer)
	}
	if at[0].Next <= older {
		t.Errorf("partition 0 at %d: expected it to be busy", at[0].Next)
	}
	if err := w.db.Check(); err != nil {
		t.Error(err)
	}
	for key, n := range w.db.Rows() {
		if n != 1 {
			t.Errorf("record %s was counted %d times, expected 1", key, n)
		}
	}
}

// checked returns the check that the last step requested, which must be of these partitions.
func (s *script) checked(want ...int32) planner.ResolveRequest {
	s.t.Helper()
	check := the[planner.ResolveRequest](s)
	var got []int32
	for _, m := range check.Advances {
		if m.First != m.Next {
			s.t.Errorf("the check covers %v, expected an empty range", m.Range)
		}
		got = append(got, m.ID)
	}
	if !slices.Equal(got, want) {
		s.t.Errorf("compares partitions %v, expected %v", got, want)
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
		s.foldedAs(offset+1, checkpoint.Audit{Counted: 1})
		s.now += 17 * time.Millisecond
		s.step(planner.Tick{})
		commit := the[planner.CommitRequest](s)
		if len(commit.Advances) != 1 || commit.Advances[0].Range != (checkpoint.Range{Partition: partition(0), First: offset, Next: offset + 1}) {
			t.Fatalf("commits %+v, expected offset %d of partition 0 alone", commit.Advances, offset)
		}
		s.step(planner.CommitResult{Op: commit.Op})
		for _, x := range s.out {
			if _, ok := x.(planner.ResolveRequest); !ok {
				continue
			}
			check := s.checked(0, 1)
			if check.Advances[0].Next != offset+1 || check.Advances[1].Next != 0 {
				t.Errorf("compares partitions at %d and %d, expected %d and 0", check.Advances[0].Next, check.Advances[1].Next, offset+1)
			}
			if s.now-last > l.Recheck {
				t.Errorf("partition 1 was not compared for %s, expected at most %v", s.now-last, l.Recheck)
			}
			last, checks = s.now, checks+1
			s.step(planner.ResolveResult{Op: check.Op, Outcome: planner.Committed})
		}
	}
	if s.now-last > l.Recheck || checks < 8 || checks > 13 { // 50 ticks of 20 ms
		t.Errorf("%d checks, the last one %s ago; expected at most %v, at least 8 and at most 13", checks, s.now-last, l.Recheck)
	}
}
