//go:build integration

package integration

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/internal/jvmtest"
	"github.com/sluice-etl/sluice/kafkaio"
)

// TestReal_KafkaioAgainstKafka holds kafkaio against Apache Kafka itself: what the embedded broker of the other tests
// only imitates, transactions, compaction, deletion, leader epochs and the group among it.
func TestReal_KafkaioAgainstKafka(t *testing.T) {
	r := &realKafka{Broker: jvmtest.StartBroker(t)}
	t.Run("alive", func(t *testing.T) {
		for name, fn := range map[string]func(*testing.T, *realKafka){
			"topics": realTopics, "membersComeAndGo": realMembers, "abortedTransactions": realAborted,
			"compaction": realCompaction, "logStartPassed": realDeleted, "topicMadeAgain": realMadeAgain,
			"tooLarge": realTooLarge, "mirror": realMirror,
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				fn(t, r)
			})
		}
	})
	// These kill the broker, so nobody else may use it meanwhile.
	t.Run("leaderEpochs", func(t *testing.T) { realEpochs(t, r) })
	t.Run("killedUnderLoad", func(t *testing.T) { realKilled(t, r) })
}

type realKafka struct{ *jvmtest.Broker }

func (r *realKafka) client(t *testing.T, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	cl, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(r.Addr()), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.MetadataMinAge(50 * time.Millisecond)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return cl
}

func (r *realKafka) admin(t *testing.T) *kadm.Client { return kadm.NewClient(r.client(t)) }

// make makes the topic as etl does at start.
func (r *realKafka) make(t *testing.T, cfg kafkaio.Config) []kafkaio.TopicReport {
	t.Helper()
	reports, err := kafkaio.EnsureTopics(t.Context(), cfg, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return reports
}

// made makes a topic with settings of its own.
func (r *realKafka) made(t *testing.T, topic string, partitions int32, settings map[string]string) {
	t.Helper()
	configs := map[string]*string{}
	for k, v := range settings {
		configs[k] = &v
	}
	if _, err := r.admin(t).CreateTopic(t.Context(), partitions, 1, configs, topic); err != nil {
		t.Fatal(err)
	}
}

// fill produces records first..next-1 to a partition, in one batch where they fit.
func fill(t *testing.T, cl *kgo.Client, topic string, partition int32, first, next int) {
	t.Helper()
	var rs []*kgo.Record
	for i := first; i < next; i++ {
		rs = append(rs, &kgo.Record{Topic: topic, Partition: partition, Value: fmt.Appendf(nil, "%d/%d", partition, i)})
	}
	if err := cl.ProduceSync(t.Context(), rs...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// wantStopped waits until the partition stops, by class ErrRefused, at next, with that text.
func wantStopped(ctx context.Context, t *testing.T, l *ledger, next int64, text string) {
	t.Helper()
	await(ctx, t, "the partition stops: "+text, func() bool { return l.at(0).err != nil })
	a := l.at(0)
	var e *checkpoint.Error
	if !errors.Is(a.err, checkpoint.ErrRefused) || !errors.As(a.err, &e) || len(e.Partitions) != 1 || !strings.Contains(a.err.Error(), text) {
		t.Errorf("stopped with %v, want class ErrRefused, one partition and %q", a.err, text)
	}
	if a.next != next {
		t.Errorf("stopped at %d, want %d", a.next, next)
	}
}

// within reports whether the condition comes to hold in that time.
func within(d time.Duration, condition func() bool) bool {
	deadline := time.NewTimer(d)
	defer deadline.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-tick.C:
		case <-deadline.C:
			return false
		}
	}
	return true
}

// P25, P26: topics that we make have LogAppendTime, and their second making is none.
func realTopics(t *testing.T, r *realKafka) {
	cfg := realConfig(r.Broker, "topics", 3)
	first, second := r.make(t, cfg), r.make(t, cfg)
	for i, name := range []string{"topics", "topics.dlq"} {
		a, b := first[i], second[i]
		if a.Name != name || !a.Created || a.Partitions != 3 || a.TimestampType != "LogAppendTime" || a.MaxMessageBytes != 1048588 || a.NoTopicIDs {
			t.Errorf("made: %+v", a)
		}
		if b.Created || b.ID != a.ID || b.ID == (checkpoint.TopicID{}) {
			t.Errorf("the second time: %+v, want id %s", b, a.ID)
		}
	}
	long := time.Unix(0, 0)
	cl := r.client(t)
	res := cl.ProduceSync(t.Context(), &kgo.Record{Topic: "topics", Timestamp: long, Value: []byte("old")})
	if err := res.FirstErr(); err != nil {
		t.Fatal(err)
	}
	got := r.client(t, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{"topics": {0: kgo.NewOffset().AtStart()}})).PollFetches(t.Context()).Records()
	if len(got) != 1 || time.Since(got[0].Timestamp) > time.Minute || got[0].Attrs.TimestampType() != 1 {
		t.Errorf("an old event came back as %+v, want the time when Kafka took it", got)
	}
}

// The group: a second member takes half, gives it back when it leaves, and every record is taken once all the while.
func realMembers(t *testing.T, r *realKafka) {
	ctx := bounded(t, time.Minute)
	cfg := realConfig(r.Broker, "members", 6)
	r.make(t, cfg)
	cl := r.client(t)
	l := newLedger(t)
	sent := 0
	more := func() {
		for p := range int32(6) {
			fill(t, cl, "members", p, sent, sent+100)
		}
		sent += 100
	}
	taken := func(what string) {
		t.Helper()
		await(ctx, t, what+": all records are taken", func() bool {
			for p := range int32(6) {
				if l.at(p).next != int64(sent) {
					return false
				}
			}
			return true
		})
	}
	more()
	one := l.join(cfg, "members-job")
	taken("one member")
	two := l.join(cfg, "members-job")
	more()
	await(ctx, t, "each member has three partitions", func() bool { return l.holding(one) == 3 && l.holding(two) == 3 })
	more()
	taken("two members")
	var ps []checkpoint.Partition
	for p := range int32(6) {
		ps = append(ps, checkpoint.Partition{Topic: "members", ID: p})
	}
	ours, err := one.source.Confirm(ctx, ps)
	if err != nil || len(ours) != 3 {
		t.Errorf("P14: the group confirms %v, %v; want three partitions", ours, err)
	}
	one.stop()
	more()
	await(ctx, t, "the other member has six", func() bool { return l.holding(two) == 6 })
	taken("the other member")
	for v, n := range l.values() {
		if n != 1 {
			t.Errorf("record %s was taken %d times", v, n)
		}
	}
	if n := len(l.values()); n != 6*sent {
		t.Errorf("%d records were taken, want %d", n, 6*sent)
	}
	for p := range int32(6) {
		// Cooperative: nobody loses what it keeps. Three partitions were claimed by one, then by two; three by one,
		// two... each at most three times in all.
		if n := l.at(p).claimed; n > 3 {
			t.Errorf("partition %d was claimed %d times", p, n)
		}
	}
}

// P27: read_committed with aborted transactions among the others; their records and the markers are gaps, each seen.
func realAborted(t *testing.T, r *realKafka) {
	ctx := bounded(t, time.Minute)
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
		if !commit { // somebody else's records stand between ours
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
		await(ctx, t, what, func() bool { return l.at(0).next == end || l.at(0).err != nil })
		a := l.at(0)
		if a.err != nil || len(a.values) != want || a.gapped() != gaps {
			t.Fatalf("%s: %d records, %d gaps, error %v; want %d and %d", what, len(a.values), a.gapped(), a.err, want, gaps)
		}
		for i, v := range a.values {
			if v != fmt.Sprintf("0/%d", i) {
				t.Fatalf("%s: record %d is %s", what, i, v)
			}
		}
	}
	check("transactions in the middle")

	// A log that ends with an aborted transaction leaves no lag, and what comes behind it follows.
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

	// The place behind the gap is good for a claim: its leader epoch is the marker's.
	l2 := newLedger(t)
	l2.parts[0] = &account{next: l.at(0).next, epoch: l.at(0).epoch}
	l2.join(cfg, "aborted-job-2")
	fill(t, plain, "aborted", 0, want, want+1)
	await(ctx, t, "it goes on from there", func() bool { return len(l2.at(0).values) == 1 || l2.at(0).err != nil })
	if err := l2.at(0).err; err != nil {
		t.Error(err)
	}
}

// P27: on a compacted topic, offsets that no batch holds any more are gaps.
func realCompaction(t *testing.T, r *realKafka) {
	ctx := bounded(t, 90*time.Second)
	cfg := realConfig(r.Broker, "compacted", 1)
	r.made(t, "compacted", 1, map[string]string{
		"cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0.001", "segment.bytes": "1048576", "segment.ms": "200",
		"min.compaction.lag.ms": "0",
	})
	cl := r.client(t)
	put := func(keys, from, n int) {
		t.Helper()
		for i := 0; i < n; i += 50 { // a batch each
			var rs []*kgo.Record
			for j := range 50 {
				rs = append(rs, &kgo.Record{Topic: "compacted", Key: fmt.Appendf(nil, "key %d", (from+i+j)%keys), Value: fmt.Appendf(nil, "%d", from+i+j)})
			}
			if err := cl.ProduceSync(ctx, rs...).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
	}
	put(77, 0, 2000)
	const total = 2000
	left := func() (n int) {
		reader := r.client(t, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{"compacted": {0: kgo.NewOffset().AtStart()}}))
		defer reader.Close()
		for last := int64(-1); last < total-1; {
			fetches := reader.PollFetches(ctx)
			if ctx.Err() != nil {
				return 0
			}
			fetches.EachRecord(func(rec *kgo.Record) { n++; last = rec.Offset })
		}
		return n
	}
	// A segment is rolled by the next record after its time; that record is the total's last.
	tick := time.NewTicker(300 * time.Millisecond)
	defer tick.Stop()
	kept := total
	for extra := 0; kept > total/4; extra++ {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("the cleaner left %d of %d records", kept, total)
		}
		if extra == 0 {
			if err := cl.ProduceSync(ctx, &kgo.Record{Topic: "compacted", Key: []byte("last"), Value: []byte("last")}).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
		kept = left()
	}
	l := newLedger(t)
	l.join(cfg, "compacted-job")
	await(ctx, t, "all is taken", func() bool { return l.at(0).next == total+1 || l.at(0).err != nil })
	a := l.at(0)
	if a.err != nil || int64(len(a.values))+a.gapped() != total+1 || a.gapped() < total/2 {
		t.Fatalf("%d records and %d gaps of %d offsets, error %v", len(a.values), a.gapped(), total+1, a.err)
	}
	t.Logf("%d records and %d gaps in %d pieces", len(a.values), a.gapped(), len(a.gaps))

	// A claim whose next offset the cleaner took away is no different.
	l2 := newLedger(t)
	l2.parts[0] = &account{next: a.gaps[0].First + 1, epoch: a.epoch}
	l2.join(cfg, "compacted-job-2")
	await(ctx, t, "a claim within a gap", func() bool { return l2.at(0).next == total+1 || l2.at(0).err != nil })
	if err := l2.at(0).err; err != nil {
		t.Error(err)
	}
}

// P27: records that are gone stop the partition, with the exact offsets, at the claim and under way; a person's word
// brings it on.
func realDeleted(t *testing.T, r *realKafka) {
	ctx := bounded(t, time.Minute)
	cfg := realConfig(r.Broker, "deleted", 1)
	r.make(t, cfg)
	cl, adm := r.client(t), r.admin(t)
	fill(t, cl, "deleted", 0, 0, 200)
	l := newLedger(t)
	m := l.join(cfg, "deleted-job")
	await(ctx, t, "records", func() bool { return l.at(0).next == 200 })
	p := checkpoint.Partition{Topic: "deleted"}
	m.source.Position([]batch.Position{{Partition: p, Action: batch.Pause}})
	// The pause takes hold when a record is not taken any more.
	next := 200
	for taken := true; taken; next++ {
		fill(t, cl, "deleted", 0, next, next+1)
		taken = within(500*time.Millisecond, func() bool { return l.at(0).next == int64(next+1) })
	}
	rest := int64(next - 1)
	fill(t, cl, "deleted", 0, next, 300)
	cut := func(at int64) {
		t.Helper()
		var o kadm.Offsets
		o.AddOffset("deleted", 0, at, -1)
		if _, err := adm.DeleteRecords(ctx, o); err != nil {
			t.Fatal(err)
		}
	}
	cut(250)
	m.source.Position([]batch.Position{{Partition: p, Action: batch.Resume}})
	wantStopped(ctx, t, l, rest, fmt.Sprintf("records %d..249 are gone, the log begins at 250", rest))

	l2 := newLedger(t)
	l2.parts[0] = &account{next: 100, epoch: 0}
	m2 := l2.join(cfg, "deleted-job-2")
	wantStopped(ctx, t, l2, 100, "records 100..249 are gone, the log begins at 250")
	l2.mu.Lock()
	l2.parts[0].next = 250
	m2.claim("deleted", 0, l2.parts[0])
	l2.mu.Unlock()
	await(ctx, t, "it goes on where a person says", func() bool { return l2.at(0).next == 300 })

	for _, test := range []struct {
		name string
		a    account
		text string
	}{
		{"beyond the end", account{next: 900, epoch: -1}, "records 300..899 vanished"},
		{"an epoch that never was", account{next: 260, epoch: 7}, "leader epoch 7, which Kafka does not know any more"},
		{"another topic id", account{next: 260, epoch: 0, topic: checkpoint.TopicID{1}}, "topic id is"},
	} {
		l := newLedger(t)
		l.parts[0] = &test.a
		m := l.join(cfg, "deleted-job-"+strings.ReplaceAll(test.name, " ", "-"))
		wantStopped(ctx, t, l, test.a.next, test.text)
		m.stop()
	}
}

// P4: a topic that is deleted and made again, with more records than before, stops its partitions.
func realMadeAgain(t *testing.T, r *realKafka) {
	ctx := bounded(t, time.Minute)
	cfg := realConfig(r.Broker, "again", 1)
	r.make(t, cfg)
	fill(t, r.client(t), "again", 0, 0, 100)
	l := newLedger(t)
	l.join(cfg, "again-job")
	await(ctx, t, "records", func() bool { return l.at(0).next == 100 })
	adm := r.admin(t)
	if _, err := adm.DeleteTopic(ctx, "again"); err != nil {
		t.Fatal(err)
	}
	await(ctx, t, "the topic is made again", func() bool {
		_, err := adm.CreateTopic(ctx, 1, 1, nil, "again")
		if err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
			t.Fatal(err)
		}
		return err == nil
	})
	fill(t, r.client(t), "again", 0, 500, 800)
	wantStopped(ctx, t, l, 100, "topic id is")
	if n := len(l.at(0).values); n != 100 {
		t.Errorf("%d records were taken, want the first topic's 100", n)
	}
}

// The group's offsets are what lag tools read.
func realMirror(t *testing.T, r *realKafka) {
	ctx := bounded(t, time.Minute)
	cfg := realConfig(r.Broker, "mirrored", 2)
	r.make(t, cfg)
	cl, adm := r.client(t), r.admin(t)
	fill(t, cl, "mirrored", 0, 0, 70)
	fill(t, cl, "mirrored", 1, 0, 30)
	l := newLedger(t)
	m := l.join(cfg, "mirrored-job")
	await(ctx, t, "records", func() bool { return l.at(0).next == 70 && l.at(1).next == 30 })
	m.source.Position([]batch.Position{
		{Partition: checkpoint.Partition{Topic: "mirrored", ID: 0}, Action: batch.Mirror, Next: 70},
		{Partition: checkpoint.Partition{Topic: "mirrored", ID: 1}, Action: batch.Mirror, Next: 20},
	})
	await(ctx, t, "the group has the offsets", func() bool {
		offsets, err := adm.FetchOffsets(ctx, "mirrored-job")
		if err != nil {
			t.Fatal(err)
		}
		a, _ := offsets.Lookup("mirrored", 0)
		b, _ := offsets.Lookup("mirrored", 1)
		return a.At == 70 && b.At == 20
	})
	lag, err := adm.Lag(ctx, "mirrored-job")
	if err != nil {
		t.Fatal(err)
	}
	g := lag["mirrored-job"]
	if g.State != "Stable" || len(g.Members) != 1 || g.Lag.Total() != 10 {
		t.Errorf("state %s, %d members, lag %d; want Stable, one, 10", g.State, len(g.Members), g.Lag.Total())
	}
}
