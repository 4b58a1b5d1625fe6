//go:build integration

package integration

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"

	"github.com/sluice-etl/sluice/internal/etltest"
	"github.com/sluice-etl/sluice/kafkaio"
)

// producer runs a Producer until the test ends.
func (r *realKafka) producer(t *testing.T, cfg kafkaio.Config) *kafkaio.Producer {
	t.Helper()
	log := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelInfo}))
	p, err := kafkaio.NewProducer(cfg, log, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	t.Cleanup(sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the producer ended with %v, expected no error", err)
		}
	}))
	return p
}

func produce(ctx context.Context, p *kafkaio.Producer, values ...[]byte) error {
	if err := p.Ready(ctx); err != nil {
		return err
	}
	b := p.NewBatch(len(values))
	for _, v := range values {
		b.Add(v)
	}
	return p.Produce(ctx, b, nil, nil)
}

// readTopic returns every record of a topic, read by a plain client.
func (r *realKafka) readTopic(ctx context.Context, t *testing.T, topic string) []*kgo.Record {
	t.Helper()
	ends, err := r.admin(t).ListEndOffsets(ctx, topic)
	if err != nil {
		t.Fatal(err)
	}
	want, from := int64(0), map[int32]kgo.Offset{}
	for p, o := range ends[topic] {
		want += o.Offset
		from[p] = kgo.NewOffset().AtStart()
	}
	cl := r.client(t, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: from}), kgo.FetchMaxWait(100*time.Millisecond))
	defer cl.Close()
	var all []*kgo.Record
	for int64(len(all)) < want {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("read %s: %d of %d records: %v", topic, len(all), want, err)
		}
		all = append(all, fetches.Records()...)
	}
	return all
}

// P24: a record that is too large for the topic becomes a dead letter, by its own size before compression, and the rest
// of its request is in the topic. If the limit is lowered while running, Kafka rejects a batch, and the limit is read
// again.
func realTooLarge(t *testing.T, r *realKafka) {
	ctx := etltest.Bounded(t, time.Minute)
	cfg := realConfig(r.Broker, "large", 2)
	r.make(t, cfg)
	p := r.producer(t, cfg)
	noise := make([]byte, 200<<10)
	_, _ = rand.Read(noise)
	small := []byte("small")
	for i, values := range [][][]byte{
		{small, bytes.Repeat([]byte{'x'}, 2<<20), small}, // it would compress to nothing
		{small, noise}, // fits
	} {
		if err := produce(ctx, p, values...); err != nil {
			t.Fatalf("request %d: %v", i, err)
		}
	}
	limit := "50000"
	if _, err := r.admin(t).AlterTopicConfigs(ctx, []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "max.message.bytes", Value: &limit}}, "large"); err != nil {
		t.Fatal(err)
	}
	if err := produce(ctx, p, small, noise, small); err != nil {
		t.Fatalf("after the limit was lowered: %v", err)
	}
	if err := produce(ctx, p, noise[:40_000], noise[:40_000], small); err != nil {
		t.Fatalf("records that fit alone and not together: %v", err)
	}
	sizes := func(rs []*kgo.Record) map[int]int {
		n := map[int]int{}
		for _, rec := range rs {
			n[len(rec.Value)]++
		}
		return n
	}
	if got := sizes(r.readTopic(ctx, t, "large")); got[len(small)] != 6 || got[len(noise)] != 1 || got[40_000] != 2 || len(got) != 3 {
		t.Errorf("the topic holds, by size: %v; expected 6 small records, 1 of noise, 2 of 40000 bytes and no others", got)
	}
	letters := map[string]bool{}
	dead := r.readTopic(ctx, t, "large.dlq")
	for _, rec := range dead {
		for _, h := range rec.Headers {
			if h.Key == kafkaio.HeaderLength {
				letters[string(h.Value)] = true
			}
		}
	}
	if len(dead) != 2 || !letters["2097152"] || !letters["204800"] {
		t.Errorf("%d dead letters, of the lengths %v; expected 2097152 and 204800", len(dead), letters)
	}
}

// Leader epochs increase when the broker restarts; checkpoints with older epochs remain valid.
func realEpochs(t *testing.T, r *realKafka) {
	ctx := etltest.Bounded(t, time.Minute)
	cfg := realConfig(r.Broker, "epochs", 1)
	r.make(t, cfg)
	l := newLedger(t)
	var places []account
	for i := range 3 {
		if i > 0 {
			if err := r.Kill(); err != nil {
				t.Fatal(err)
			}
			if err := r.Restart(ctx); err != nil {
				t.Fatal(err)
			}
		}
		fill(t, r.client(t), "epochs", 0, 100*i, 100*i+100)
		m := l.join(cfg, "epochs-job")
		etltest.Await(ctx, t, "all is taken", func() bool { return l.at(0).next == int64(100*i+100) || l.at(0).err != nil })
		m.stop()
		a := l.at(0)
		if a.err != nil {
			t.Fatal(a.err)
		}
		if i > 0 && a.epoch <= places[i-1].epoch {
			t.Errorf("leader epoch %d after %d: it did not increase", a.epoch, places[i-1].epoch)
		}
		places = append(places, account{next: a.next, epoch: a.epoch})
	}
	for i, place := range places { // each is where a process would continue that paused there
		l := newLedger(t)
		l.parts[0] = &place
		m := l.join(cfg, fmt.Sprintf("epochs-job-%d", i))
		fill(t, r.client(t), "epochs", 0, 300+i, 301+i)
		etltest.Await(ctx, t, "it continues", func() bool { return l.at(0).next == int64(301+i) || l.at(0).err != nil })
		if a := l.at(0); a.err != nil || a.gapped() != 0 {
			t.Errorf("from %d on: %v, %d gaps; expected 0 and no error", 100*i+100, a.err, a.gapped())
		}
		m.stop()
	}
	// A checkpoint beyond the end of its epoch in Kafka: the log was truncated and grew again.
	cut := newLedger(t)
	cut.parts[0] = &account{next: 150, epoch: places[0].epoch}
	cut.join(cfg, "epochs-job-cut")
	wantStopped(ctx, t, cut, 150, fmt.Sprintf("leader epoch %d ends at 100, but records up to 149 were counted in it", places[0].epoch))

	// A log that ends with an aborted transaction of a new epoch: the position after it has that epoch.
	if err := errors.Join(r.Kill(), r.Restart(ctx)); err != nil {
		t.Fatal(err)
	}
	txn := r.client(t, kgo.TransactionalID("epochs-txn"))
	if err := txn.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	fill(t, txn, "epochs", 0, 0, 10)
	if err := txn.EndTransaction(ctx, kgo.TryAbort); err != nil {
		t.Fatal(err)
	}
	end := int64(303 + 11)
	for _, job := range []string{"epochs-job-gap", "epochs-job-behind"} {
		if job == "epochs-job-behind" {
			fill(t, r.client(t), "epochs", 0, 314, 315)
			end++
		}
		m := l.join(cfg, job)
		etltest.Await(ctx, t, "it comes to the end", func() bool { return l.at(0).next == end || l.at(0).err != nil })
		m.stop()
		if a := l.at(0); a.err != nil || a.gapped() != 11 || a.epoch <= places[2].epoch {
			t.Fatalf("%s: at %d of epoch %d with %d gaps, error %v; expected %d, an epoch above %d, 11 gaps", job, a.next, a.epoch, a.gapped(), a.err, end, places[2].epoch)
		}
	}
	t.Logf("leader epochs %d, %d, %d, %d", places[0].epoch, places[1].epoch, places[2].epoch, l.at(0).epoch)
}

// The broker is killed and restarted under load: every record that got OK is in the topic, and the reader never stops.
func realKilled(t *testing.T, r *realKafka) {
	ctx := etltest.Bounded(t, 2*time.Minute)
	cfg := realConfig(r.Broker, "killed", 4)
	cfg.AckTimeout = time.Second
	r.make(t, cfg)
	p := r.producer(t, cfg)
	l := newLedger(t)
	l.join(cfg, "killed-job")

	const senders, size = 4, 50
	var mu sync.Mutex
	acked, resent := map[string]bool{}, 0
	load, enough := context.WithCancel(ctx)
	var g errgroup.Group
	for s := range senders {
		g.Go(func() error {
			pace := time.NewTicker(5 * time.Millisecond)
			defer pace.Stop()
			for i := 0; load.Err() == nil; i += size {
				<-pace.C
				values := make([][]byte, size)
				for j := range values {
					values[j] = fmt.Appendf(nil, "%d/%d", s, i+j)
				}
				for { // as Flume does: until it is answered
					limited, cancel := context.WithTimeout(ctx, cfg.AckTimeout)
					err := produce(limited, p, values...)
					cancel()
					if err == nil {
						break
					}
					if ctx.Err() != nil {
						return fmt.Errorf("request %d/%d: %w", s, i, err)
					}
					mu.Lock()
					resent++
					mu.Unlock()
				}
				mu.Lock()
				for _, v := range values {
					acked[string(v)] = true
				}
				mu.Unlock()
			}
			return nil
		})
	}
	count := func() int {
		mu.Lock()
		defer mu.Unlock()
		return len(acked)
	}
	for range 2 {
		at := count()
		etltest.Await(ctx, t, "10,000 more are answered", func() bool { return count() >= at+10_000 })
		if err := r.Kill(); err != nil {
			t.Fatal(err)
		}
		mu.Lock()
		before := resent
		mu.Unlock()
		etltest.Await(ctx, t, "every sender has dropped a request and tried again", func() bool {
			mu.Lock()
			defer mu.Unlock()
			return resent >= before+2*senders
		})
		if err := r.Restart(ctx); err != nil {
			t.Fatal(err)
		}
	}
	at := count()
	etltest.Await(ctx, t, "10,000 more are answered after the last restart", func() bool { return count() >= at+10_000 })
	enough()
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}

	all := r.readTopic(ctx, t, "killed")
	in := map[string]int{}
	for _, rec := range all {
		in[string(rec.Value)]++
	}
	lost := 0
	for v := range acked {
		if in[v] == 0 {
			lost++
		}
	}
	if lost > 0 {
		t.Errorf("%d of %d records got OK and are not in Kafka, expected 0", lost, len(acked))
	}
	copies := len(all) - len(in)
	t.Logf("%d got OK, %d in Kafka, %d duplicates, %d requests sent again", len(acked), len(all), copies, resent)
	// P23: an outage of any length duplicates only the requests that the client held when it began.
	if most := 2 * senders * size; copies > most {
		t.Errorf("%d duplicates of two outages, expected at most %d", copies, most)
	}
	etltest.Await(ctx, t, "all is taken", func() bool {
		n := 0
		for p := range cfg.Partitions {
			a := l.at(p)
			if a.err != nil {
				t.Fatal(a.err)
			}
			n += len(a.values)
		}
		return n == len(all)
	})
	for v, n := range l.values() {
		if n != in[v] {
			t.Errorf("record %s was processed %d times, expected %d as in Kafka", v, n, in[v])
		}
	}
}
