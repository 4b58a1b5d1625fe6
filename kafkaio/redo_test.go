package kafkaio

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// Kafka rejected a batch for one of its records, and the others are produced again one by one. If the request's
// deadline passes meanwhile, the rest is not produced, because the sender sends the request again.
func TestP23_AnAbandonedRequestIsNotProducedAgain(t *testing.T) {
	t.Parallel()
	c := broker(t)
	makeTopics(t, c, 1, nil)
	p, _ := producer(t, testConfig(c))
	if err := p.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	b, released, release := request(p, "late", 5)
	b.release = release
	b.prepare("logs", 1<<20)
	for _, r := range b.ptrs {
		b.rejected = append(b.rejected, rejection{rec: r})
	}
	b.state.Store(stateAbandoned)
	p.gate.add(5)
	p.mu.Lock()
	p.inFlight++
	p.mu.Unlock()
	p.redo.Put(b)
	eventually(t, "the release", func() bool { return released.Load() == 1 })
	if err := p.Ready(t.Context()); err != nil {
		t.Error(err)
	}
	if n := len(readAll(t, c, "logs")); n != 0 {
		t.Errorf("%d records were produced after their request's deadline, expected 0", n)
	}
}

func TestP23_errorsWrapErrNotProduced(t *testing.T) {
	t.Parallel()
	c := broker(t)
	makeTopics(t, c, 1, nil)
	p, stop := producer(t, testConfig(c))
	b, _, release := request(p, "gone", 1)
	if err := p.Produce(t.Context(), b, func() bool { return true }, release); !errors.Is(err, ErrNotProduced) || !errors.Is(err, ErrPeerClosed) {
		t.Errorf("gone: %v; expected %v and %v", err, ErrNotProduced, ErrPeerClosed)
	}
	stop()
	b, _, release = request(p, "closed", 1)
	if err := p.Produce(t.Context(), b, nil, release); !errors.Is(err, ErrNotProduced) || !errors.Is(err, ErrClosed) {
		t.Errorf("closed: %v; expected %v and %v", err, ErrNotProduced, ErrClosed)
	}
}

// thawed is a context whose deadline passed while the process was frozen: its timer has not fired yet.
type thawed struct{ context.Context }

func (thawed) Deadline() (time.Time, bool) { return time.Now().Add(-time.Second), true }

func TestP23_ARequestThatWasFrozenIsNotProduced(t *testing.T) {
	t.Parallel()
	c := broker(t)
	makeTopics(t, c, 1, nil)
	p, _ := producer(t, testConfig(c))
	b, released, release := request(p, "old", 1)
	if err := p.Produce(thawed{t.Context()}, b, nil, release); !errors.Is(err, ErrNotProduced) || released.Load() != 1 {
		t.Errorf("error is %v, released %d times; expected 1 and %v", err, released.Load(), ErrNotProduced)
	}
}

// An event above a limit of its receiver becomes a dead letter with the constant reason, the value's full length and
// hash, and the number of dropped headers; its neighbours are in the topic, and the request is acknowledged. A request
// of only such events is acknowledged within ack-timeout too.
func TestP24_EventsAboveALimitAreDeadLetters(t *testing.T) {
	t.Parallel()
	c := broker(t)
	makeTopics(t, c, 1, nil)
	p, _ := producer(t, testConfig(c))
	b, released, release := request(p, "good", 2)
	large := noise(2 << 20)
	b.Add(large)
	b.Header([]byte("host"), []byte("web"))
	b.Dead("headers", "the event has more headers than option 'avro.max-headers'", 299)
	b.Add([]byte("after"))
	if err := p.Produce(t.Context(), b, nil, release); err != nil || released.Load() != 1 {
		t.Fatalf("error %v, released %d times; expected 1 and no error", err, released.Load())
	}
	if n := len(readAll(t, c, "logs")); n != 3 {
		t.Errorf("%d records in the topic, expected 3", n)
	}
	letters := readAll(t, c, "logs.dlq")
	if len(letters) != 1 {
		t.Fatalf("%d dead letters, expected 1", len(letters))
	}
	sum := sha256.Sum256(large)
	got := map[string]string{}
	for _, h := range letters[0].Headers {
		got[h.Key] = string(h.Value)
	}
	want := map[string]string{
		HeaderTopic: "logs", HeaderReason: "the event has more headers than option 'avro.max-headers'", HeaderLength: "2097152",
		HeaderHash: hex.EncodeToString(sum[:]), HeaderDropped: "299", "host": "web",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if v := letters[0].Value; len(v) == 0 || len(v) >= len(large) || !bytes.Equal(v, large[:len(v)]) {
		t.Errorf("the dead letter has %d bytes that are not a prefix of the value", len(v))
	}
	if n := testutil.ToFloat64(p.met.dead.WithLabelValues("headers")); n != 1 {
		t.Errorf("%v dead letters are counted, expected 1", n)
	}

	b, _, release = request(p, "", 0)
	const many = 3*lettersAtOnce + 1
	for range many {
		b.Add([]byte("x"))
		b.Dead("body_bytes", "why", 0)
	}
	if err := p.Produce(t.Context(), b, nil, release); err != nil {
		t.Fatal(err)
	}
	if n := len(readAll(t, c, "logs.dlq")); n != many+1 {
		t.Errorf("%d dead letters, expected %d", n, many+1)
	}
	if n := len(readAll(t, c, "logs")); n != 3 {
		t.Errorf("%d records in the topic, expected still 3", n)
	}
}
