package kafkaio

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
)

// The frame of a record that Kafka rejects is kept until the record is in the dead-letter topic and its neighbours are
// produced again. A receiver that reuses the memory right after the release changes no record.
func TestP29_frameIsKeptUntilRejectedRecordsAreDead(t *testing.T) {
	t.Parallel()
	c := broker(t)
	makeTopics(t, c, 1, nil)
	p, _ := producer(t, testConfig(c))
	frame := noise(3 * 64)
	want := [][]byte{bytes.Clone(frame[:64]), bytes.Clone(frame[64:128]), bytes.Clone(frame[128:])}
	refuse(c, "logs", string(want[1]), kerr.InvalidRecord)
	b := p.NewBatch(3)
	for i := range want {
		b.Add(frame[64*i : 64*(i+1)])
	}
	releases := 0
	if err := p.Produce(t.Context(), b, nil, func() { releases++; clear(frame) }); err != nil {
		t.Fatal(err)
	}
	if releases != 1 {
		t.Errorf("released %d times, expected 1", releases)
	}
	var got [][]byte
	for _, r := range readAll(t, c, "logs") {
		got = append(got, r.Value)
	}
	if len(got) != 2 || !bytes.Equal(got[0], want[0]) || !bytes.Equal(got[1], want[2]) {
		t.Errorf("got %d records, expected the two valid ones unchanged", len(got))
	}
	letters := readAll(t, c, "logs.dlq")
	if len(letters) != 1 {
		t.Fatalf("%d dead letters, expected 1", len(letters))
	}
	wantLetter(t, letters[0], want[1], "Kafka rejects the record: "+kerr.InvalidRecord.Message)
}

// produceInSilence produces one record without a deadline while Kafka does not reply. end makes it reply; done receives
// the result.
func produceInSilence(t *testing.T, ackTimeout time.Duration, unlimited bool) (end func(), done chan error) {
	t.Helper()
	c := broker(t)
	makeTopics(t, c, 1, nil)
	cfg := testConfig(c)
	cfg.AckTimeout = ackTimeout
	p, _ := producer(t, cfg)
	if err := p.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	end, _ = silence(t, c)
	done = make(chan error, 1)
	b, _, release := request(p, "a", 1)
	b.Unlimited = unlimited
	go func() { done <- p.Produce(context.WithoutCancel(t.Context()), b, nil, release) }()
	return end, done
}

// A request without a deadline waits for at most Config.AckTimeout.
func TestP23_ARequestWithoutADeadlineHasAckTimeout(t *testing.T) {
	t.Parallel()
	end, done := produceInSilence(t, 200*time.Millisecond, false)
	defer end()
	select {
	case err := <-done:
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, expected the deadline", err)
		}
	case <-time.After(20 * time.Second):
		t.Error("still waits after 20 s")
	}
}

// An unlimited request without a deadline waits for Kafka however long that takes.
func TestP23_AnUnlimitedRequestWaitsForKafka(t *testing.T) {
	t.Parallel()
	const ackTimeout = 50 * time.Millisecond
	end, done := produceInSilence(t, ackTimeout, true)
	defer end()
	select {
	case err := <-done:
		t.Fatalf("returned %v before Kafka replied", err)
	case <-time.After(4 * ackTimeout):
	}
	end()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
