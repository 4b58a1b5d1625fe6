package planner_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/sluice-etl/sluice/batch/planner"
	"github.com/sluice-etl/sluice/batch/sinktest"
)

// settle has everything happen in turn, without faults, until every partition is counted to its end. A process that
// does not get there hangs.
func settle(w *world) {
	w.db.Faults(nil)
	w.db.Settle()
	w.lose = func() bool { return false }
	for round := range 3000 {
		done := true
		for id := range w.owner {
			if w.owner[id] < 0 { // a graceful move completes when its partition is released
				w.move(id, id%len(w.procs), false)
			}
		}
		for _, p := range w.procs {
			for p.read() {
			}
			for len(p.pending) > 0 {
				p.run(0)
				for p.read() {
				}
			}
			for task := range p.orders {
				for p.work(task) {
				}
			}
			for id := range w.owner {
				p.fetch(id, 50)
			}
			if round%3 == 0 {
				p.post(planner.Tick{})
			}
		}
		w.now += 10 * time.Millisecond
		checkpoints := w.db.Checkpoints()
		for _, c := range checkpoints {
			done = done && c.Next == w.end
		}
		if done && len(checkpoints) == len(w.owner) {
			return
		}
	}
	report := ""
	for _, c := range w.db.Checkpoints() {
		report += fmt.Sprintf("\n%s is at %d of %d, assigned to process %d", c.Partition, c.Next, w.end, w.owner[c.ID])
		for i, p := range w.procs {
			if at := p.at[c.Partition]; at != nil {
				report += fmt.Sprintf(", process %d fetches it %+v", i, *at)
			}
		}
	}
	for i, p := range w.procs {
		report += fmt.Sprintf("\nprocess %d, %d under way:%s", i, len(p.pending), fmt.Sprintf("%+v", p.planner.Status()))
	}
	w.fail("not settled:%s", report)
}

// verify fails the test unless each record was counted once and the audits balance.
func verify(w *world) {
	if err := w.db.Check(); err != nil {
		w.fail("audit: %v", err)
	}
	rows := w.db.Rows()
	for key, n := range rows {
		if n != 1 {
			w.fail("record %s was counted %d times", key, n)
		}
	}
	want := 0
	for o := range w.end {
		if !isGap(o) {
			want += len(w.owner)
		}
	}
	if len(rows) != want {
		w.fail("%d records were counted, expected %d", len(rows), want)
	}
	for _, c := range w.db.Checkpoints() {
		if c.Audit.Counted+c.Audit.Gaps != w.end {
			w.fail("%s: audit %+v for %d offsets", c.Partition, c.Audit, w.end)
		}
	}
}

var (
	seeds    = flag.Uint64("seeds", 1000, "how many interleavings to try")
	onlySeed = flag.Uint64("seed", 0, "try this interleaving alone")
)

// TestP2_ExactlyOnceForAnyInterleaving is the product's central promise, under random interleavings: two processes, a
// group that moves partitions with and without revoking them first, crashes, a database that loses replies, blocks,
// fences and is restored to an older state, and a source that loses records. When everything has settled, each record
// is counted once.
func TestP2_ExactlyOnceForAnyInterleaving(t *testing.T) {
	t.Parallel()
	if *onlySeed != 0 {
		interleave(t, *onlySeed)
		return
	}
	for seed := uint64(1); seed <= *seeds && !t.Failed(); seed++ {
		interleave(t, seed)
	}
}

func interleave(t *testing.T, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 0))
	fail := func(format string, args ...any) {
		t.Helper()
		t.Fatalf("seed %d (repeat: go test ./batch/planner -run TestP2_ -seed %d): %s", seed, seed, fmt.Sprintf(format, args...))
	}
	limit := planner.Limits{
		Tasks: 1 + r.IntN(3), MaxRecords: 1 + r.Int64N(60), MaxBytes: 1 << 20, Memory: 2000 + r.Int64N(40000),
		DeadLetterStop: 0.5, Recheck: 5 * time.Millisecond,
	}
	w := newWorld(1+r.IntN(4), 2, 120, limit, fail)
	faulty := false
	w.db.Faults(func(sinktest.Op) sinktest.Fault {
		if !faulty {
			return sinktest.None
		}
		return sinktest.Fault(r.IntN(int(sinktest.Block) + 1))
	})
	lost := false
	w.lose = func() bool { return lost }
	var older *sinktest.State
	for range 50 + r.IntN(1500) {
		i := r.IntN(len(w.procs))
		p := w.procs[i]
		switch n := r.IntN(100); {
		case n < 40:
			p.read()
		case n < 60:
			if len(p.pending) > 0 {
				faulty = r.IntN(3) == 0
				p.run(r.IntN(len(p.pending)))
				faulty = false
			}
		case n < 75:
			p.work(r.IntN(limit.Tasks))
		case n < 90:
			lost = r.IntN(100) == 0
			p.fetch(r.IntN(len(w.owner)), 1+r.Int64N(40))
			lost = false
		case n < 95:
			p.post(planner.Tick{})
		case n < 98:
			w.move(r.IntN(len(w.owner)), r.IntN(len(w.procs)+1)-1, r.IntN(2) == 0)
		case n < 99:
			if r.IntN(3) == 0 {
				w.crash(i)
			}
		case older == nil && len(w.db.Checkpoints()) == len(w.owner):
			s := w.db.Copy()
			older = &s
		case older != nil:
			w.db.Restore(*older)
			older = nil
		}
	}
	settle(w)
	verify(w)
}

// TestP33_DrainCommitsWhatIsFolded: a process that stops commits what it has folded, and starts nothing new.
func TestP33_DrainCommitsWhatIsFolded(t *testing.T) {
	t.Parallel()
	w := newWorld(2, 1, 100, planner.Limits{Tasks: 1, MaxRecords: 1000, MaxBytes: 1 << 20, Memory: 1 << 20, DeadLetterStop: 1, Recheck: time.Second}, t.Fatalf)
	w.move(0, 0, false)
	w.move(1, 0, false)
	p := w.procs[0]
	p.read()
	p.read()
	for len(p.pending) > 0 {
		p.run(0)
		p.read()
	}
	p.work(0)
	p.fetch(0, 30)
	p.fetch(1, 30)
	p.read()
	p.read()
	p.work(0) // restore
	p.work(0) // the first piece is folded
	p.read()
	p.step(planner.Drain{})
	p.work(0) // the second piece was with the worker
	p.read()
	if p.drained {
		t.Fatal("drained before the batch was committed")
	}
	p.work(0)
	p.run(0)
	p.read()
	if !p.drained {
		t.Fatal("not drained after the commit")
	}
	for _, c := range w.db.Checkpoints() {
		if c.Next != 30 {
			t.Errorf("%s is at %d, expected 30", c.Partition, c.Next)
		}
	}
	if err := w.db.Check(); err != nil {
		t.Error(err)
	}
}
