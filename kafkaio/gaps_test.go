package kafkaio

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/checkpoint"
)

// transaction produces n records in one transaction and ends it.
func transaction(t *testing.T, cl *kgo.Client, n int, end kgo.TransactionEndTry) {
	t.Helper()
	begin(t, cl, n)
	if err := cl.EndTransaction(t.Context(), end); err != nil {
		t.Fatal(err)
	}
}

func begin(t *testing.T, cl *kgo.Client, n int) {
	t.Helper()
	if err := cl.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	fill(t, cl, 0, 0, n)
}

// offsetsWithout returns the offsets below end that are not in the gaps.
func offsetsWithout(end int64, gaps []checkpoint.Range) []int64 {
	var all []int64
	for o := range end {
		if !slices.ContainsFunc(gaps, func(g checkpoint.Range) bool { return g.First <= o && o < g.Next }) {
			all = append(all, o)
		}
	}
	return all
}

func wantOffsets(t *testing.T, o *owner, end int64, gaps ...[2]int64) {
	t.Helper()
	eventually(t, fmt.Sprintf("everything up to %d", end), func() bool { return o.at(0).next == end || o.at(0).err != nil })
	got := o.at(0)
	if got.err != nil {
		t.Fatalf("stopped: %v", got.err)
	}
	var want []checkpoint.Range
	for _, g := range gaps {
		want = append(want, checkpoint.Range{First: g[0], Next: g[1]})
	}
	if all := offsetsWithout(end, want); !slices.Equal(got.offsets, all) {
		t.Errorf("delivered offsets %v, expected %v", got.offsets, all)
	}
}

func TestP27_abortedTransactionsAreGaps(t *testing.T) {
	t.Parallel()
	c := broker(t)
	makeTopics(t, c, 1, nil)
	plain, txn := client(t, c, manual()), client(t, c, manual(), kgo.TransactionalID("t"))
	other := client(t, c, manual(), kgo.TransactionalID("u"))
	fill(t, plain, 0, 0, 100)                                             // 0..99
	begin(t, txn, 10)                                                     // 100..109, aborted below
	fill(t, plain, 0, 0, 1)                                               // 110: a plain record before the marker
	transaction(t, other, 5, kgo.TryCommit)                               // 111..115, marker 116: committed beside an open one
	if err := txn.EndTransaction(t.Context(), kgo.TryAbort); err != nil { // marker 117
		t.Fatal(err)
	}
	fill(t, plain, 0, 0, 1)               // 118
	transaction(t, txn, 3, kgo.TryAbort)  // 119..121, marker 122
	fill(t, plain, 0, 0, 1)               // 123
	transaction(t, txn, 4, kgo.TryCommit) // 124..127, marker 128
	fill(t, plain, 0, 0, 1)               // 129
	o, _ := source(t, testConfig(c))
	wantOffsets(t, o, 130, [2]int64{100, 110}, [2]int64{116, 118}, [2]int64{119, 123}, [2]int64{128, 129})
}

// Transaction markers and aborted batches at the end of the log leave no lag.
func TestP27_markersAtTheEndLeaveNoLag(t *testing.T) {
	t.Parallel()
	c := broker(t)
	makeTopics(t, c, 1, nil)
	plain, txn := client(t, c, manual()), client(t, c, manual(), kgo.TransactionalID("t"))
	fill(t, plain, 0, 0, 50)
	transaction(t, txn, 50, kgo.TryAbort) // 50..99, marker 100
	o, _ := source(t, testConfig(c))
	wantOffsets(t, o, 101, [2]int64{50, 101})
	eventually(t, "no lag", func() bool { l := o.src.Lag(); return len(l) == 1 && l[0].End == 101 && l[0].Records() == 0 })

	transaction(t, txn, 7, kgo.TryCommit) // 101..107, marker 108
	wantOffsets(t, o, 109, [2]int64{50, 101}, [2]int64{108, 109})
	eventually(t, "no lag", func() bool { l := o.src.Lag(); return l[0].End == 109 && l[0].Records() == 0 })
}

// A tail from which the client returns no records is scanned, without relying on the client to return markers.
func TestP27_tailIsScanned(t *testing.T) {
	t.Parallel()
	c := broker(t)
	makeTopics(t, c, 1, nil)
	plain, txn := client(t, c, manual()), client(t, c, manual(), kgo.TransactionalID("t"))
	fill(t, plain, 0, 0, 50)
	o, _ := source(t, testConfig(c))
	wantOffsets(t, o, 50)
	// Only the client is paused; the source's state is still fetching.
	pauseClient(t, o.src)
	transaction(t, txn, 50, kgo.TryAbort) // 50..99, marker 100
	fill(t, plain, 0, 0, 5)               // 101..105
	eventually(t, "the tail's gaps", func() bool { return o.at(0).next == 101 })
	o.src.inbox.put(func(f *fetcher) { f.cl.ResumeFetchPartitions(f.partitions[0].topicPartitions()) })
	wantOffsets(t, o, 106, [2]int64{50, 101})
}

func pauseClient(t *testing.T, s *Source) {
	t.Helper()
	s.inbox.put(func(f *fetcher) { f.cl.PauseFetchPartitions(f.partitions[0].topicPartitions()) })
	settle(t, s)
}

// inject passes records to the fetching goroutine as if a poll had returned them.
func inject(s *Source, offsets ...int64) {
	s.inbox.put(func(f *fetcher) {
		fp := kgo.FetchPartition{}
		for _, o := range offsets {
			fp.Records = append(fp.Records, &kgo.Record{Offset: o, LeaderEpoch: f.partitions[0].leaderEpoch})
		}
		f.polledPartition(&kgo.FetchTopic{Topic: "logs"}, &fp)
	})
}

// A record that is lost between poll and engine is a gap that nothing explains.
func TestP27_lostRecordStops(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		txn    []kgo.TransactionEndTry
		polled []int64
		lost   int64
		text   string
	}{
		{"first of a fetch", nil, []int64{101, 102, 103}, 100, "offsets 100..100 hold records that were not delivered"},
		{"in the middle", nil, []int64{100, 101, 105, 106}, 102, "offsets 102..104 hold records that were not delivered"},
		{"of a committed transaction", []kgo.TransactionEndTry{kgo.TryCommit, kgo.TryAbort}, []int64{100, 102}, 101, "offsets 101..101 hold records that were not delivered"},
		{"of one after an aborted one of the same producer", []kgo.TransactionEndTry{kgo.TryAbort, kgo.TryCommit}, []int64{111, 112, 115}, 113, "offsets 113..114 hold records that were not delivered"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := broker(t)
			makeTopics(t, c, 1, nil)
			cl := client(t, c, manual())
			fill(t, cl, 0, 0, 100)
			o, _ := source(t, testConfig(c))
			wantOffsets(t, o, 100)
			pauseClient(t, o.src)
			if test.txn == nil {
				fill(t, cl, 0, 100, 110)
			} else {
				txn := client(t, c, manual(), kgo.TransactionalID("t"))
				for _, end := range test.txn {
					transaction(t, txn, 10, end)
				}
			}
			inject(o.src, test.polled...)
			wantStop(t, o, test.lost, test.text)
		})
	}
}

func TestP27_logStartPassedInsideAGap(t *testing.T) {
	t.Parallel()
	c := broker(t)
	makeTopics(t, c, 1, nil)
	cl := client(t, c, manual())
	fill(t, cl, 0, 0, 100)
	o, _ := source(t, testConfig(c))
	wantOffsets(t, o, 100)
	pauseClient(t, o.src)
	fill(t, cl, 0, 100, 130)
	if err := c.DeleteRecords("logs", 0, 110); err != nil {
		t.Fatal(err)
	}
	inject(o.src, 120, 121)
	wantStop(t, o, 100, "begins at 110")
}

// The client retries a partition error in a loop until the partition is removed.
func TestP27_errorRemovesThePartition(t *testing.T) {
	t.Parallel()
	c := broker(t)
	makeTopics(t, c, 1, nil)
	fill(t, client(t, c, manual()), 0, 0, 100)
	o, _ := source(t, testConfig(c))
	wantOffsets(t, o, 100)
	o.src.inbox.put(func(f *fetcher) {
		f.polledPartition(&kgo.FetchTopic{Topic: "logs"}, &kgo.FetchPartition{Err: &kgo.ErrDataLoss{Topic: "logs", ConsumedTo: 100, ResetTo: 90}})
		if p := f.partitions[0]; p.added || p.state != checking {
			t.Errorf("after an error the client has the partition: %t, state %d; expected false and %v", p.added, p.state, checking)
		}
	})
	wantStop(t, o, 100, "reset to offset 90")
}

func TestP27_offsetsAndEpochsNeverDecrease(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		record kgo.Record
		text   string
	}{
		{"offset", kgo.Record{Offset: 99}, "got offset 99, expected 100"},
		{"leader epoch", kgo.Record{Offset: 100, LeaderEpoch: 2}, "has leader epoch 2 after a record of epoch 3"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := broker(t)
			makeTopics(t, c, 1, nil)
			fill(t, client(t, c, manual()), 0, 0, 100)
			o, _ := source(t, testConfig(c))
			wantOffsets(t, o, 100)
			o.src.inbox.put(func(f *fetcher) {
				f.partitions[0].leaderEpoch = 3
				f.polledPartition(&kgo.FetchTopic{Topic: "logs"}, &kgo.FetchPartition{Records: []*kgo.Record{&test.record}})
			})
			wantStop(t, o, 100, test.text)
		})
	}
}

func TestP27_otherTopicIDStops(t *testing.T) {
	t.Parallel()
	c := broker(t)
	makeTopics(t, c, 1, nil)
	fill(t, client(t, c, manual()), 0, 0, 100)
	o, _ := source(t, testConfig(c))
	wantOffsets(t, o, 100)
	o.src.inbox.put(func(f *fetcher) {
		f.polledPartition(&kgo.FetchTopic{Topic: "logs", TopicID: [16]byte{9}}, &kgo.FetchPartition{Records: []*kgo.Record{{Offset: 100}}})
	})
	wantStop(t, o, 100, "fetched records have topic ID 09")
}

// compacted fills a topic so that its cleaner removes single offsets and whole batches.
func compacted(t *testing.T, c *kfake.Cluster) (end int64) {
	t.Helper()
	makeTopics(t, c, 1, map[string]string{"cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0", "segment.bytes": "2000", "max.compaction.lag.ms": "1"})
	cl := client(t, c, manual())
	for i := range 60 {
		var rs []*kgo.Record
		for j := range 10 {
			rs = append(rs, &kgo.Record{Key: fmt.Appendf(nil, "key %d", (i*7+j*j)%25), Value: fmt.Appendf(nil, "value %d of %d", j, i)})
		}
		if err := cl.ProduceSync(t.Context(), rs...).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	c.Compact()
	return c.PartitionInfo("logs", 0).HighWatermark
}

func TestP27_compactedOffsetsAreGaps(t *testing.T) {
	t.Parallel()
	c := broker(t)
	end := compacted(t, c)
	o, _ := source(t, testConfig(c))
	eventually(t, "everything", func() bool { return o.at(0).next == end || o.at(0).err != nil })
	got := o.at(0)
	if got.err != nil {
		t.Fatal(got.err)
	}
	if len(got.gaps) == 0 || len(got.offsets) == 0 {
		t.Fatalf("%d records and gaps %v of %d offsets: nothing was compacted, the test shows nothing", len(got.offsets), got.gaps, end)
	}
	t.Logf("%d records, %d gaps of %d offsets", len(got.offsets), len(got.gaps), end)
}

// The same holes in a topic that is not compacted are lost records.
func TestP27_holesWithoutCompactionStop(t *testing.T) {
	t.Parallel()
	c := broker(t)
	compacted(t, c)
	adm, err := newAdmin(testConfig(c), orDiscard(nil), &dials{})
	if err != nil {
		t.Fatal(err)
	}
	defer adm.Close()
	setConfig(t, adm, "logs", "cleanup.policy", "delete")
	o, _ := source(t, testConfig(c))
	eventually(t, "the stop", func() bool { return o.at(0).err != nil })
	if got := o.at(0); len(got.gaps) != 0 {
		t.Errorf("gaps %v were delivered, expected none", got.gaps)
	}
}

// After a skipped tail the checkpoint has the epoch of the tail's last batch, so a new claim finds the position valid.
func TestP27_claimAfterASkippedTail(t *testing.T) {
	t.Parallel()
	c := broker(t, kfake.NumBrokers(2))
	makeTopics(t, c, 1, nil)
	plain, txn := client(t, c, manual()), client(t, c, manual(), kgo.TransactionalID("t"))
	fill(t, plain, 0, 0, 50)
	o, stop := source(t, testConfig(c))
	wantOffsets(t, o, 50)
	pauseClient(t, o.src)
	for range 3 { // the leader, and with it the epoch, changes
		if err := c.MoveTopicPartition("logs", 0, 1-c.LeaderFor("logs", 0)); err != nil {
			t.Fatal(err)
		}
	}
	transaction(t, txn, 50, kgo.TryAbort) // 50..99, marker 100
	eventually(t, "the tail's gaps", func() bool { return o.at(0).next == 101 })
	at := o.at(0)
	if at.epoch <= 0 {
		t.Errorf("epoch %d after the tail, expected the newer one", at.epoch)
	}
	stop()
	o2 := atStart(t, testConfig(c), batch.Position{Next: at.next, LeaderEpoch: at.epoch})
	fill(t, plain, 0, 0, 5)
	eventually(t, "records behind it", func() bool { return o2.at(0).next == 106 || o2.at(0).err != nil })
	if err := o2.at(0).err; err != nil {
		t.Error(err)
	}
}

// FuzzNextBatch: no bytes from a broker make the gap scan panic, loop infinitely, or go backward.
func FuzzNextBatch(f *testing.F) {
	f.Fuzz(func(t *testing.T, in []byte) {
		txns := aborted{}
		txns.add(0, 0)
		for len(in) > 0 {
			h, rest, ok, err := nextBatch(in)
			if err != nil || !ok {
				return
			}
			if h.first < 0 && h.leaderEpoch != -1 || h.last < h.first || len(rest) >= len(in) || h.last == math.MaxInt64 && h.first < 0 {
				t.Fatalf("batch %+v with %d of %d bytes left", h, len(rest), len(in))
			}
			txns.holds(h)
			in = rest
		}
	})
}
