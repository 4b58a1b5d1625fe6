package kafkaio

import (
	"context"
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/internal/obs"
)

const (
	benchEvents  = 100 // in a request
	benchBytes   = 500 // in an event
	benchSenders = 8
)

// BenchmarkProduce measures requests of 100 events of 500 bytes from 8 senders until Kafka acknowledges them. raw is
// the ceiling: the same bytes from as many goroutines through the client's ProduceSync. The broker acknowledges and
// discards, so that its own work is not measured.
func BenchmarkProduce(b *testing.B) {
	data := noise(benchEvents * benchBytes)
	c := broker(b, kfake.BlackholeProduce())
	makeTopics(b, c, 12, nil)
	cfg := testConfig(c)
	cfg.ProduceLinger = DefaultConfig().ProduceLinger

	b.Run("sluice", func(b *testing.B) {
		p, _ := producer(b, cfg)
		var released atomic.Int64
		release := func() { released.Add(1) }
		requests := send(b, c, func() {
			pb := p.NewBatch(benchEvents)
			for i := range benchEvents {
				pb.Add(data[i*benchBytes : (i+1)*benchBytes])
			}
			if err := p.Produce(context.Background(), pb, nil, release); err != nil {
				b.Error(err)
			}
		})
		if released.Load() != requests {
			b.Errorf("got %d releases, expected one for each of %d requests", released.Load(), requests)
		}
	})
	b.Run("raw", func(b *testing.B) {
		cl := client(b, c, kgo.MaxBufferedRecords(1<<30), kgo.ProducerLinger(cfg.ProduceLinger))
		send(b, c, func() {
			recs := make([]kgo.Record, benchEvents)
			ptrs := make([]*kgo.Record, benchEvents)
			for i := range recs {
				recs[i] = kgo.Record{Topic: "logs", Value: data[i*benchBytes : (i+1)*benchBytes]}
				ptrs[i] = &recs[i]
			}
			if err := cl.ProduceSync(context.Background(), ptrs...).FirstErr(); err != nil {
				b.Error(err)
			}
		})
	})
}

// send calls one b.N times from the senders, and checks that the broker counted every event.
func send(b *testing.B, c *kfake.Cluster, one func()) int64 {
	end := func() (n int64) {
		for _, p := range c.PartitionInfos("logs") {
			n += p.HighWatermark
		}
		return n
	}
	before := end()
	b.SetBytes(benchEvents * benchBytes)
	b.ReportAllocs()
	var left, done atomic.Int64
	left.Store(int64(b.N))
	b.ResetTimer()
	var senders sync.WaitGroup
	for range benchSenders {
		senders.Go(func() {
			for left.Add(-1) >= 0 {
				one()
				done.Add(1)
			}
		})
	}
	senders.Wait()
	b.StopTimer()
	b.ReportMetric(float64(done.Load()*benchEvents)/b.Elapsed().Seconds(), "events/s")
	if got := end() - before; got != done.Load()*benchEvents {
		b.Errorf("the broker holds %d events, %d were sent", got, done.Load()*benchEvents)
	}
	return done.Load()
}

// BenchmarkConsume measures records of 500 bytes from Kafka to a listener that checks every offset. raw is the ceiling:
// the client's own polls, without using the records.
func BenchmarkConsume(b *testing.B) {
	const perBatch = 1000
	c := broker(b, kfake.SyntheticFetch(kfake.SyntheticBatch{Records: perBatch, RecordBytes: benchBytes}))
	makeTopics(b, c, 4, nil)
	cfg := testConfig(c)
	cfg.LagInterval = time.Hour

	b.Run("sluice", func(b *testing.B) {
		s, err := NewSource(cfg, "job", nil, nil)
		if err != nil {
			b.Fatal(err)
		}
		o := &counter{src: s, want: int64(b.N), done: make(chan struct{}), begun: make(chan struct{})}
		b.SetBytes(benchBytes)
		b.ReportAllocs()
		stop := start(b, func(ctx context.Context) error { return s.Run(ctx, o) })
		<-o.begun
		b.ResetTimer()
		<-o.done
		b.StopTimer()
		b.ReportMetric(float64(o.records)/b.Elapsed().Seconds(), "records/s")
		stop()
		if o.wrong != 0 {
			b.Errorf("%d pieces of wrong offsets, expected 0", o.wrong)
		}
	})
	b.Run("raw", func(b *testing.B) {
		starts := map[int32]kgo.Offset{}
		for p := range int32(4) {
			starts[p] = kgo.NewOffset().At(0)
		}
		cl := client(b, c, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{"logs": starts}),
			kgo.FetchMaxBytes(cfg.FetchMaxBytes), kgo.FetchMaxPartitionBytes(cfg.FetchMaxPartitionBytes), kgo.MaxConcurrentFetches(cfg.MaxConcurrentFetches),
			kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords())
		cl.PollFetches(context.Background())
		b.SetBytes(benchBytes)
		b.ReportAllocs()
		b.ResetTimer()
		n := 0
		for n < b.N {
			n += cl.PollFetches(context.Background()).NumRecords()
		}
		b.StopTimer()
		b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "records/s")
	})
}

// counter is a listener that counts records and stores only each partition's next offset.
type counter struct {
	src     *Source
	want    int64
	records int64
	wrong   int
	next    [4]int64
	begun   chan struct{}
	done    chan struct{}
}

func (o *counter) Assigned(t batch.Topic, ps []int32) {
	for _, p := range ps {
		o.src.Position([]batch.Position{{Partition: checkpoint.Partition{Topic: t.Name, ID: p}, Action: batch.Fetch, FetchID: 1, TopicID: t.ID, LeaderEpoch: -1}})
	}
}

func (o *counter) Revoked(context.Context, []checkpoint.Partition, bool) {}

func (o *counter) Fetched(f batch.Fetched) {
	if f.Err != nil || f.First != o.next[f.ID] || f.Len() != int64(len(f.Records)) || f.Records[0].Offset != f.First || len(f.Records[0].Value) != benchBytes {
		o.wrong++
	}
	o.next[f.ID] = f.Next
	if o.records == 0 {
		close(o.begun)
	}
	before := o.records
	o.records += int64(len(f.Records))
	if before < o.want && o.records >= o.want {
		close(o.done)
	}
	f.Release()
}

// Neither producing nor consuming a record costs an allocation in this package.
func TestBatch_allocatesNothing(t *testing.T) {
	cfg := DefaultConfig()
	cfg.KeyHeader = "host"
	p, err := NewProducer(cfg, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	key, value := []byte("host"), []byte("value")
	b := p.NewBatch(100)
	n := testing.AllocsPerRun(100, func() {
		for range 100 {
			b.Add(value)
			b.Header(key, value)
		}
		b.prepare("logs", 1<<20)
		b.reset()
	})
	if n != 0 {
		t.Errorf("%g allocations for 100 records, expected 0", n)
	}
}

func TestDeliver_allocatesNothingPerRecord(t *testing.T) {
	s, err := NewSource(DefaultConfig(), "job", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	f := &fetcher{s: s, listener: releases{}, throttle: obs.NewThrottle(time.Second)}
	p := &partition{Partition: checkpoint.Partition{Topic: "logs"}, end: math.MaxInt64}
	var records []*kgo.Record
	for i := range 1000 {
		records = append(records, &kgo.Record{Offset: int64(i), Headers: []kgo.RecordHeader{{Key: "k"}}})
	}
	n := testing.AllocsPerRun(100, func() {
		p.next = 0
		if done, err := f.deliverRecords(p, records); done != 1000 || err != nil {
			t.Fatalf("got %v, %v; expected 1000 and no error", done, err)
		}
	})
	if n > 1 {
		t.Errorf("%g allocations for 1000 records, expected at most 1", n)
	}
}

type releases struct{}

func (releases) Assigned(batch.Topic, []int32)                         {}
func (releases) Revoked(context.Context, []checkpoint.Partition, bool) {}
func (releases) Fetched(f batch.Fetched)                               { f.Release() }
