package kafkaio

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/checkpoint"
)

// fillAt produces a record with each of these timestamps, in milliseconds, in a batch of its own.
func fillAt(t *testing.T, cl *kgo.Client, partition int32, millis ...int64) {
	t.Helper()
	for _, at := range millis {
		r := &kgo.Record{Partition: partition, Timestamp: time.UnixMilli(at), Value: fmt.Appendf(nil, "at %d", at)}
		if err := cl.ProduceSync(t.Context(), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
}

// Times are turned into offsets of each partition: from inclusive, to exclusive.
func TestReplay_rangesOfTimes(t *testing.T) {
	t.Parallel()
	c := broker(t)
	makeTopics(t, c, 3, map[string]string{"message.timestamp.type": "CreateTime"})
	cl := client(t, c, manual())
	base := time.Now().Add(-time.Hour).UnixMilli()
	fillAt(t, cl, 0, base, base+1000, base+1000, base+2000, base+3000)
	fillAt(t, cl, 1, base+5000)
	at := func(ms int64) time.Time { return time.UnixMilli(base + ms) }
	cfg := testConfig(c)
	for _, test := range []struct {
		name     string
		from, to time.Time
		want     string
	}{
		{"all", time.Time{}, time.Time{}, "[logs/0 [0,5) logs/1 [0,1) logs/2 [0,0)]"},
		{"from is inclusive, to exclusive", at(1000), at(3000), "[logs/0 [1,4) logs/1 [0,0) logs/2 [0,0)]"},
		{"between records", at(1001), at(2001), "[logs/0 [3,4) logs/1 [0,0) logs/2 [0,0)]"},
		{"behind all records", at(9000), time.Time{}, "[logs/0 [5,5) logs/1 [1,1) logs/2 [0,0)]"},
		{"no end", at(2500), time.Time{}, "[logs/0 [4,5) logs/1 [0,1) logs/2 [0,0)]"},
	} {
		id, ranges, err := FindRanges(t.Context(), cfg, test.from, test.to, nil)
		if got := fmt.Sprint(ranges); err != nil || got != test.want || id != checkpoint.TopicID(c.TopicInfo("logs").TopicID) {
			t.Errorf("%s: got %s of topic %v and error %v, expected %s", test.name, got, id, err, test.want)
		}
	}
}

// Records that arrive while the ranges are found are in no range that they do not belong to, and move the end of none
// beyond another record: whichever request they precede.
func TestReplay_rangesOfAGrowingLog(t *testing.T) {
	t.Parallel()
	base := time.Now().Add(-time.Hour).UnixMilli()
	from, to := base+1000, base+2000
	for _, test := range []struct {
		to                time.Time
		before, arriving  []int64
		first, next, upTo int64 // the range is [first, next), or up to [first, upTo) if arriving records may belong to it
	}{
		{time.UnixMilli(to), nil, []int64{to}, 0, 0, 0},
		{time.UnixMilli(to), []int64{base}, []int64{from, to}, 1, 1, 2},
		{time.UnixMilli(to), []int64{base}, []int64{to, to}, 1, 1, 1},
		{time.UnixMilli(to), []int64{base, from}, []int64{from, to}, 1, 2, 3},
		{time.UnixMilli(to), []int64{base, from, to}, []int64{to}, 1, 2, 2},
		{time.Time{}, []int64{base}, []int64{base, from}, 1, 1, 3},
		{time.Time{}, []int64{base, from}, []int64{to}, 1, 2, 3},
	} {
		requests := 1
		for k := 0; k < requests; k++ {
			c := broker(t)
			makeTopics(t, c, 1, map[string]string{"message.timestamp.type": "CreateTime"})
			cl := client(t, c, manual())
			fillAt(t, cl, 0, test.before...)
			n := 0
			c.ControlKey(int16(kmsg.ListOffsets), func(kmsg.Request) (kmsg.Response, error, bool) {
				c.KeepControl()
				if n++; n == k+1 {
					c.SleepControl(func() { fillAt(t, cl, 0, test.arriving...) })
				}
				return nil, nil, false
			})
			_, ranges, err := FindRanges(t.Context(), testConfig(c), time.UnixMilli(from), test.to, nil)
			if err != nil || len(ranges) != 1 {
				t.Fatalf("%v before %v, %d: %v, %v", test.before, test.arriving, k, ranges, err)
			}
			requests = n
			log := append(slices.Clone(test.before), test.arriving...)
			r := ranges[0]
			if r.First < test.first || r.Next < test.next || r.Next > test.upTo && r.Len() > 0 {
				t.Errorf("%v, and %v before request %d: the range is %v, expected [%d,%d) to [%d,%d)", test.before, test.arriving, k, r, test.first, test.next, test.first, test.upTo)
			}
			for i := r.First; i < r.Next; i++ {
				if log[i] < from || !test.to.IsZero() && log[i] >= to {
					t.Errorf("%v, and %v before request %d: the range %v has the record at %d", test.before, test.arriving, k, r, i)
				}
			}
		}
		if requests < 4 {
			t.Errorf("%d requests, expected at least 4", requests)
		}
	}
}

// What a transaction leaves is no record at which a range begins or ends: neither aborted records, nor the marker of a
// transaction, which has the broker's time. The records of an open transaction are not decided, and count.
func TestReplay_rangesOfTransactions(t *testing.T) {
	t.Parallel()
	c := broker(t)
	makeTopics(t, c, 1, map[string]string{"message.timestamp.type": "CreateTime"})
	plain, txn := client(t, c, manual()), client(t, c, manual(), kgo.TransactionalID("t"))
	base := time.Now().Add(-time.Hour).UnixMilli()
	in := func(end kgo.TransactionEndTry, millis ...int64) {
		if err := txn.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		fillAt(t, txn, 0, millis...)
		if err := txn.EndTransaction(t.Context(), end); err != nil {
			t.Fatal(err)
		}
	}
	fillAt(t, plain, 0, base, base+1000) // 0, 1
	in(kgo.TryAbort, base+5000)          // 2, marker 3
	fillAt(t, plain, 0, base+2000)       // 4
	in(kgo.TryCommit, base+3000)         // 5, marker 6
	fillAt(t, plain, 0, base+4000)       // 7
	in(kgo.TryAbort, base+9000)          // 8, marker 9
	at := func(ms int64) time.Time { return time.UnixMilli(base + ms) }
	check := func(from, to time.Time, want string) {
		t.Helper()
		_, ranges, err := FindRanges(t.Context(), testConfig(c), from, to, nil)
		if got := fmt.Sprint(ranges); err != nil || got != want {
			t.Errorf("from %v to %v: got %s and error %v, expected %s", from, to, got, err, want)
		}
	}
	check(at(0), at(2000), "[logs/0 [0,4)]")
	check(at(2000), at(3000), "[logs/0 [4,5)]")
	check(at(3000), at(4000), "[logs/0 [5,7)]")
	check(at(4000), at(5000), "[logs/0 [7,10)]")
	check(at(4500), at(5000), "[logs/0 [10,10)]")
	check(at(8000), time.Time{}, "[logs/0 [10,10)]")

	if err := txn.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	fillAt(t, txn, 0, base+4500)              // 10, open
	fillAt(t, plain, 0, base+4600, base+6000) // 11, 12
	check(at(4000), at(4500), "[logs/0 [7,10)]")
	check(at(4000), at(4600), "[logs/0 [7,11)]")
	check(at(4000), at(5000), "[logs/0 [7,12)]")
	check(at(4000), time.Time{}, "[logs/0 [7,10)]")
	if err := txn.EndTransaction(t.Context(), kgo.TryCommit); err != nil {
		t.Fatal(err)
	}
	check(at(4000), at(4600), "[logs/0 [7,11)]")
}

// A start whose records may be deleted is refused, with the time from which all records are left.
func TestReplay_deletedStart(t *testing.T) {
	t.Parallel()
	c := broker(t)
	makeTopics(t, c, 2, map[string]string{"message.timestamp.type": "CreateTime"})
	cl := client(t, c, manual())
	base := time.Date(2026, 11, 28, 10, 0, 0, 0, time.UTC).UnixMilli()
	fillAt(t, cl, 0, base, base+1000, base+2000)
	if err := c.DeleteRecords("logs", 0, 1); err != nil {
		t.Fatal(err)
	}
	cfg := testConfig(c)
	for _, from := range []int64{-5, 500, 1000} {
		_, _, err := FindRanges(t.Context(), cfg, time.UnixMilli(base+from), time.Time{}, nil)
		if !errors.Is(err, checkpoint.ErrRefused) || !strings.Contains(err.Error(), "logs/0: begin after 2026-11-28T10:00:01.000Z") {
			t.Errorf("from %d: got %v, expected a refusal that says from which time on records are left", from, err)
		}
	}
	for _, from := range []time.Time{{}, time.UnixMilli(base + 1001)} {
		if _, ranges, err := FindRanges(t.Context(), cfg, from, time.Time{}, nil); err != nil || ranges[0].Next != 3 {
			t.Errorf("from %v: got %v and error %v, expected ranges that end at 3", from, ranges, err)
		}
	}
	if err := c.DeleteRecords("logs", 0, 3); err != nil {
		t.Fatal(err)
	}
	_, _, err := FindRanges(t.Context(), cfg, time.UnixMilli(base+1500), time.Time{}, nil)
	if !errors.Is(err, checkpoint.ErrRefused) || !strings.Contains(err.Error(), "begin at earliest") {
		t.Errorf("a log without records: got %v, expected a refusal", err)
	}
}

// ranged runs a Source of ranges of one partition, positioned at next.
func ranged(t *testing.T, cfg Config, next, end int64) *owner {
	t.Helper()
	cfg.Ranges = []checkpoint.Range{{Partition: checkpoint.Partition{Topic: "logs"}, First: next, Next: end}}
	s, err := NewSource(cfg, fmt.Sprint("job", end), testLog(), nil)
	if err != nil {
		t.Fatal(err)
	}
	o := newOwner(t, s)
	o.from = func(int32) batch.Position { return batch.Position{Next: next, LeaderEpoch: -1} }
	start(t, func(ctx context.Context) error { return s.Run(ctx, o) })
	return o
}

// wantRange expects that exactly the offsets before end arrive, and that the source is idle then.
func wantRange(t *testing.T, o *owner, end int64, records int) {
	t.Helper()
	eventually(t, fmt.Sprintf("everything up to %d", end), func() bool { return o.at(0).next >= end || o.at(0).err != nil })
	state := make(chan partitionState)
	o.src.inbox.put(func(f *fetcher) { state <- f.partitions[0].state })
	if got := <-state; got != finished {
		t.Errorf("the partition is in state %d, expected that it is finished (%d)", got, finished)
	}
	got := o.at(0)
	if got.err != nil || got.next != end || len(got.offsets) != records {
		t.Errorf("got %d records up to %d, gaps %v, and error %v; expected %d records up to %d", len(got.offsets), got.next, got.gaps, got.err, records, end)
	}
	if l := o.src.Lag(); len(l) != 1 || l[0].End > end || l[0].Records() != 0 {
		t.Errorf("the lag is %v, expected none before %d", l, end)
	}
}

// Nothing at or beyond the end of a range is delivered, although the log continues: in the middle of a batch, at its
// end, and after a rewind.
func TestReplay_endsWithinTheLog(t *testing.T) {
	t.Parallel()
	c := broker(t)
	makeTopics(t, c, 1, nil)
	cl := client(t, c, manual())
	fill(t, cl, 0, 0, 100)
	fill(t, cl, 0, 100, 200)
	id := checkpoint.TopicID(c.TopicInfo("logs").TopicID)
	for _, end := range []int64{1, 57, 100, 101, 200} {
		cfg := testConfig(c)
		cfg.TopicID = id
		o := ranged(t, cfg, 0, end)
		wantRange(t, o, end, int(end))
		o.src.Position([]batch.Position{{Partition: checkpoint.Partition{Topic: "logs"}, Action: batch.Pause}})
		o.mu.Lock()
		o.position(0, batch.Position{Next: end / 2, LeaderEpoch: -1})
		o.mu.Unlock()
		wantRange(t, o, end, int(end-end/2))
		o.mu.Lock()
		o.position(0, batch.Position{Next: end, LeaderEpoch: 99}) // a finished range is not checked
		o.mu.Unlock()
		wantRange(t, o, end, 0)
	}
}

// A range whose last offsets hold no record ends nevertheless: whether the log ends there or continues, and wherever
// within the gap the range ends.
func TestReplay_endsInAGap(t *testing.T) {
	t.Parallel()
	for _, after := range []int{0, 3} {
		c := broker(t)
		makeTopics(t, c, 1, nil)
		plain, txn := client(t, c, manual()), client(t, c, manual(), kgo.TransactionalID("t"))
		fill(t, plain, 0, 0, 10)
		transaction(t, txn, 5, kgo.TryAbort) // 10..14, marker 15
		fill(t, plain, 0, 0, after)
		cfg := testConfig(c)
		cfg.TopicID = checkpoint.TopicID(c.TopicInfo("logs").TopicID)
		for _, end := range []int64{10, 11, 14, 15, 16} {
			o := ranged(t, cfg, 0, end)
			wantRange(t, o, end, 10)
		}
	}
}

// A range ends within a tail that is scanned because the client returns nothing of it.
func TestReplay_endsInAScannedTail(t *testing.T) {
	t.Parallel()
	c := broker(t)
	makeTopics(t, c, 1, nil)
	plain, txn := client(t, c, manual()), client(t, c, manual(), kgo.TransactionalID("t"))
	fill(t, plain, 0, 0, 50)
	cfg := testConfig(c)
	cfg.TopicID = checkpoint.TopicID(c.TopicInfo("logs").TopicID)
	o := ranged(t, cfg, 0, 75)
	eventually(t, "the records", func() bool { return o.at(0).next == 50 })
	pauseClient(t, o.src)
	transaction(t, txn, 50, kgo.TryAbort) // 50..99, marker 100
	wantRange(t, o, 75, 50)
}

// A partition that the topic gained later is no part of the ranges, and a topic that was recreated is refused.
func TestReplay_otherPartitionsAndTopics(t *testing.T) {
	t.Parallel()
	c := broker(t)
	makeTopics(t, c, 2, nil)
	cl := client(t, c, manual())
	fill(t, cl, 0, 0, 10)
	fill(t, cl, 1, 0, 10)
	cfg := testConfig(c)
	cfg.TopicID = checkpoint.TopicID(c.TopicInfo("logs").TopicID)
	o := ranged(t, cfg, 2, 7)
	wantRange(t, o, 7, 5)
	if got := o.has(); len(got) != 1 || len(o.topic.Starts) != 1 || o.topic.Starts[0] != 2 {
		t.Errorf("assigned %v of %v, expected partition 0 from offset 2", got, o.topic)
	}
	cfg.TopicID[0]++
	cfg.Ranges = []checkpoint.Range{{Partition: checkpoint.Partition{Topic: "logs"}, Next: 7}}
	s, err := NewSource(cfg, "other", testLog(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Run(t.Context(), newOwner(t, s)); !errors.Is(err, checkpoint.ErrRefused) || !strings.Contains(err.Error(), "the replay began with a topic") {
		t.Errorf("got %v, expected a refusal of the other topic", err)
	}
}
