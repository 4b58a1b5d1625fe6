//go:build integration

package integration

import (
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/sluice-etl/sluice/internal/etltest"
)

// P27: read_committed with aborted transactions among the others; their records and the markers are gaps, each
// accounted for.
func realAborted(t *testing.T, r *realKafka) {
	ctx := etltest.Bounded(t, time.Minute)
	cfg := realConfig(r.Broker, "aborted", 1)
	r.make(t, cfg)
	plain, txn := r.client(t), r.client(t, kgo.TransactionalID("aborted-txn"))
	want := 0
	transaction := func(n int, commit bool) {
		t.Helper()
		if err := txn.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		fill(t, txn, "aborted", 0, want, want+n)
		if !commit { // records of another producer are between ours
			fill(t, plain, "aborted", 0, want, want+5)
			want += 5
		}
		if err := txn.EndTransaction(t.Context(), kgo.TransactionEndTry(commit)); err != nil {
			t.Fatal(err)
		}
		if commit {
			want += n
		}
	}
	var gaps int64
	for i := range 20 {
		transaction(10, i%3 != 1)
		gaps++ // the marker
		if i%3 == 1 {
			gaps += 10
		}
	}
	l := newLedger(t)
	l.join(cfg, "aborted-job")
	ends := func() int64 {
		listed, err := r.admin(t).ListEndOffsets(t.Context(), "aborted")
		if err != nil {
			t.Fatal(err)
		}
		return listed["aborted"][0].Offset
	}
	check := func(what string) {
		t.Helper()
		end := ends()
		etltest.Await(ctx, t, what, func() bool { return l.at(0).next == end || l.at(0).err != nil })
		a := l.at(0)
		if a.err != nil || len(a.values) != want || a.gapped() != gaps {
			t.Fatalf("%s: %d records, %d gaps, error %v; expected %d and %d", what, len(a.values), a.gapped(), a.err, want, gaps)
		}
		for i, v := range a.values {
			if v != fmt.Sprintf("0/%d", i) {
				t.Fatalf("%s: record %d is %s, expected %v", what, i, v, fmt.Sprintf("0/%d", i))
			}
		}
	}
	check("transactions in the middle")

	// A log that ends with an aborted transaction leaves no lag, and later records are delivered.
	if err := txn.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	fill(t, txn, "aborted", 0, 1_000_000, 1_000_100)
	if err := txn.EndTransaction(t.Context(), kgo.TryAbort); err != nil {
		t.Fatal(err)
	}
	gaps += 101
	check("an aborted transaction at the end")
	fill(t, plain, "aborted", 0, want, want+10)
	want += 10
	check("records behind it")

	// The position after the gap is valid for a claim: its leader epoch is the marker's.
	l2 := newLedger(t)
	l2.parts[0] = &account{next: l.at(0).next, epoch: l.at(0).epoch}
	l2.join(cfg, "aborted-job-2")
	fill(t, plain, "aborted", 0, want, want+1)
	etltest.Await(ctx, t, "it continues from there", func() bool { return len(l2.at(0).values) == 1 || l2.at(0).err != nil })
	if err := l2.at(0).err; err != nil {
		t.Error(err)
	}
}

// P27: on a compacted topic, offsets that no batch contains any longer are gaps.
func realCompaction(t *testing.T, r *realKafka) {
	ctx := etltest.Bounded(t, 90*time.Second)
	cfg := realConfig(r.Broker, "compacted", 1)
	r.made(t, "compacted", 1, map[string]string{
		"cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0.001", "segment.bytes": "1048576", "segment.ms": "200",
		"min.compaction.lag.ms": "0",
	})
	cl := r.client(t)
	put := func(key string, n int) *kgo.Record {
		return &kgo.Record{Topic: "compacted", Key: []byte(key), Value: fmt.Append(nil, n)}
	}
	produce := func(rs ...*kgo.Record) {
		t.Helper()
		if err := cl.ProduceSync(ctx, rs...).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	// Batches of 50. Compaction removes all records of every fourth batch, and keeps every tenth record of the others.
	const total = 2000
	for first := 0; first < total; first += 50 {
		var rs []*kgo.Record
		for n := first; n < first+50; n++ {
			if first%200 != 150 && n%10 == 0 {
				rs = append(rs, put(fmt.Sprintf("key of %d", n), n))
			} else {
				rs = append(rs, put(fmt.Sprintf("key %d", n%7), n))
			}
		}
		produce(rs...)
	}
	left := func() (n int) {
		reader := r.client(t, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{"compacted": {0: kgo.NewOffset().AtStart()}}))
		defer reader.Close()
		for last := int64(-1); last < total && ctx.Err() == nil; {
			reader.PollFetches(ctx).EachRecord(func(rec *kgo.Record) { n, last = n+1, rec.Offset })
		}
		return n
	}
	// The first record after a segment's time limit closes it, so that it can be compacted.
	tick := time.NewTicker(300 * time.Millisecond)
	defer tick.Stop()
	<-tick.C
	produce(put("last", total))
	for kept := total; kept > total/4; kept = left() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("the cleaner left %d of %d records, expected at most a quarter", kept, total)
		}
	}
	l := newLedger(t)
	l.join(cfg, "compacted-job")
	etltest.Await(ctx, t, "all is taken", func() bool { return l.at(0).next == total+1 || l.at(0).err != nil })
	a := l.at(0)
	if a.err != nil || int64(len(a.values))+a.gapped() != total+1 || a.gapped() < total/2 || len(a.gaps) < 100 {
		t.Fatalf("%d records and %d gaps of %d offsets, error %v; expected at least %v, a.gaps with at least 100 elements and no error", len(a.values), a.gapped(), total+1, a.err, total/2)
	}
	t.Logf("%d records and %d gaps in %d pieces", len(a.values), a.gapped(), len(a.gaps))

	// A claim works too if compaction removed the record at its next offset.
	l2 := newLedger(t)
	l2.parts[0] = &account{next: a.gaps[0].First + 1, epoch: a.epoch}
	l2.join(cfg, "compacted-job-2")
	etltest.Await(ctx, t, "a claim within a gap", func() bool { return l2.at(0).next == total+1 || l2.at(0).err != nil })
	if err := l2.at(0).err; err != nil {
		t.Error(err)
	}
}
