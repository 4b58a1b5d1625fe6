package batch_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/batch/sinktest"
	"github.com/sluice-etl/sluice/checkpoint"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const topicName = "logs"

func partition(id int) checkpoint.Partition {
	return checkpoint.Partition{Topic: topicName, ID: int32(id)}
}

// place is where a partition is fetched.
type place struct {
	fetchID, next uint64
	paused        bool
}

// logSource is a Source with logs in memory: it assigns all partitions at once, and delivers what is positioned.
type logSource struct {
	topic batch.Topic
	logs  [][]batch.Record // by partition; offsets that are missing are gaps
	ends  []int64
	whole bool // a piece is all that there is

	mu       sync.Mutex // guards what follows
	at       map[checkpoint.Partition]*place
	released int
	wake     chan struct{}
}

func newLogSource(logs [][]batch.Record, ends []int64) *logSource {
	n := len(logs)
	return &logSource{
		topic: batch.Topic{Name: topicName, ID: checkpoint.TopicID{1}, Starts: make([]int64, n), Firsts: make([]int64, n)},
		logs:  logs, ends: ends, at: map[checkpoint.Partition]*place{}, wake: make(chan struct{}, 1),
	}
}

func (s *logSource) Run(ctx context.Context, listener batch.RebalanceListener) error {
	var ids []int32
	var all []checkpoint.Partition
	for id := range s.logs {
		ids = append(ids, int32(id))
		all = append(all, partition(id))
	}
	listener.Assigned(s.topic, ids)
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-s.wake:
		}
		for id := range s.logs {
			for f := s.next(id); f != nil && ctx.Err() == nil; f = s.next(id) {
				listener.Fetched(*f)
			}
		}
	}
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	listener.Revoked(bounded, all, false)
	return bounded.Err()
}

// next returns the next piece of a partition, of up to 100 offsets.
func (s *logSource) next(id int) *batch.Fetched {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := s.at[partition(id)]
	if at == nil || at.paused || int64(at.next) >= s.ends[id] {
		return nil
	}
	first := int64(at.next)
	next := min(first+100, s.ends[id])
	if s.whole {
		next = s.ends[id]
	}
	at.next = uint64(next)
	f := &batch.Fetched{
		Range:   checkpoint.Range{Partition: partition(id), First: first, Next: next},
		FetchID: at.fetchID, Bytes: 1000, Release: s.release,
	}
	o := first
	for _, r := range s.logs[id] {
		if r.Offset >= first && r.Offset < next {
			if r.Offset > o {
				f.Gaps = append(f.Gaps, checkpoint.Range{Partition: partition(id), First: o, Next: r.Offset})
			}
			f.Records = append(f.Records, r)
			o = r.Offset + 1
		}
	}
	if o < next {
		f.Gaps = append(f.Gaps, checkpoint.Range{Partition: partition(id), First: o, Next: next})
	}
	s.released--
	return f
}

func (s *logSource) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.released++
}

func (s *logSource) Confirm(_ context.Context, p []checkpoint.Partition) ([]checkpoint.Partition, error) {
	return p, nil
}

func (s *logSource) Position(moves []batch.Position) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, x := range moves {
		switch at := s.at[x.Partition]; x.Action {
		case batch.Fetch:
			s.at[x.Partition] = &place{fetchID: x.FetchID, next: uint64(x.Next), paused: at != nil && at.paused}
		case batch.Remove:
			delete(s.at, x.Partition)
		case batch.Pause, batch.Resume:
			if at != nil {
				at.paused = x.Action == batch.Pause
			}
		case batch.Mirror:
		}
	}
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// countFold counts values; "bad" ones are dead, "skip" ones filtered.
type countFold struct {
	delta    sinktest.Delta
	rejected []batch.RejectedRow
}

func newCountFold() batch.Fold[sinktest.Delta] { return &countFold{delta: sinktest.Delta{}} }

func (f *countFold) Add(p checkpoint.Partition, records []batch.Record, tally *batch.Tally) int64 {
	for _, r := range records {
		v := string(r.Value)
		reason := ""
		if v == "bad" {
			reason = "it is bad"
		}
		for _, x := range f.rejected {
			if string(x.Key) == v && r.Offset < x.Until[p] {
				reason = x.Reason
			}
		}
		switch {
		case reason != "":
			tally.Dead = append(tally.Dead, batch.DeadLetter{Partition: p, Offset: r.Offset, Reason: reason, Value: r.Value})
		case v == "skip":
			tally.Filtered++
		default:
			tally.Counted++
			f.delta[v]++
		}
	}
	return int64(100 * len(f.delta))
}

func (f *countFold) Take() sinktest.Delta {
	d := f.delta
	f.delta = sinktest.Delta{}
	return d
}

func (f *countFold) Restore(_ context.Context, _ []checkpoint.Checkpoint, rejected []batch.RejectedRow) error {
	f.delta, f.rejected = sinktest.Delta{}, rejected
	return nil
}

// drive runs an engine on src until done reports true, then stops it.
func drive(t *testing.T, cfg batch.Config, src *logSource, sink batch.Sink[sinktest.Delta], done func(*batch.Engine[sinktest.Delta]) bool) {
	t.Helper()
	driveFold(t, cfg, src, sink, newCountFold, done)
}

// driveFold is like drive, with another fold.
func driveFold(t *testing.T, cfg batch.Config, src *logSource, sink batch.Sink[sinktest.Delta], newFold func() batch.Fold[sinktest.Delta], done func(*batch.Engine[sinktest.Delta]) bool) {
	t.Helper()
	e := batch.New(cfg, src, sink, newFold, nil, nil)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	deadline := time.NewTimer(30 * time.Second)
	defer deadline.Stop()
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for !done(e) {
		select {
		case err := <-ended:
			t.Fatalf("Run ended early: %v", err)
		case <-deadline.C:
			t.Fatalf("timeout: %+v", e.Status(ctx))
		case <-look.C:
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Fatalf("Run: %v", err)
	}
	if src.released != 0 {
		t.Errorf("%d pieces were not released", -src.released)
	}
}

func reached(sink *sinktest.Memory, ends []int64) func(*batch.Engine[sinktest.Delta]) bool {
	return func(*batch.Engine[sinktest.Delta]) bool {
		at := sink.Checkpoints()
		for _, c := range at {
			if c.Next != ends[c.ID] {
				return false
			}
		}
		return len(at) == len(ends)
	}
}

func testConfig() batch.Config {
	cfg := batch.DefaultConfig()
	cfg.Interval, cfg.Tasks, cfg.Recheck = 20*time.Millisecond, 2, 50*time.Millisecond
	return cfg
}

// TestP2_EngineCountsOnceUnderFaults drives the real engine, workers included, with a database that fails one call in
// four with every kind of fault.
func TestP2_EngineCountsOnceUnderFaults(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	var logs [][]batch.Record
	var ends []int64
	want := sinktest.Delta{}
	wantDead := 0
	for range 5 {
		var log []batch.Record
		for o := range int64(4000) {
			if r.IntN(9) == 0 {
				continue
			}
			v := fmt.Sprintf("word%d", r.IntN(200))
			switch r.IntN(50) {
			case 0:
				v = "bad"
			case 1:
				v = "skip"
			}
			switch {
			case v == "bad" || v == "word7":
				wantDead++
			case v != "skip":
				want[v]++
			}
			log = append(log, batch.Record{Offset: o, Value: []byte(v)})
		}
		logs = append(logs, log)
		ends = append(ends, 4000)
	}
	sink := sinktest.NewMemory()
	sink.Reject(func(key string) string {
		if key == "word7" {
			return "no sevens"
		}
		return ""
	})
	faults := 200
	sink.Faults(func(sinktest.Op) sinktest.Fault { // called under a lock
		if faults == 0 || r.IntN(4) != 0 {
			return sinktest.None
		}
		faults--
		return sinktest.Fault(1 + r.IntN(int(sinktest.Block)))
	})
	cfg := testConfig()
	cfg.MaxRecords = 700
	drive(t, cfg, newLogSource(logs, ends), sink, reached(sink, ends))
	if err := sink.Check(); err != nil {
		t.Error(err)
	}
	rows := sink.Rows()
	for k, n := range want {
		if rows[k] != n {
			t.Errorf("%s was counted %d times, expected %d", k, rows[k], n)
		}
	}
	if rows["word7"] != 0 || len(rows) != len(want) {
		t.Errorf("got %d rows, expected %d; word7 has %d", len(rows), len(want), rows["word7"])
	}
	if n := len(sink.Dead()); n != wantDead {
		t.Errorf("%d dead letters, expected %d", n, wantDead)
	}
}

// TestP20_TooManyDead: if no record was counted yet, 1,000 dead records stop their partition, and none of them is
// written.
func TestP20_TooManyDead(t *testing.T) {
	var log []batch.Record
	for o := range int64(2000) {
		v := "bad"
		if o%3 == 0 {
			v = "skip"
		}
		log = append(log, batch.Record{Offset: o, Value: []byte(v)})
	}
	sink := sinktest.NewMemory()
	cfg := testConfig()
	cfg.Interval, cfg.Recheck = 100*time.Millisecond, time.Hour
	drive(t, cfg, newLogSource([][]batch.Record{log}, []int64{2000}), sink, func(e *batch.Engine[sinktest.Delta]) bool {
		p := e.Status(t.Context()).Partitions
		return len(p) == 1 && p[0].State == "stopped" && len(e.Health().Stopped) == 1
	})
	if len(sink.Rows()) != 0 || len(sink.Dead()) != 0 || sink.Checkpoints()[0].Next != 0 {
		t.Errorf("something was written: %v, %d dead letters, %v; expected no rows, no dead letters and the first checkpoint at 0", sink.Rows(), len(sink.Dead()), sink.Checkpoints())
	}
}

// TestP20_ManyInvalidRecordsOfOneSenderStopNoPartition: one sender's 30,000 lines of junk are among good ones in all 12
// partitions. All good ones are counted, and each dead record is in the audit. Some dead letters are stored, and
// represent the others.
func TestP20_ManyInvalidRecordsOfOneSenderStopNoPartition(t *testing.T) {
	const partitions, each, junk = 12, 3000, 2500 // records of a partition, and how many of them are junk
	var logs [][]batch.Record
	var ends []int64
	for p := range partitions {
		var log []batch.Record
		for o := range int64(each) {
			v := "bad"
			if o < 100 || o >= 100+junk {
				v = fmt.Sprint("good ", p)
			}
			log = append(log, batch.Record{Offset: o, Value: []byte(v)})
		}
		logs, ends = append(logs, log), append(ends, each)
	}
	for _, test := range []struct {
		rate          int64
		least, atMost int
	}{
		{rate: 0, least: partitions * junk, atMost: partitions * junk},
		{rate: 100, least: partitions, atMost: partitions * junk / 2},
	} {
		t.Run(fmt.Sprint("rate ", test.rate), func(t *testing.T) {
			sink := sinktest.NewMemory()
			cfg := testConfig()
			cfg.DeadLetterRate = test.rate
			stopped := false
			drive(t, cfg, newLogSource(logs, ends), sink, func(e *batch.Engine[sinktest.Delta]) bool {
				stopped = stopped || len(e.Health().Stopped) > 0
				return reached(sink, ends)(e)
			})
			if stopped {
				t.Error("a partition stopped")
			}
			for p := range partitions {
				if n := sink.Rows()[fmt.Sprint("good ", p)]; n != each-junk {
					t.Errorf("%d good records of partition %d are counted, expected %d", n, p, each-junk)
				}
			}
			for _, c := range sink.Checkpoints() {
				if want := (checkpoint.Audit{Counted: each - junk, Dead: junk}); c.Audit != want {
					t.Errorf("%s: audit %+v, expected %+v", c.Partition, c.Audit, want)
				}
			}
			represented := map[checkpoint.Partition]int64{}
			for _, d := range sink.Dead() {
				represented[d.Partition] += d.Records
			}
			for p, n := range represented {
				if n != junk {
					t.Errorf("the dead letters of %s represent %d records, expected %d", p, n, junk)
				}
			}
			if n := len(sink.Dead()); n < test.least || n > test.atMost || len(represented) != partitions {
				t.Errorf("%d dead letters of %d partitions are stored, expected from %d to %d", n, len(represented), test.least, test.atMost)
			}
		})
	}
}

// TestP17_TooLargeBatchIsHalved: with a database that accepts three records at most, batches become smaller and
// smaller.
func TestP17_TooLargeBatchIsHalved(t *testing.T) {
	var log []batch.Record
	for o := range int64(100) {
		log = append(log, batch.Record{Offset: o, Value: []byte("x")})
	}
	sink := smallSink{Memory: sinktest.NewMemory(), most: 3}
	ends := []int64{100}
	src := newLogSource([][]batch.Record{log}, ends)
	drive(t, testConfig(), src, &sink, reached(sink.Memory, ends))
	if n := sink.Rows()["x"]; n != 100 {
		t.Errorf("counted %d, expected 100", n)
	}
}

type smallSink struct {
	*sinktest.Memory
	most int64
}

func (s *smallSink) Commit(ctx context.Context, b *batch.TaskBatch[sinktest.Delta]) error {
	var n int64
	for _, m := range b.Advances {
		n += m.Len()
	}
	if n > s.most {
		return &checkpoint.Error{Class: checkpoint.ErrTooLarge, Err: fmt.Errorf("%d records", n)}
	}
	return s.Memory.Commit(ctx, b)
}

// TestP31_MemoryPausesFetching: while nothing can be committed, fetching pauses at the task's share of memory.
func TestP31_MemoryPausesFetching(t *testing.T) {
	var log []batch.Record
	for o := range int64(200_000) {
		log = append(log, batch.Record{Offset: o, Value: []byte(fmt.Sprintf("w%d", o))})
	}
	sink := sinktest.NewMemory()
	blocked := true
	sink.Faults(func(op sinktest.Op) sinktest.Fault {
		if blocked && op.Kind == sinktest.Commit {
			return sinktest.Block
		}
		return sinktest.None
	})
	cfg := testConfig()
	cfg.Tasks, cfg.Memory = 1, 1_000_000         // groups of 100 bytes, pieces of 1,000
	cfg.ShutdownTimeout = 100 * time.Millisecond // the blocked commit is abandoned
	src := newLogSource([][]batch.Record{log}, []int64{200_000})
	var last int64
	same := 0
	drive(t, cfg, src, sink, func(e *batch.Engine[sinktest.Delta]) bool {
		p := e.Status(t.Context()).Partitions
		if len(p) != 1 || p[0].Fetched == 0 {
			return false
		}
		if p[0].Fetched == last {
			same++
		} else {
			last, same = p[0].Fetched, 0
		}
		return same > 20
	})
	if last > 60_000 {
		t.Errorf("fetched up to %d while nothing could be committed, expected at most 60000", last)
	}
}

// TestAudit_LostRecordStops: a record that is neither delivered nor seen to be a gap stops its partition, with an error
// that calls it a bug. The other partition continues.
func TestAudit_LostRecordStops(t *testing.T) {
	logs := make([][]batch.Record, 2)
	for id := range logs {
		for o := range int64(50) {
			logs[id] = append(logs[id], batch.Record{Offset: o, Value: []byte("x")})
		}
	}
	sink := sinktest.NewMemory()
	cfg := testConfig()
	cfg.Recheck = time.Hour
	src := &losingSource{newLogSource(logs, []int64{50, 50})}
	var text strings.Builder
	e := batch.New(cfg, batch.Source(src), batch.Sink[sinktest.Delta](sink), newCountFold, logTo(&text), nil)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for {
		at := sink.Checkpoints()
		s := e.Status(ctx).Partitions
		if len(s) == 2 && s[0].State == "stopped" && len(at) == 2 && at[1].Next == 50 {
			break
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			t.Fatalf("timeout: %+v %+v", s, at)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if at := sink.Checkpoints()[0]; at.Next != 0 {
		t.Errorf("the partition with a lost record moved to %d, expected 0", at.Next)
	}
	if !strings.Contains(text.String(), "BUG: logs/0 [0,50) up to 50 holds 49 records and 0 gaps") {
		t.Errorf("the log does not report the lost record: %s", text.String())
	}
}

// losingSource drops the third record of partition 0.
type losingSource struct{ *logSource }

func (s *losingSource) Run(ctx context.Context, listener batch.RebalanceListener) error {
	return s.logSource.Run(ctx, losingListener{listener})
}

type losingListener struct{ batch.RebalanceListener }

func (o losingListener) Fetched(f batch.Fetched) {
	if f.ID == 0 && f.Err == nil {
		f.Records = append(f.Records[:2:2], f.Records[3:]...)
	}
	o.RebalanceListener.Fetched(f)
}

func logTo(w *strings.Builder) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }
