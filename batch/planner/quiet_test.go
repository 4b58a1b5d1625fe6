package planner_test

import (
	"testing"
	"time"

	"github.com/sluice-etl/sluice/batch/planner"
)

// rest performs everything that is under way in a process.
func (p *process) rest() {
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

// TestP2_AnOlderStateOfAQuietPartition restores a state that differs in partition 1 alone, while partition 0 of the same
// task is committed at every tick. The fences of partition 0 match all the time. Within Recheck partition 1 is compared,
// rewound, and its lost records are counted again.
func TestP2_AnOlderStateOfAQuietPartition(t *testing.T) {
	t.Parallel()
	const recheck, tick, older, newer = 200 * time.Millisecond, 10 * time.Millisecond, 40, 60
	w := newWorld(2, 1, 10_000, planner.Limits{
		Tasks: 1, MaxRecords: 1000, MaxBytes: 1 << 20, Memory: 1 << 20, DeadLetterStop: 1, Recheck: recheck,
	}, t.Fatalf)
	w.move(0, 0, false)
	w.move(1, 0, false)
	p := w.procs[0]
	p.rest()
	count := func(id int, n int64) {
		p.fetch(id, n)
		p.rest()
		w.now += tick
		p.post(planner.Tick{})
		p.rest()
	}
	count(0, older)
	count(1, older)
	state := w.db.Copy()
	count(1, newer-older)
	if at := w.db.Checkpoints(); at[0].Next != older || at[1].Next != newer {
		t.Fatalf("partitions at %d and %d, want %d and %d", at[0].Next, at[1].Next, older, newer)
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
		t.Errorf("partition 1 at %d after %s, want %d", at[1].Next, w.now-restored, newer)
	}
	if at[0].Next <= older {
		t.Errorf("partition 0 at %d: it was to be busy", at[0].Next)
	}
	if err := w.db.Check(); err != nil {
		t.Error(err)
	}
	for key, n := range w.db.Rows() {
		if n != 1 {
			t.Errorf("record %s was counted %d times", key, n)
		}
	}
}
