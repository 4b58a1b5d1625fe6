package http

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-etl/sluice/internal/receivertest"
	"github.com/sluice-etl/sluice/receiver"
)

// 200 is sent once Kafka has acknowledged every event, and not before.
func TestP23_repliesAfterTheAck(t *testing.T) {
	t.Parallel()
	k := receivertest.Hold()
	g := start(t, k, nil)
	c := g.Dial()
	c.Send(postOf(`[{"body":"a"},{"body":"b"}]`))
	r := <-k.Came
	if len(r.Events) != 2 {
		t.Errorf("%d events: one request is all or nothing, expected 2", len(r.Events))
	}
	c.Open(50 * time.Millisecond)
	r.Release()
	k.Ack <- nil
	status(c, http.StatusOK)
	g.Until("counted", func() bool { return g.Metric("etl_receiver_events_total") == 2 })
}

func TestP23_unavailableAfterAckTimeout(t *testing.T) {
	t.Parallel()
	k := receivertest.Hold()
	g := start(t, k, func(_ *Config, rt *receiver.Runtime) { rt.AckTimeout = 100 * time.Millisecond })
	begun := time.Now()
	a := g.post(`[{"body":"a"},{"body":"b"}]`)
	if a.status != http.StatusServiceUnavailable || a.header.Get("Retry-After") != "1" || !strings.Contains(a.body, "the ack timeout") {
		t.Errorf("reply %+v; expected status %v, header Retry-After %q and a body that contains %q", a, http.StatusServiceUnavailable, "1", "the ack timeout")
	}
	if d := time.Since(begun); d < 100*time.Millisecond {
		t.Errorf("after %s", d)
	}
	if n := g.Metric("etl_receiver_unanswered_events_total"); n != 2 {
		t.Errorf("%v events counted, expected 2", n)
	}
	if n := g.Metric("etl_receiver_events_total"); n != 0 {
		t.Errorf("%v events counted as replied to, expected 0", n)
	}
	(<-k.Came).Release()
}

// After an acknowledgement later than ack-timeout 200 is not sent, although Append returned nil.
func TestP23_lateAckGetsNoOK(t *testing.T) {
	t.Parallel()
	k := &kafka{OnAppend: func(ctx context.Context, r receiver.Request) error {
		defer r.Release()
		<-ctx.Done()
		return nil
	}}
	g := start(t, k, func(_ *Config, rt *receiver.Runtime) { rt.AckTimeout = 50 * time.Millisecond })
	if a := g.post(`[{}]`); a.status != http.StatusServiceUnavailable {
		t.Errorf("reply %+v, expected status %v", a, http.StatusServiceUnavailable)
	}
}

// Events that the Appender did not produce do not count as unanswered; the sender gets 503 with Retry-After.
func TestP23_notProduced(t *testing.T) {
	t.Parallel()
	k := &kafka{OnAppend: func(_ context.Context, r receiver.Request) error {
		r.Release()
		return fmt.Errorf("no topic: %w", receiver.ErrNotProduced)
	}}
	g := start(t, k, nil)
	if a := g.post(`[{}]`); a.status != http.StatusServiceUnavailable {
		t.Errorf("reply %+v, expected status %v", a, http.StatusServiceUnavailable)
	}
	if n := g.Metric("etl_receiver_unanswered_events_total"); n != 0 {
		t.Errorf("%v events counted, expected 0", n)
	}
}

// While the Appender is not ready, no body is read; a request that waits for it longer than ack-timeout gets 503.
func TestP23_notReady(t *testing.T) {
	t.Parallel()
	gate := make(chan struct{})
	asked := make(chan struct{}, 10)
	k := &kafka{OnReady: func(ctx context.Context) error {
		asked <- struct{}{}
		select {
		case <-gate:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}}
	short := start(t, k, func(_ *Config, rt *receiver.Runtime) { rt.AckTimeout = 50 * time.Millisecond })
	a := short.post(`[{}]`)
	if a.status != http.StatusServiceUnavailable || a.header.Get("Retry-After") != "1" {
		t.Errorf("reply %+v; expected status %v and header Retry-After %q", a, http.StatusServiceUnavailable, "1")
	}
	<-asked
	long := start(t, k, nil)
	c := long.Dial()
	c.Send(postOf(`[{"body":"waited"}]`))
	<-asked
	if n := long.Admission.Used(); n != 0 {
		t.Errorf("%d bytes in flight while not ready, expected 0", n)
	}
	close(gate)
	status(c, http.StatusOK)
	if d := cmp.Diff([]string{"waited{}"}, k.Got()); d != "" {
		t.Error(d)
	}
}

// A stop while Kafka is unavailable makes senders retry: 503, whatever the Appender's error is. After 400 they would
// discard the request.
func TestP33_stopWhileNotReady(t *testing.T) {
	t.Parallel()
	asked := make(chan struct{})
	k := &kafka{OnReady: func(ctx context.Context) error {
		close(asked)
		<-ctx.Done()
		return errors.New("stopped by a signal") // the cause, as the producer returns it
	}}
	g := start(t, k, nil)
	c := g.Dial()
	c.Send(postOf(`[{}]`))
	<-asked
	g.Stop()
	status(c, http.StatusServiceUnavailable)
}

// The Appender can check whether the sender has closed the connection.
func TestP23_appenderDetectsDisconnect(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Log("this system does not report that a sender has closed the connection; nothing to test")
		return
	}
	k := receivertest.Hold()
	g := start(t, k, nil)
	c := g.Dial()
	c.Send(postOf(`[{}]`))
	r := <-k.Came
	if r.PeerClosed() {
		t.Error("PeerClosed is true while the sender waits for its reply")
	}
	c.Close()
	g.Until("the sender is seen to have gone", r.PeerClosed)
	r.Release()
	k.Ack <- receiver.ErrNotProduced
	g.Until("the connection ended", func() bool { return g.Metric("etl_receiver_connections") == 0 })
}

// A frame that the Appender has is not modified before its Release, even if its request has timed out and thousands of
// requests have been received since.
func TestP29_frameWaitsForRelease(t *testing.T) {
	t.Parallel()
	first := make(chan receiver.Request, 1)
	k := &kafka{OnAppend: func(ctx context.Context, r receiver.Request) error {
		if strings.HasPrefix(string(r.Events[0].Body), "keep") {
			first <- r
			<-ctx.Done()
			return ctx.Err()
		}
		r.Release()
		return nil
	}}
	g := start(t, k, func(_ *Config, rt *receiver.Runtime) { rt.AckTimeout = 100 * time.Millisecond })
	c := g.Dial()
	c.Send(postOf(`[{"headers":{"host":"k\u0065pt"},"body":"keep \"me\""},{"body":"me too"}]`))
	status(c, http.StatusServiceUnavailable)
	r := <-first
	if g.Admission.Used() == 0 {
		t.Error("memory was returned before Release")
	}
	other := client(t)
	for range 1000 {
		q := g.request(http.MethodPost, `[{"headers":{"zzzz":"zzzzzz"},"body":"zzzzzzzzzzzz\"\"\"\""},{"body":"zzzzzzz"}]`)
		if a := do(t, other, q); a.status != http.StatusOK && a.status != http.StatusServiceUnavailable {
			t.Fatalf("reply %+v", a)
		}
	}
	got := []string{receivertest.Show(r.Events[0]), receivertest.Show(r.Events[1])}
	if d := cmp.Diff([]string{`keep "me"{host=kept}`, "me too{}"}, got); d != "" {
		t.Error(d)
	}
	r.Release()
	g.Until("memory was given back", func() bool { return g.Admission.Used() == 0 })
}

// A stop reads nothing more, and what Kafka acknowledges in time gets its reply.
func TestP33_gracefulStop(t *testing.T) {
	t.Parallel()
	k := receivertest.Hold()
	g := start(t, k, nil)
	idle, half, waits, silent := g.Dial(), g.Dial(), g.Dial(), g.Dial()
	idle.Send(postOf(`[]`))
	status(idle, http.StatusOK)
	half.Send([]byte("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n[{}"))
	waits.Send(postOf(`[{"body":"whole"}]`))
	r := <-k.Came
	g.Until("all are there, and the half one is seen", func() bool {
		return g.Metric("etl_receiver_connections") == 4 && g.Admission.Used() > 2*held
	})
	g.Cancel()
	idle.Closed()
	silent.Closed()
	status(half, http.StatusServiceUnavailable)
	half.Closed()
	if c, err := net.Dial("tcp", g.Addr); err == nil {
		raw{T: t, Conn: c}.Closed()
		_ = c.Close()
	}
	waits.Open(20 * time.Millisecond)
	r.Release()
	k.Ack <- nil
	status(waits, http.StatusOK)
	waits.Closed()
	g.Stop()
	if n := g.Metric("etl_receiver_unanswered_events_total"); n != 0 {
		t.Errorf("%v events unanswered, expected 0", n)
	}
	if strings.Contains(g.Log.String(), "WARN") {
		t.Errorf("got %q, expected it not to contain %q", g.Log.String(), "WARN")
	}
}

func TestP33_shutdownTimeout(t *testing.T) {
	t.Parallel()
	k := receivertest.Hold()
	g := start(t, k, func(_ *Config, rt *receiver.Runtime) { rt.ShutdownTimeout = 50 * time.Millisecond })
	c := g.Dial()
	c.Send(postOf(`[{},{}]`))
	r := <-k.Came
	g.Stop()
	status(c, http.StatusServiceUnavailable)
	if n := g.Metric("etl_receiver_unanswered_events_total"); n != 2 {
		t.Errorf("%v events unanswered, expected 2", n)
	}
	r.Release()
}

// Run fails if the port is in use, and a receiver that never ran releases its port.
func TestReceiver_portInUse(t *testing.T) {
	t.Parallel()
	g := start(t, &kafka{}, nil)
	cfg := DefaultConfig()
	cfg.Listen = g.Addr
	r := New(cfg, receiver.NewRuntime(receiver.DefaultConfig(), &kafka{}, nil, nil))
	if err := r.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "option 'http.listen'") {
		t.Errorf("Run: %v, expected an error that contains %q", err, "option 'http.listen'")
	}
	cfg.Listen = "127.0.0.1:0"
	r = New(cfg, receiver.NewRuntime(receiver.DefaultConfig(), &kafka{}, nil, nil))
	if err := r.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	addr := r.Addr()
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if c, err := net.Dial("tcp", addr.String()); err == nil {
		_ = c.Close()
		t.Error(errors.New("the port is still open"))
	}
}
