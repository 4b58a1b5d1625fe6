package kafkaio

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func producer(tb testing.TB, cfg Config) (*Producer, func()) {
	tb.Helper()
	p, err := NewProducer(cfg, testLog(), nil)
	if err != nil {
		tb.Fatal(err)
	}
	stop := start(tb, p.Run)
	ctx, cancel := context.WithTimeout(context.Background(), testTimeout)
	defer cancel()
	if err := p.Ready(ctx); err != nil {
		tb.Fatal(err)
	}
	return p, stop
}

// noise returns n bytes that do not compress.
func noise(n int) []byte {
	r := rand.NewChaCha8([32]byte{1})
	b := make([]byte, n)
	_, _ = r.Read(b)
	return b
}

// request returns a batch of n records with the values name/0 to name/n-1, and a counter of its releases.
func request(p *Producer, name string, n int) (b *Batch, released *atomic.Int32, release func()) {
	b = p.NewBatch(n)
	for i := range n {
		b.Add(fmt.Appendf(nil, "%s/%d", name, i))
		b.Header([]byte("host"), []byte("h"+name))
		b.Header([]byte("timestamp"), strconv.AppendInt(nil, int64(i), 10))
	}
	released = new(atomic.Int32)
	return b, released, func() { released.Add(1) }
}

func TestProduce_recordsHeadersKey(t *testing.T) {
	t.Parallel()
	c := broker(t)
	makeTopics(t, c, 3, nil)
	cfg := testConfig(c)
	cfg.KeyHeader = "host"
	p, _ := producer(t, cfg)
	for round := range 3 { // slabs are used again
		b, released, release := request(p, fmt.Sprint(round), 50)
		if err := p.Produce(t.Context(), b, nil, release); err != nil {
			t.Fatal(err)
		}
		if released.Load() != 1 {
			t.Errorf("released %d times, expected 1", released.Load())
		}
	}
	seen := map[string]int{}
	for _, r := range readAll(t, c, "logs") {
		seen[string(r.Value)]++
		round, i, _ := strings.Cut(string(r.Value), "/")
		if len(r.Headers) != 2 || r.Headers[0].Key != "host" || string(r.Headers[0].Value) != "h"+round || string(r.Headers[1].Value) != i || string(r.Key) != "h"+round {
			t.Errorf("record %s has headers %v and key %s; expected 2 headers, the first %q with value %q, the second with value %v, and key %q", r.Value, r.Headers, r.Key, "host", "h"+round, i, "h"+round)
		}
	}
	if len(seen) != 150 {
		t.Errorf("%d different records, expected 150", len(seen))
	}
}

func TestProduce_emptyValueIsNotATombstone(t *testing.T) {
	t.Parallel()
	c := broker(t)
	makeTopics(t, c, 1, nil)
	p, _ := producer(t, testConfig(c))
	b := p.NewBatch(1)
	b.Add(nil)
	if err := p.Produce(t.Context(), b, nil, nil); err != nil {
		t.Fatal(err)
	}
	if rs := readAll(t, c, "logs"); len(rs) != 1 || rs[0].Value == nil {
		t.Errorf("got %v, expected one record with an empty value", rs)
	}
}

// The topic's limit is below the client's default. All 2,000 events are in the topic, and none is a dead letter.
func TestP24_topicLimitBelowTheDefault(t *testing.T) {
	t.Parallel()
	c := broker(t)
	makeTopics(t, c, 1, map[string]string{"max.message.bytes": "200000"})
	p, _ := producer(t, testConfig(c))
	b := p.NewBatch(2000)
	data := noise(2000 * 1000)
	for i := range 2000 {
		b.Add(data[i*1000 : (i+1)*1000])
	}
	if err := p.Produce(t.Context(), b, nil, nil); err != nil {
		t.Fatal(err)
	}
	if n := len(readAll(t, c, "logs")); n != 2000 {
		t.Errorf("%d records, expected 2000", n)
	}
	if n := testutil.ToFloat64(p.met.single); n != 0 {
		t.Errorf("%v records were first rejected with their batch, expected 0", n)
	}
	if hw := c.PartitionInfo("logs.dlq", 0).HighWatermark; hw != 0 {
		t.Errorf("%d dead letters, expected 0", hw)
	}
}

// tooLarge is the reason of every event that exceeds its topic's limit, whatever its size.
const tooLarge = "the record is larger than the topic takes (max.message.bytes)"

func wantLetter(t *testing.T, r *kgo.Record, value []byte, reason string) {
	t.Helper()
	h := map[string]string{}
	for _, x := range r.Headers {
		h[x.Key] = string(x.Value)
	}
	sum := sha256.Sum256(value)
	if h[HeaderTopic] != "logs" || h[HeaderLength] != fmt.Sprint(len(value)) || h[HeaderHash] != hex.EncodeToString(sum[:]) || h[HeaderReason] != reason || h[HeaderDetail] == "" {
		t.Errorf("dead letter's headers are %v", h)
	}
	if len(r.Value) == 0 || !strings.HasPrefix(string(value), string(r.Value)) {
		t.Errorf("dead letter's value of %d bytes is not a prefix of the event's; expected other than 0 and value to begin with %q", len(r.Value), string(r.Value))
	}
}

// For every size around the limit: the client accepts what this package considers to fit, and the rest are dead
// letters.
func TestP24_sizeIsCheckedBeforeProducing(t *testing.T) {
	t.Parallel()
	c := broker(t)
	makeTopics(t, c, 1, map[string]string{"max.message.bytes": "20000"})
	p, _ := producer(t, testConfig(c))
	alone := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Observe: true, Count: -1, Topic: "logs.dlq"})
	data := noise(25000)
	dead := 0
	for size := 19800; size <= 20100; size += 3 {
		before := alone.Hits()
		b := p.NewBatch(2)
		b.Add(data[:size])
		b.Header([]byte("k"), []byte("v"))
		b.Add([]byte("small"))
		if err := p.Produce(t.Context(), b, nil, nil); err != nil {
			t.Fatalf("size %d: %v", size, err)
		}
		if alone.Hits() > before {
			dead++
		} else if dead > 0 {
			t.Errorf("size %d was produced after a smaller one became a dead letter", size)
		}
	}
	letters := readAll(t, c, "logs.dlq")
	if dead < 10 || dead > 90 || len(letters) != dead {
		t.Fatalf("%d of 101 dead, %d letters; expected at least 10 and at most 90", dead, len(letters))
	}
	wantLetter(t, letters[len(letters)-1], data[:20100], tooLarge)
	if n := len(readAll(t, c, "logs")); n != 2*101-dead {
		t.Errorf("%d records in the log, expected %d", n, 2*101-dead)
	}
}

func TestP24_hugeHeadersAreOmitted(t *testing.T) {
	t.Parallel()
	c := broker(t)
	makeTopics(t, c, 1, map[string]string{"max.message.bytes": "20000"})
	p, _ := producer(t, testConfig(c))
	b := p.NewBatch(1)
	b.Add([]byte("body"))
	b.Header([]byte("small"), []byte("kept"))
	b.Header([]byte("huge"), noise(100_000))
	if err := p.Produce(t.Context(), b, nil, nil); err != nil {
		t.Fatal(err)
	}
	letters := readAll(t, c, "logs.dlq")
	if len(letters) != 1 || string(letters[0].Value) != "body" {
		t.Fatalf("letters %v; expected 1 dead letter with the value %q", letters, "body")
	}
	wantLetter(t, letters[0], []byte("body"), tooLarge)
	last := letters[0].Headers[len(letters[0].Headers)-1]
	if last.Key != "small" {
		t.Errorf("the last header kept is %s, expected %q", last.Key, "small")
	}
}

// The limit decreases while running: batches in flight are rejected, none of their records is lost or becomes a dead
// letter, and later batches stay below the new limit.
func TestP24_limitDecreases(t *testing.T) {
	t.Parallel()
	c := broker(t)
	makeTopics(t, c, 1, map[string]string{"max.message.bytes": "1000000"})
	p, _ := producer(t, testConfig(c))
	adm, err := newAdmin(testConfig(c), orDiscard(nil), &dials{})
	if err != nil {
		t.Fatal(err)
	}
	defer adm.Close()
	setConfig(t, adm, "logs", "max.message.bytes", "20000")
	settled := time.NewTimer(1100 * time.Millisecond) // the limits are read at most once a second
	<-settled.C
	data := noise(500 * 1000)
	for round := range 3 {
		b := p.NewBatch(500)
		for i := range 500 {
			b.Add(data[i*1000 : (i+1)*1000])
		}
		if err := p.Produce(t.Context(), b, nil, nil); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
	}
	if n := len(readAll(t, c, "logs")); n != 1500 {
		t.Errorf("%d records, expected 1500", n)
	}
	if hw := c.PartitionInfo("logs.dlq", 0).HighWatermark; hw != 0 {
		t.Errorf("%d dead letters, expected 0", hw)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if got := p.shared.limits.data; got != 20000 {
		t.Errorf("the producer's limit is %d, expected 20000", got)
	}
}

// refuse makes the broker reply with the error to produce requests that contain the poison, as for one bad record.
func refuse(c *kfake.Cluster, topic, poison string, with *kerr.Error) {
	id := c.TopicInfo(topic).TopicID
	c.ControlKey(int16(kmsg.Produce), func(kreq kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		req := kreq.(*kmsg.ProduceRequest)
		hit := false
		resp := req.ResponseKind().(*kmsg.ProduceResponse)
		for _, rt := range req.Topics {
			st := kmsg.NewProduceResponseTopic()
			st.Topic, st.TopicID = rt.Topic, rt.TopicID
			for _, rp := range rt.Partitions {
				sp := kmsg.NewProduceResponseTopicPartition()
				sp.Partition, sp.ErrorCode = rp.Partition, with.Code
				st.Partitions = append(st.Partitions, sp)
				hit = hit || (rt.Topic == topic || rt.TopicID == id) && strings.Contains(string(rp.Records), poison)
			}
			resp.Topics = append(resp.Topics, st)
		}
		if !hit {
			return nil, nil, false
		}
		return resp, nil, true
	})
}

func TestP24_onlyTheRejectedRecordIsDead(t *testing.T) {
	t.Parallel()
	for _, code := range []*kerr.Error{kerr.MessageTooLarge, kerr.InvalidRecord, kerr.InvalidTimestamp, kerr.CorruptMessage} {
		t.Run(code.Message, func(t *testing.T) {
			t.Parallel()
			c := broker(t)
			makeTopics(t, c, 1, nil)
			p, _ := producer(t, testConfig(c))
			poison := string(noise(64)) // is not found by compression
			refuse(c, "logs", poison, code)
			var senders sync.WaitGroup
			for s := range 4 {
				senders.Go(func() {
					b, _, release := request(p, fmt.Sprint(s), 25)
					if s == 2 {
						b.Add([]byte(poison))
					}
					if err := p.Produce(t.Context(), b, nil, release); err != nil {
						t.Errorf("sender %d: %v", s, err)
					}
				})
			}
			senders.Wait()
			if n := len(readAll(t, c, "logs")); n != 100 {
				t.Errorf("%d records, expected the 100 good ones", n)
			}
			letters := readAll(t, c, "logs.dlq")
			if len(letters) != 1 {
				t.Fatalf("%d dead letters, expected 1", len(letters))
			}
			wantLetter(t, letters[0], []byte(poison), "Kafka rejects the record: "+code.Message)
		})
	}
}

// Errors that no record causes, and errors of the dead-letter topic, give no OK.
func TestP24_noOKBeforeTheDeadLetter(t *testing.T) {
	t.Parallel()
	c := broker(t)
	makeTopics(t, c, 1, nil)
	p, _ := producer(t, testConfig(c))
	poison := string(noise(64))
	refuse(c, "logs", poison, kerr.InvalidRecord)
	refuse(c, "logs.dlq", poison, kerr.InvalidRecord)
	b, released, release := request(p, "a", 3)
	b.Add([]byte(poison))
	err := p.Produce(t.Context(), b, nil, release)
	if err == nil || !strings.Contains(err.Error(), "logs.dlq") || released.Load() != 1 {
		t.Errorf("got %v, released %d times; expected an error that names logs.dlq", err, released.Load())
	}
}

func TestP24_authorizationIsNoContentError(t *testing.T) {
	t.Parallel()
	c := broker(t)
	makeTopics(t, c, 1, nil)
	p, _ := producer(t, testConfig(c))
	fault := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: "logs", Err: kerr.TopicAuthorizationFailed, Count: -1})
	b, _, release := request(p, "a", 10)
	if err := p.Produce(t.Context(), b, nil, release); !errors.Is(err, kerr.TopicAuthorizationFailed) {
		t.Errorf("got %v, expected %v", err, kerr.TopicAuthorizationFailed)
	}
	fault.Remove()
	b, _, release = request(p, "a", 10) // the sender tries again
	if err := p.Produce(t.Context(), b, nil, release); err != nil {
		t.Error(err)
	}
	if n, dead := len(readAll(t, c, "logs")), c.PartitionInfo("logs.dlq", 0).HighWatermark; n != 10 || dead != 0 {
		t.Errorf("%d records and %d dead letters, expected 10 and 0", n, dead)
	}
}

func TestProduce_startsBeforeKafka(t *testing.T) {
	t.Parallel()
	c := broker(t)
	cfg := testConfig(c)
	p, err := NewProducer(cfg, testLog(), nil)
	if err != nil {
		t.Fatal(err)
	}
	start(t, p.Run)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := p.Ready(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("ready without a topic: %v, expected %v", err, context.DeadlineExceeded)
	}
	makeTopics(t, c, 1, nil)
	b, _, release := request(p, "a", 1)
	if err := p.Produce(t.Context(), b, nil, release); err != nil {
		t.Error(err)
	}
}

func TestDeadLetter_fits(t *testing.T) {
	t.Parallel()
	for _, limit := range []int64{600, 1000, 20_000, 1 << 20} {
		for _, n := range []int{0, 1, 100, 5000, 3 << 20} {
			rec := &kgo.Record{Topic: "logs", Key: noise(n), Value: noise(n)}
			for i := range 20 {
				rec.Headers = append(rec.Headers, kgo.RecordHeader{Key: fmt.Sprint(i), Value: noise(n / 10)})
			}
			letter := deadLetter(rec, "logs.dlq", cause{strings.Repeat("why ", 30), strings.Repeat("detail ", 30)}, 0, limit)
			if size := batchBytes(letter); size > limit {
				t.Errorf("limit %d, record of %d: the letter takes %d", limit, n, size)
			}
		}
	}
}
