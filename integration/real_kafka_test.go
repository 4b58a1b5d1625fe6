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
	"github.com/sluice-etl/sluice/internal/etltest"
	"github.com/sluice-etl/sluice/internal/jvmtest"
	"github.com/sluice-etl/sluice/kafkaio"
)

// TestReal_KafkaioAgainstKafka tests kafkaio with Apache Kafka itself: transactions, compaction, deletion, leader
// epochs, the group and other features that the embedded broker of the other tests only imitates.
func TestReal_KafkaioAgainstKafka(t *testing.T) {
	r := &realKafka{Broker: jvmtest.StartBroker(t)}
	t.Run("alive", func(t *testing.T) {
		for name, fn := range map[string]func(*testing.T, *realKafka){
			"topics": realTopics, "membersComeAndGo": realMembers, "abortedTransactions": realAborted,
			"compaction": realCompaction, "logStartPassed": realDeleted, "topicMadeAgain": realRecreated,
			"tooLarge": realTooLarge, "mirror": realMirror,
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				fn(t, r)
			})
		}
	})
	// These kill the broker, so no other test may use it meanwhile.
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

// make creates the topic as etl does at start.
func (r *realKafka) make(t *testing.T, cfg kafkaio.Config) []kafkaio.TopicReport {
	t.Helper()
	reports, err := kafkaio.EnsureTopics(t.Context(), cfg, kafkaio.Use{Receive: true}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return reports
}

// made creates a topic with the given settings.
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

// fill produces records first..next-1 to a partition, in one batch if they fit.
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

// wantStopped waits until the partition stops with an error of class ErrRefused at next that contains the text.
func wantStopped(ctx context.Context, t *testing.T, l *ledger, next int64, text string) {
	t.Helper()
	etltest.Await(ctx, t, "the partition stops: "+text, func() bool { return l.at(0).err != nil })
	a := l.at(0)
	var e *checkpoint.Error
	if !errors.Is(a.err, checkpoint.ErrRefused) || !errors.As(a.err, &e) || len(e.Partitions) != 1 || !strings.Contains(a.err.Error(), text) {
		t.Errorf("stopped with %v, expected class ErrRefused, one partition and %q", a.err, text)
	}
	if a.next != next {
		t.Errorf("stopped at %d, expected %d", a.next, next)
	}
}

// P25, P26: created topics have LogAppendTime, and creating them again changes nothing.
func realTopics(t *testing.T, r *realKafka) {
	cfg := realConfig(r.Broker, "topics", 3)
	first, second := r.make(t, cfg), r.make(t, cfg)
	for i, name := range []string{"topics", "topics.dlq"} {
		a, b := first[i], second[i]
		if a.Name != name || !a.Created || a.Partitions != 3 || a.TimestampType != "LogAppendTime" || a.MaxMessageBytes != 1048588 || a.NoTopicIDs {
			t.Errorf("created: %+v; expected Name %v, Created true, Partitions 3, TimestampType %q, MaxMessageBytes 1048588 and NoTopicIDs false", a, name, "LogAppendTime")
		}
		if b.Created || b.ID != a.ID || b.ID == (checkpoint.TopicID{}) {
			t.Errorf("the second time: %+v, expected topic ID %s", b, a.ID)
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
		t.Errorf("an old event came back as %+v, expected the time at which Kafka appended it", got)
	}
}

// The group: a second member gets half of the partitions, releases them when it leaves, and every record is processed
// once throughout.
func realMembers(t *testing.T, r *realKafka) {
	ctx := etltest.Bounded(t, time.Minute)
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
		etltest.Await(ctx, t, what+": all records are taken", func() bool {
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
	etltest.Await(ctx, t, "each member has three partitions", func() bool { return l.holding(one) == 3 && l.holding(two) == 3 })
	more()
	taken("two members")
	var ps []checkpoint.Partition
	for p := range int32(6) {
		ps = append(ps, checkpoint.Partition{Topic: "members", ID: p})
	}
	ours, err := one.source.Confirm(ctx, ps)
	if err != nil || len(ours) != 3 {
		t.Errorf("P14: the group confirms %v, %v; expected three partitions", ours, err)
	}
	one.stop()
	more()
	etltest.Await(ctx, t, "the other member has six", func() bool { return l.holding(two) == 6 })
	taken("the other member")
	for v, n := range l.values() {
		if n != 1 {
			t.Errorf("record %s was processed %d times, expected 1", v, n)
		}
	}
	if n := len(l.values()); n != 6*sent {
		t.Errorf("%d records were processed, expected %d", n, 6*sent)
	}
	for p := range int32(6) {
		// Cooperative rebalancing: no member loses a partition that it keeps, so each partition is claimed at most
		// three times.
		if n := l.at(p).claimed; n > 3 {
			t.Errorf("partition %d was claimed %d times, expected at most 3", p, n)
		}
	}
}

// P27: deleted records stop the partition with the exact offsets, at the claim and while running; an operator's new
// position resumes it.
func realDeleted(t *testing.T, r *realKafka) {
	ctx := etltest.Bounded(t, time.Minute)
	cfg := realConfig(r.Broker, "deleted", 1)
	r.make(t, cfg)
	cl, adm := r.client(t), r.admin(t)
	fill(t, cl, "deleted", 0, 0, 200)
	l := newLedger(t)
	m := l.join(cfg, "deleted-job")
	etltest.Await(ctx, t, "records", func() bool { return l.at(0).next == 200 })
	p := checkpoint.Partition{Topic: "deleted"}
	m.source.Position([]batch.Position{{Partition: p, Action: batch.Pause}})
	// The pause has taken effect when no more records are delivered.
	next := 200
	for taken := true; taken; next++ {
		fill(t, cl, "deleted", 0, next, next+1)
		taken = etltest.Within(500*time.Millisecond, func() bool { return l.at(0).next == int64(next+1) })
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
	wantStopped(ctx, t, l, rest, fmt.Sprintf("records %d..249 are deleted, the log begins at 250", rest))

	l2 := newLedger(t)
	l2.parts[0] = &account{next: 100, epoch: 0}
	m2 := l2.join(cfg, "deleted-job-2")
	wantStopped(ctx, t, l2, 100, "records 100..249 are deleted, the log begins at 250")
	l2.mu.Lock()
	l2.parts[0].next = 250
	m2.claim("deleted", 0, l2.parts[0])
	l2.mu.Unlock()
	etltest.Await(ctx, t, "it continues at the operator's position", func() bool { return l2.at(0).next == 300 })

	for _, test := range []struct {
		name string
		a    account
		text string
	}{
		{"beyond the end", account{next: 900, epoch: -1}, "records 300..899 are missing"},
		{"an epoch that never was", account{next: 260, epoch: 7}, "leader epoch 7, which Kafka no longer knows"},
		{"another topic id", account{next: 260, epoch: 0, topic: checkpoint.TopicID{1}}, "topic ID is"},
	} {
		l := newLedger(t)
		l.parts[0] = &test.a
		m := l.join(cfg, "deleted-job-"+strings.ReplaceAll(test.name, " ", "-"))
		wantStopped(ctx, t, l, test.a.next, test.text)
		m.stop()
	}
}

// P4: a topic that is deleted and recreated, with more records than before, stops its partitions.
func realRecreated(t *testing.T, r *realKafka) {
	ctx := etltest.Bounded(t, time.Minute)
	cfg := realConfig(r.Broker, "again", 1)
	r.make(t, cfg)
	fill(t, r.client(t), "again", 0, 0, 100)
	l := newLedger(t)
	l.join(cfg, "again-job")
	etltest.Await(ctx, t, "records", func() bool { return l.at(0).next == 100 })
	adm := r.admin(t)
	if _, err := adm.DeleteTopic(ctx, "again"); err != nil {
		t.Fatal(err)
	}
	etltest.Await(ctx, t, "the topic is made again", func() bool {
		_, err := adm.CreateTopic(ctx, 1, 1, nil, "again")
		if err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
			t.Fatal(err)
		}
		return err == nil
	})
	fill(t, r.client(t), "again", 0, 500, 800)
	wantStopped(ctx, t, l, 100, "topic ID is")
	if n := len(l.at(0).values); n != 100 {
		t.Errorf("%d records were processed, expected the first topic's 100", n)
	}
}

// Lag tools read the group's offsets.
func realMirror(t *testing.T, r *realKafka) {
	ctx := etltest.Bounded(t, time.Minute)
	cfg := realConfig(r.Broker, "mirrored", 2)
	r.make(t, cfg)
	cl, adm := r.client(t), r.admin(t)
	fill(t, cl, "mirrored", 0, 0, 70)
	fill(t, cl, "mirrored", 1, 0, 30)
	l := newLedger(t)
	m := l.join(cfg, "mirrored-job")
	etltest.Await(ctx, t, "records", func() bool { return l.at(0).next == 70 && l.at(1).next == 30 })
	m.source.Position([]batch.Position{
		{Partition: checkpoint.Partition{Topic: "mirrored", ID: 0}, Action: batch.Mirror, Next: 70},
		{Partition: checkpoint.Partition{Topic: "mirrored", ID: 1}, Action: batch.Mirror, Next: 20},
	})
	etltest.Await(ctx, t, "the group has the offsets", func() bool {
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
		t.Errorf("state %s, %d members, lag %d; expected Stable, one, 10", g.State, len(g.Members), g.Lag.Total())
	}
}
