package kafkaio

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/checkpoint"
)

func TestSource_readsRecords(t *testing.T) {
	t.Parallel()
	c := broker(t)
	makeTopics(t, c, 3, nil)
	cl := client(t, c, manual())
	for p := range int32(3) {
		fill(t, cl, p, 0, 100)
	}
	o, stop := source(t, testConfig(c))
	for p := range int32(3) {
		eventually(t, "all records", func() bool { return o.at(p).next == 100 })
		if got := o.at(p); len(got.offsets) != 100 || got.values[99] != "record 99" || len(got.gaps) != 0 || got.epoch < 0 {
			t.Errorf("partition %d: %d records, gaps %v, epoch %d; expected 100 records, the last %q, no gaps and an epoch of at least 0", p, len(got.offsets), got.gaps, got.epoch, "record 99")
		}
	}
	fill(t, cl, 1, 100, 110)
	eventually(t, "what came later", func() bool { return o.at(1).next == 110 })
	stop()
	if o.revokes == 0 || len(o.has()) != 0 {
		t.Errorf("after the end: %d revocations, still owns %v; expected some revocations and no partition", o.revokes, o.has())
	}
}

// atStart positions partition 0 once at the given position.
func atStart(t *testing.T, cfg Config, m batch.Position) *owner {
	t.Helper()
	s, err := NewSource(cfg, "job", testLog(), nil)
	if err != nil {
		t.Fatal(err)
	}
	o := newOwner(t, s)
	o.from = func(int32) batch.Position { return m }
	start(t, func(ctx context.Context) error { return s.Run(ctx, o) })
	return o
}

func wantStop(t *testing.T, o *owner, next int64, text string) {
	t.Helper()
	eventually(t, "the partition stops", func() bool { return o.at(0).err != nil })
	got := o.at(0)
	var e *checkpoint.Error
	if !errors.Is(got.err, checkpoint.ErrRefused) || !errors.As(got.err, &e) || len(e.Partitions) != 1 {
		t.Errorf("stopped with %v, expected class ErrRefused and one partition", got.err)
	}
	if !strings.Contains(got.err.Error(), text) {
		t.Errorf("stopped with %q, expected it to say %q", got.err, text)
	}
	if got.next != next {
		t.Errorf("stopped at %d, expected %d", got.next, next)
	}
}

func TestP27_checkedBeforeFetched(t *testing.T) {
	t.Parallel()
	c := broker(t)
	makeTopics(t, c, 1, nil)
	fill(t, client(t, c, manual()), 0, 0, 200)
	if err := c.DeleteRecords("logs", 0, 150); err != nil {
		t.Fatal(err)
	}
	epoch := c.PartitionInfo("logs", 0).Epoch
	for _, test := range []struct {
		name string
		m    batch.Position
		text string
	}{
		{"log start passed", batch.Position{Next: 100, LeaderEpoch: epoch}, "records 100..149 are deleted"},
		{"log truncated", batch.Position{Next: 500, LeaderEpoch: -1}, "records 200..499 are missing"},
		{"unknown leader epoch", batch.Position{Next: 160, LeaderEpoch: 7}, "leader epoch 7, which Kafka no longer knows"},
		{"P4 another topic ID", batch.Position{Next: 160, LeaderEpoch: epoch, TopicID: checkpoint.TopicID{1}}, "topic ID is"},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := atStart(t, testConfig(c), test.m)
			wantStop(t, o, test.m.Next, test.text)
			if n := len(o.at(0).offsets); n != 0 {
				t.Errorf("%d records were delivered, expected 0", n)
			}
		})
	}
}

func TestP27_epochEndsBeforeNext(t *testing.T) {
	t.Parallel()
	c := broker(t)
	makeTopics(t, c, 1, nil)
	fill(t, client(t, c, manual()), 0, 0, 200)
	answerEpoch(c, 0, 90)
	o := atStart(t, testConfig(c), batch.Position{Next: 100, LeaderEpoch: 0})
	wantStop(t, o, 100, "records 90..99 are missing or were replaced")
}

func TestP27_logStartPassedWhileRunning(t *testing.T) {
	t.Parallel()
	c := broker(t)
	makeTopics(t, c, 1, nil)
	cl := client(t, c, manual())
	fill(t, cl, 0, 0, 100)
	o, _ := source(t, testConfig(c))
	eventually(t, "records", func() bool { return o.at(0).next == 100 })
	fetchAgain := holdFetches(t, c) // else the broker may reply to a fetch that waits, before the records are deleted
	fill(t, cl, 0, 100, 200)
	if err := c.DeleteRecords("logs", 0, 150); err != nil {
		t.Fatal(err)
	}
	fetchAgain()
	wantStop(t, o, 100, "records 100..149 are deleted")

	// An operator moves the checkpoint: fetching continues from there.
	o.mu.Lock()
	o.position(0, batch.Position{Next: 150, LeaderEpoch: -1})
	o.mu.Unlock()
	eventually(t, "the rest", func() bool { return o.at(0).next == 200 })
}

func TestP4_topicRecreatedWhileRunning(t *testing.T) {
	t.Parallel()
	c := broker(t)
	makeTopics(t, c, 1, nil)
	fill(t, client(t, c, manual()), 0, 0, 100)
	o, _ := source(t, testConfig(c))
	eventually(t, "records", func() bool { return o.at(0).next == 100 })
	if err := c.DeleteTopic("logs"); err != nil {
		t.Fatal(err)
	}
	if err := c.CreateTopic("logs", 1, nil); err != nil {
		t.Fatal(err)
	}
	fill(t, client(t, c, manual()), 0, 0, 300)
	wantStop(t, o, 100, "topic ID is")
	if n := len(o.at(0).offsets); n != 100 {
		t.Errorf("%d records were delivered, expected the first topic's 100", n)
	}
	// An operator accepts the new topic while the process runs: the next claim must be of that topic.
	want := checkpoint.TopicID(c.TopicInfo("logs").TopicID)
	eventually(t, "the new topic's id", func() bool {
		o.mu.Lock()
		defer o.mu.Unlock()
		return o.topic.ID == want
	})
	o.mu.Lock()
	o.position(0, batch.Position{Next: 0, LeaderEpoch: -1, TopicID: want})
	o.mu.Unlock()
	eventually(t, "the new topic's records", func() bool { return o.at(0).next == 300 })
}

func TestP13_rewindOverBufferedRecords(t *testing.T) {
	t.Parallel()
	c := broker(t)
	makeTopics(t, c, 1, nil)
	cl := client(t, c, manual())
	for i := 0; i < 5000; i += 100 {
		fill(t, cl, 0, i, i+100)
	}
	cfg := testConfig(c)
	cfg.FetchMaxPartitionBytes = 4 << 10 // many fetches, so that set-backs meet data in every place
	o, _ := source(t, cfg)
	for i := range 100 {
		eventually(t, "progress", func() bool { return o.at(0).next > 100 || o.at(0).err != nil })
		if err := o.at(0).err; err != nil {
			t.Fatalf("after %d rewinds: %v", i, err)
		}
		o.mu.Lock()
		back := max(o.places[0].next-int64(137*i%1500), 0)
		o.position(0, batch.Position{Next: back, LeaderEpoch: o.places[0].epoch})
		o.mu.Unlock()
	}
	o.mu.Lock()
	o.position(0, batch.Position{Next: 7, LeaderEpoch: 0})
	o.mu.Unlock()
	eventually(t, "the end", func() bool { return o.at(0).next == 5000 || o.at(0).err != nil })
	got := o.at(0)
	if got.err != nil || len(got.offsets) != 4993 || got.offsets[0] != 7 || len(got.gaps) != 0 {
		t.Errorf("after the last rewind: %d records, gaps %v, error %v; expected 4993, got.offsets[0] 7, none and no error", len(got.offsets), got.gaps, got.err)
	}
}

// A position arrives before the client has a cursor; SetOffsets would silently ignore it.
func TestP13_rewindBeforeTheCursor(t *testing.T) {
	t.Parallel()
	c := broker(t)
	makeTopics(t, c, 1, nil)
	fill(t, client(t, c, manual()), 0, 0, 100)
	o := atStart(t, testConfig(c), batch.Position{Next: 100, LeaderEpoch: -1})
	eventually(t, "the position", func() bool { return o.at(0).next == 100 })
	o.mu.Lock()
	o.fetchID++
	o.places[0] = &place{fetchID: o.fetchID, next: 10}
	m := batch.Position{Partition: checkpoint.Partition{Topic: "logs"}, Action: batch.Fetch, FetchID: o.fetchID, Next: 10, LeaderEpoch: -1}
	o.mu.Unlock()
	o.src.inbox.put(func(f *fetcher) {
		p := f.partitions[0]
		p.cancelCall()
		f.removeFromClient(p)
		f.startFetching(p)
		f.apply(m)
	})
	eventually(t, "the records from the new position", func() bool { return o.at(0).next == 100 || o.at(0).err != nil })
	if got := o.at(0); got.err != nil || len(got.offsets) != 90 {
		t.Errorf("%d records, error %v; expected 90 and no error", len(got.offsets), got.err)
	}
}

func TestSource_pauseKeepsThePosition(t *testing.T) {
	t.Parallel()
	c := broker(t)
	makeTopics(t, c, 1, nil)
	cl := client(t, c, manual())
	fill(t, cl, 0, 0, 100)
	o, _ := source(t, testConfig(c))
	eventually(t, "records", func() bool { return o.at(0).next == 100 })
	p := checkpoint.Partition{Topic: "logs"}
	o.src.Position([]batch.Position{{Partition: p, Action: batch.Pause}})
	settle(t, o.src)
	fill(t, cl, 0, 100, 200)
	eventually(t, "the lag is known while paused", func() bool { l := o.src.Lag(); return len(l) == 1 && l[0].Records() == 100 })
	if next := o.at(0).next; next != 100 {
		t.Errorf("paused, and delivered up to %d, expected 100", next)
	}
	o.src.Position([]batch.Position{{Partition: p, Action: batch.Resume}})
	eventually(t, "the rest", func() bool { return o.at(0).next == 200 })
	o.src.Position([]batch.Position{{Partition: p, Action: batch.Remove}})
	settle(t, o.src)
	if l := o.src.Lag(); len(l) != 0 {
		t.Errorf("lag of a removed partition: %v, expected none", l)
	}
}

// settle waits until the inbox's earlier entries are processed.
func settle(t *testing.T, s *Source) {
	t.Helper()
	done := make(chan struct{})
	s.inbox.put(func(*fetcher) { close(done) })
	select {
	case <-done:
	case <-time.After(testTimeout):
		t.Fatal("the fetching goroutine does not read its inbox")
	}
}

func TestP5_startAndFirstOffsets(t *testing.T) {
	t.Parallel()
	c := broker(t)
	makeTopics(t, c, 2, nil)
	cl := client(t, c, manual())
	fill(t, cl, 0, 0, 100)
	if err := c.DeleteRecords("logs", 0, 30); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		start string
		want  int64
	}{
		{"earliest", 30},
		{"latest", 100},
		{"1999-12-31T23:59:59Z", 30},
		{time.Now().Add(time.Hour).Format(time.RFC3339), 100}, // later than the last record: the end
	} {
		cfg := testConfig(c)
		cfg.Start = test.start
		s, err := NewSource(cfg, "job", testLog(), nil)
		if err != nil {
			t.Fatal(err)
		}
		cl, err := s.newFetchClient()
		if err != nil {
			t.Fatal(err)
		}
		adm, err := newAdmin(cfg, s.log, &dials{})
		if err != nil {
			t.Fatal(err)
		}
		got, err := s.topic(t.Context(), adm)
		adm.Close()
		cl.Close()
		if err != nil || got.Starts[0] != test.want || got.Firsts[0] != 30 || got.Starts[1] != 0 || len(got.Starts) != 2 || got.ID == (checkpoint.TopicID{}) {
			t.Errorf("start %s: %+v, %v; expected partition 0 to start at %d", test.start, got, err, test.want)
		}
	}
}

func TestSource_partitionAdded(t *testing.T) {
	t.Parallel()
	c := broker(t)
	makeTopics(t, c, 1, nil)
	o, _ := source(t, testConfig(c))
	eventually(t, "the first assignment", func() bool { return len(o.has()) == 1 })
	adm, err := newAdmin(testConfig(c), orDiscard(nil), &dials{})
	if err != nil {
		t.Fatal(err)
	}
	defer adm.Close()
	if _, err := adm.UpdatePartitions(t.Context(), 3, "logs"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the new partitions", func() bool { return len(o.has()) == 3 })
	fill(t, client(t, c, manual()), 2, 0, 50)
	eventually(t, "records of a new one", func() bool { return o.at(2).next == 50 })
}

func TestSource_transientFetchErrorIsRetried(t *testing.T) {
	t.Parallel()
	c := broker(t)
	makeTopics(t, c, 1, nil)
	cl := client(t, c, manual())
	fill(t, cl, 0, 0, 100)
	o, _ := source(t, testConfig(c))
	eventually(t, "records", func() bool { return o.at(0).next == 100 })
	denyFetch(c)
	fill(t, cl, 0, 100, 200)
	eventually(t, "the rest", func() bool { return o.at(0).next == 200 || o.at(0).err != nil })
	if got := o.at(0); got.err != nil || len(got.offsets) != 200 {
		t.Errorf("%d records, error %v; expected 200 and no error", len(got.offsets), got.err)
	}
}

func TestP4_deletedTopicStops(t *testing.T) {
	t.Parallel()
	c := broker(t)
	makeTopics(t, c, 1, nil)
	s, err := NewSource(testConfig(c), "job", testLog(), nil)
	if err != nil {
		t.Fatal(err)
	}
	adm, err := newAdmin(testConfig(c), s.log, &dials{})
	if err != nil {
		t.Fatal(err)
	}
	defer adm.Close()
	if err := c.DeleteTopic("logs"); err != nil {
		t.Fatal(err)
	}
	err = s.check(t.Context(), adm, storedPosition{Partition: checkpoint.Partition{Topic: "logs"}}, nil)
	if !errors.Is(err, checkpoint.ErrRefused) || !strings.Contains(err.Error(), "no longer exists") {
		t.Errorf("got %v; expected %v and an error that contains %q", err, checkpoint.ErrRefused, "no longer exists")
	}
}
