package kafkaio

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/checkpoint"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const testTimeout = 15 * time.Second

// broker starts an embedded broker that is closed with the test.
func broker(tb testing.TB, opts ...kfake.Opt) *kfake.Cluster {
	tb.Helper()
	c, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1), kfake.GroupMinSessionTimeout(time.Millisecond)}, opts...)...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(c.Close)
	return c
}

// testConfig has short intervals, and c's addresses.
func testConfig(c *kfake.Cluster) Config {
	cfg := DefaultConfig()
	cfg.Brokers = c.ListenAddrs()
	cfg.Partitions = 1
	cfg.SessionTimeout = 3 * time.Second
	cfg.Heartbeat = 50 * time.Millisecond
	cfg.MetadataMaxAge = 200 * time.Millisecond
	cfg.FetchMaxWait = 50 * time.Millisecond
	cfg.LagInterval = 50 * time.Millisecond
	cfg.ShutdownTimeout = 3 * time.Second
	cfg.ProduceLinger = time.Millisecond
	return cfg
}

// testLog writes to stderr with -v, and discards otherwise.
func testLog() *slog.Logger {
	if os.Getenv("KAFKAIO_TEST_LOG") == "" {
		return nil
	}
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func makeTopics(tb testing.TB, c *kfake.Cluster, partitions int32, configs map[string]string) {
	tb.Helper()
	for _, name := range []string{"logs", "logs.dlq"} {
		if err := c.CreateTopic(name, partitions, configs); err != nil {
			tb.Fatal(err)
		}
	}
}

// client returns a plain Kafka client for the test's own use.
func client(tb testing.TB, c *kfake.Cluster, opts ...kgo.Opt) *kgo.Client {
	tb.Helper()
	cl, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(c.ListenAddrs()...), kgo.DefaultProduceTopic("logs"), kgo.MetadataMinAge(10 * time.Millisecond)}, opts...)...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(cl.Close)
	return cl
}

// fill produces records with the values from..to-1 to a partition, in one batch if they fit.
func fill(tb testing.TB, cl *kgo.Client, partition int32, from, to int) {
	tb.Helper()
	var rs []*kgo.Record
	for i := from; i < to; i++ {
		rs = append(rs, &kgo.Record{Partition: partition, Value: fmt.Appendf(nil, "record %d", i)})
	}
	ctx, cancel := context.WithTimeout(context.Background(), testTimeout)
	defer cancel()
	if err := cl.ProduceSync(ctx, rs...).FirstErr(); err != nil {
		tb.Fatal(err)
	}
}

func manual() kgo.Opt { return kgo.RecordPartitioner(kgo.ManualPartitioner()) }

// readAll returns every record of a topic. It stops when no more arrive for a while.
func readAll(tb testing.TB, c *kfake.Cluster, topic string, opts ...kgo.Opt) []*kgo.Record {
	tb.Helper()
	cl := client(tb, c, append([]kgo.Opt{kgo.ConsumeTopics(topic), kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(50 * time.Millisecond)}, opts...)...)
	want := int64(0)
	for _, pi := range c.PartitionInfos(topic) {
		want += pi.HighWatermark
	}
	var all []*kgo.Record
	ctx, cancel := context.WithTimeout(context.Background(), testTimeout)
	defer cancel()
	for int64(len(all)) < want && ctx.Err() == nil {
		all = append(all, cl.PollFetches(ctx).Records()...)
	}
	return all
}

func eventually(tb testing.TB, what string, is func() bool) {
	tb.Helper()
	deadline := time.Now().Add(testTimeout)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !is() {
		if time.Now().After(deadline) {
			tb.Fatalf("not within %s: %s", testTimeout, what)
		}
		<-tick.C
	}
}

// start runs fn until the test ends, and fails the test if it returns an error.
func start(tb testing.TB, fn func(context.Context) error) (stop func()) {
	tb.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- fn(ctx) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			select {
			case err := <-done:
				if err != nil {
					tb.Errorf("run: %v", err)
				}
			case <-time.After(2 * testTimeout):
				tb.Error("run did not end")
			}
		})
	}
	tb.Cleanup(stop)
	return stop
}

// place is what a test listener received of one partition under one fetch ID.
type place struct {
	fetchID uint64
	first   int64
	next    int64
	epoch   int32
	offsets []int64
	values  []string
	gaps    []checkpoint.Range
	err     error
}

// owner is a batch.RebalanceListener that claims nothing: it positions assigned partitions at the given offsets, and
// checks every Fetched against the contract.
type owner struct {
	tb   testing.TB
	src  *Source
	from func(p int32) batch.Position // nil: from the first offset that the log holds

	mu       sync.Mutex
	topic    batch.Topic
	assigned map[int32]bool
	revokes  int
	fetchID  uint64
	places   map[int32]*place
	block    time.Duration // how long Revoked waits
}

func newOwner(tb testing.TB, src *Source) *owner {
	return &owner{tb: tb, src: src, assigned: map[int32]bool{}, places: map[int32]*place{}}
}

func (o *owner) Assigned(t batch.Topic, ps []int32) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.topic = t
	for _, p := range ps {
		if o.assigned[p] {
			o.tb.Errorf("partition %d was assigned twice", p)
		}
		o.assigned[p] = true
		m := batch.Position{Next: t.Firsts[p], LeaderEpoch: -1, TopicID: t.ID}
		if o.from != nil {
			m = o.from(p)
		}
		o.position(p, m)
	}
}

// position fetches under a new fetch ID. o.mu must be held.
func (o *owner) position(p int32, m batch.Position) {
	o.fetchID++
	m.Partition, m.Action, m.FetchID = checkpoint.Partition{Topic: o.topic.Name, ID: p}, batch.Fetch, o.fetchID
	if m.TopicID == (checkpoint.TopicID{}) {
		m.TopicID = o.topic.ID
	}
	o.places[p] = &place{fetchID: o.fetchID, first: m.Next, next: m.Next, epoch: m.LeaderEpoch}
	o.src.Position([]batch.Position{m})
}

func (o *owner) Revoked(ctx context.Context, ps []checkpoint.Partition, _ bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.revokes++
	for _, p := range ps {
		if !o.assigned[p.ID] {
			o.tb.Errorf("%s was revoked and not assigned", p)
		}
		delete(o.assigned, p.ID)
		delete(o.places, p.ID)
	}
	if o.block > 0 {
		select {
		case <-ctx.Done():
		case <-time.After(o.block):
		}
	}
}

func (o *owner) Fetched(f batch.Fetched) {
	o.mu.Lock()
	defer o.mu.Unlock()
	p := o.places[f.ID]
	if p == nil || p.fetchID != f.FetchID {
		if f.Release != nil {
			f.Release()
		}
		return
	}
	if f.First != p.next {
		o.tb.Errorf("fetched %s, expected it to begin at %d", f.Range, p.next)
	}
	if f.Err != nil {
		p.err = f.Err
		return
	}
	n := int64(len(f.Records))
	for _, g := range f.Gaps {
		n += g.Len()
	}
	if n != f.Len() {
		o.tb.Errorf("fetched %s: %d records and gaps %v do not account for %d offsets", f.Range, len(f.Records), f.Gaps, f.Len())
	}
	for _, r := range f.Records {
		p.offsets = append(p.offsets, r.Offset)
		p.values = append(p.values, string(r.Value))
	}
	p.gaps = append(p.gaps, f.Gaps...)
	p.next, p.epoch = f.Next, f.LeaderEpoch
	if f.Release != nil {
		f.Release()
	}
}

// at returns a copy of what partition p received.
func (o *owner) at(p int32) place {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.places[p] == nil {
		return place{next: -1}
	}
	c := *o.places[p]
	return c
}

func (o *owner) has() map[int32]bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	m := map[int32]bool{}
	for p := range o.assigned {
		m[p] = true
	}
	return m
}

// source runs a Source for the job and returns its listener.
func source(tb testing.TB, cfg Config) (*owner, func()) {
	tb.Helper()
	s, err := NewSource(cfg, "job", testLog(), nil)
	if err != nil {
		tb.Fatal(err)
	}
	o := newOwner(tb, s)
	return o, start(tb, func(ctx context.Context) error { return s.Run(ctx, o) })
}
