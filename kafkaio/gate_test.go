package kafkaio

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// silence makes the broker not reply to produce requests until the returned function is called.
func silence(tb testing.TB, c *kfake.Cluster) (end func(), asked *atomic.Int32) {
	tb.Helper()
	over := make(chan struct{})
	asked = new(atomic.Int32)
	c.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		asked.Add(1)
		c.DropControl()
		c.SleepControl(func() { <-over })
		return nil, nil, false
	})
	var once sync.Once
	end = func() { once.Do(func() { close(over) }) }
	tb.Cleanup(end)
	return end, asked
}

func TestP29_releasedOnceAfterTimeout(t *testing.T) {
	t.Parallel()
	c := broker(t)
	makeTopics(t, c, 1, nil)
	p, _ := producer(t, testConfig(c))
	end, _ := silence(t, c)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	b, released, release := request(p, "late", 10)
	err := p.Produce(ctx, b, nil, release)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, expected the deadline", err)
	}
	if released.Load() != 0 {
		t.Error("released while Kafka's client still holds the records")
	}
	end()
	eventually(t, "the release", func() bool { return released.Load() == 1 })
	if n := len(readAll(t, c, "logs")); n != 10 {
		t.Errorf("%d records in the log, expected the 10 that were handed to the client", n)
	}
	if err := p.Ready(t.Context()); err != nil {
		t.Error(err)
	}
	if released.Load() != 1 {
		t.Errorf("released %d times, expected 1", released.Load())
	}
}

func TestP23_gateClosesWhileUnanswered(t *testing.T) {
	t.Parallel()
	c := broker(t)
	makeTopics(t, c, 1, nil)
	p, _ := producer(t, testConfig(c))
	end, asked := silence(t, c)
	short := func() (context.Context, context.CancelFunc) {
		return context.WithTimeout(t.Context(), 50*time.Millisecond)
	}
	ctx, cancel := short()
	defer cancel()
	b, _, release := request(p, "first", 5)
	if err := p.Produce(ctx, b, nil, release); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("got %v, expected %v", err, context.DeadlineExceeded)
	}
	ctx, cancel = short()
	defer cancel()
	if err := p.Ready(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("ready while 5 records are unacknowledged: %v, expected %v", err, context.DeadlineExceeded)
	}
	// A second one waits at the gate, and none of it is produced after its deadline.
	ctx, cancel = short()
	defer cancel()
	b, released, release := request(p, "second", 5)
	if err := p.Produce(ctx, b, nil, release); !errors.Is(err, context.DeadlineExceeded) || released.Load() != 1 {
		t.Errorf("second: %v, released %d times; expected 1 and %v", err, released.Load(), context.DeadlineExceeded)
	}
	// A third one waits longer, but its sender closes the connection meanwhile.
	var gone atomic.Bool
	done := make(chan error, 1)
	go func() {
		b, _, release := request(p, "third", 5)
		done <- p.Produce(t.Context(), b, gone.Load, release)
	}()
	// A fourth waits and is produced when the gate opens.
	fourth := make(chan error, 1)
	go func() {
		b, _, release := request(p, "fourth", 5)
		fourth <- p.Produce(t.Context(), b, func() bool { return false }, release)
	}()
	gone.Store(true)
	if n := asked.Load(); n != 1 {
		t.Errorf("%d produce requests, expected only the first", n)
	}
	end()
	if err := <-done; !errors.Is(err, ErrPeerClosed) {
		t.Errorf("third: %v, expected %v", err, ErrPeerClosed)
	}
	if err := <-fourth; err != nil {
		t.Errorf("fourth: %v", err)
	}
	got := map[string]int{}
	for _, r := range readAll(t, c, "logs") {
		name, _, _ := strings.Cut(string(r.Value), "/")
		got[name]++
	}
	if got["first"] != 5 || got["second"] != 0 || got["third"] != 0 || got["fourth"] != 5 {
		t.Errorf("the log holds %v; expected got[\"first\"] 5, got[\"second\"] 0, got[\"third\"] 0 and got[\"fourth\"] 5", got)
	}
}

// An outage, scaled down: Kafka does not reply for 2 s, requests have a deadline of 50 ms and are sent again 10 ms
// later, with one Flume batch of 10 from each of 4 senders. For the whole outage each event has at most one duplicate
// besides the acknowledged record. The deadline is 50 ms only during the outage, because a slow machine that exceeds it
// later would add the duplicate of another outage.
func TestP23_outageAddsOneDuplicate(t *testing.T) {
	t.Parallel()
	c := broker(t)
	makeTopics(t, c, 1, nil)
	p, _ := producer(t, testConfig(c))
	end, _ := silence(t, c)
	var mu sync.Mutex // held by what ends a request and by what ends the silence
	silent := true
	timer := time.AfterFunc(2*time.Second, func() {
		mu.Lock()
		defer mu.Unlock()
		silent = false
		end()
	})
	defer timer.Stop()
	var senders sync.WaitGroup
	var tries atomic.Int32
	for s := range 4 {
		senders.Go(func() {
			for {
				ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
				impatience := time.AfterFunc(50*time.Millisecond, func() {
					mu.Lock()
					defer mu.Unlock()
					if silent {
						cancel()
					}
				})
				b, _, release := request(p, fmt.Sprint(s), 10)
				err := p.Produce(ctx, b, nil, release)
				impatience.Stop()
				cancel()
				if err == nil {
					return
				}
				tries.Add(1)
				pause := time.NewTimer(10 * time.Millisecond)
				<-pause.C
			}
		})
	}
	senders.Wait()
	copies := map[string]int{}
	for _, r := range readAll(t, c, "logs") {
		copies[string(r.Value)]++
	}
	if len(copies) != 40 {
		t.Errorf("%d different events, expected 40", len(copies))
	}
	for e, n := range copies {
		if n > 2 {
			t.Errorf("%d records of %s, expected at most 2", n, e)
		}
	}
	if tries.Load() < 20 {
		t.Errorf("only %d attempts failed; there was no outage, expected at least 20", tries.Load())
	}
}

// If the producer closes while Kafka does not reply, nothing hangs and every frame is released.
func TestP33_closeWhileKafkaDoesNotReply(t *testing.T) {
	t.Parallel()
	c := broker(t)
	makeTopics(t, c, 1, nil)
	cfg := testConfig(c)
	cfg.ShutdownTimeout = 100 * time.Millisecond
	p, stop := producer(t, cfg)
	silence(t, c)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	b, released, release := request(p, "a", 10)
	if err := p.Produce(ctx, b, nil, release); err == nil {
		t.Error("acknowledged although Kafka does not reply")
	}
	stop()
	if released.Load() != 1 {
		t.Errorf("released %d times, expected 1", released.Load())
	}
	b, released, release = request(p, "b", 1)
	if err := p.Produce(t.Context(), b, nil, release); !errors.Is(err, ErrClosed) || released.Load() != 1 {
		t.Errorf("after the end: %v, released %d times; expected 1 and %v", err, released.Load(), ErrClosed)
	}
}

// Requests that the producer accepted before it closes are acknowledged within the shutdown timeout.
func TestP33_closeWaitsForAcks(t *testing.T) {
	t.Parallel()
	c := broker(t)
	makeTopics(t, c, 1, nil)
	p, stop := producer(t, testConfig(c))
	end, asked := silence(t, c)
	done := make(chan error, 1)
	go func() {
		b, _, release := request(p, "a", 10)
		done <- p.Produce(context.Background(), b, nil, release)
	}()
	eventually(t, "the request", func() bool { return asked.Load() == 1 })
	timer := time.AfterFunc(100*time.Millisecond, end)
	defer timer.Stop()
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
