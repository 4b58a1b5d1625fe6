package receivertest

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-etl/sluice/receiver"
)

// A sender in the middle of a frame has ack-timeout to finish it, and a silent one any time. Neither delays other
// senders.
func (d Suite) SlowLoris(t *testing.T) {
	t.Parallel()
	k := &Kafka{}
	g := d.Start(t, k, func(rt *receiver.Runtime) { rt.AckTimeout = time.Second })
	silent, used := g.Dial(), g.Dial()
	used.Send(d.Call(t, 1, Events("a")))
	used.Expect(d.OK(t, 1))
	frame := d.Call(t, 1, Events("a"))
	const senders = 50
	var slow []Raw
	for i := range senders {
		c := g.Dial()
		c.Send(frame[:1+i%(len(frame)-1)])
		slow = append(slow, c)
	}
	for _, c := range slow {
		c.Closed()
	}
	if log := g.Rejected(receiver.ReasonSlow, senders); strings.Count(log, "WARN") != 1 {
		t.Errorf("expected one line: %s", log)
	}
	silent.Send(frame)
	silent.Expect(d.OK(t, 1))
	used.Send(d.Call(t, 2, Events("b")))
	used.Expect(d.OK(t, 2))
}

// A connection that ends within a frame produces nothing of it.
func (d Suite) TruncatedFrame(t *testing.T) {
	t.Parallel()
	k := &Kafka{}
	g := d.Start(t, k, nil)
	frame := d.Call(t, 1, Events("a"))
	for cut := 1; cut < len(frame); cut++ {
		c := g.Dial()
		c.Send(frame[:cut])
		c.Close()
	}
	g.Rejected(receiver.ReasonTruncated, len(frame)-1)
	if len(k.Got()) != 0 {
		t.Errorf("produced %q, expected none", k.Got())
	}
}

// A frame that the Appender has is not modified before its Release, even if its request has timed out and thousands of
// frames have been received since.
func (d Suite) FrameWaitsForRelease(t *testing.T) {
	t.Parallel()
	first := make(chan receiver.Request, 1)
	k := &Kafka{}
	k.OnAppend = func(ctx context.Context, r receiver.Request) error {
		if string(r.Events[0].Body[:4]) == "keep" {
			first <- r
			<-ctx.Done()
			return ctx.Err()
		}
		r.Release()
		return nil
	}
	g := d.Start(t, k, func(rt *receiver.Runtime) { rt.AckTimeout = 2 * time.Second })
	c := g.Dial()
	keep := []receiver.Event{{Headers: []receiver.Header{{Key: []byte("host"), Value: []byte("kept")}}, Body: []byte("keep me")}, {Body: []byte("me too")}}
	c.Send(d.Call(t, 1, keep))
	c.Closed()
	r := <-first
	other := d.Append(t, g)
	es := []receiver.Event{{Headers: []receiver.Header{{Key: []byte("zzzz"), Value: []byte("zzzz")}}, Body: []byte(strings.Repeat("z", 40))}, {Body: []byte("zzzzzz")}}
	for range 2000 {
		if err := other(t.Context(), es); err != nil {
			t.Fatal(err)
		}
	}
	got := []string{Show(r.Events[0]), Show(r.Events[1])}
	if d := cmp.Diff([]string{"keep me{host=kept}", "me too{}"}, got); d != "" {
		t.Error(d)
	}
	r.Release()
	g.Until("memory was given back", func() bool { return g.Admission.Used() == 0 })
	defer func() {
		if recover() == nil {
			t.Error("a second Release went unnoticed")
		}
	}()
	r.Release()
}

// A stop reads nothing more; what Kafka acknowledges in time gets its reply, and the rest is closed without one.
func (d Suite) GracefulStop(t *testing.T) {
	t.Parallel()
	k := Hold()
	g := d.Start(t, k, nil)
	idle, half, waits := g.Dial(), g.Dial(), g.Dial()
	idle.Send(d.Call(t, 1, nil))
	idle.Expect(d.OK(t, 1))
	half.Send(d.Call(t, 1, Events("half"))[:20])
	waits.Send(d.Call(t, 1, Events("whole")))
	r := <-k.Came
	g.Until("the half frame is seen", func() bool { return g.Admission.Used() > d.HalfFrame })
	g.Cancel()
	idle.Closed()
	half.Closed()
	if c, err := net.Dial("tcp", g.Addr); err == nil {
		Raw{T: t, Conn: c}.Closed()
	}
	waits.Open(20 * time.Millisecond)
	r.Release()
	k.Ack <- nil
	waits.Expect(d.OK(t, 1))
	waits.Closed()
	g.Stop()
	if n := g.Metric("etl_receiver_unanswered_events_total"); n != 0 {
		t.Errorf("%v events unanswered, expected 0", n)
	}
	if strings.Contains(g.Log.String(), "WARN") {
		t.Errorf("got %q, expected it not to contain %q", g.Log.String(), "WARN")
	}
}

// A stop closes requests that Kafka has not acknowledged within shutdown-timeout without a reply, and counts them.
func (d Suite) ShutdownTimeoutClosesUnanswered(t *testing.T) {
	t.Parallel()
	k := Hold()
	g := d.Start(t, k, func(rt *receiver.Runtime) { rt.ShutdownTimeout = 50 * time.Millisecond })
	c := g.Dial()
	c.Send(d.Call(t, 1, Events("a", "b")))
	r := <-k.Came
	begun := time.Now()
	g.Stop()
	if d := time.Since(begun); d < 50*time.Millisecond || d > 5*time.Second {
		t.Errorf("the stop took %s, the timeout is 50ms", d)
	}
	c.Closed()
	if n := g.Metric("etl_receiver_unanswered_events_total"); n != 2 {
		t.Errorf("%v events unanswered, expected 2", n)
	}
	r.Release()
}

// A stop waits neither for the Appender to become ready nor for silent senders.
func (d Suite) StopWhileNotReady(t *testing.T) {
	t.Parallel()
	k := &Kafka{OnReady: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }}
	g := d.Start(t, k, nil)
	c := g.Dial()
	g.Until("the connection is taken", func() bool { return g.Metric("etl_receiver_connections") == 1 })
	begun := time.Now()
	g.Stop()
	if d := time.Since(begun); d > 5*time.Second {
		t.Errorf("the stop took %s, expected at most 5s", d)
	}
	c.Closed()
}

// After any error of Append no reply is sent.
func (d Suite) NoReplyAfterAnError(t *testing.T) {
	t.Parallel()
	k := &Kafka{OnAppend: func(ctx context.Context, r receiver.Request) error {
		r.Release()
		return errors.New("not authorised")
	}}
	g := d.Start(t, k, nil)
	c := g.Dial()
	c.Send(d.Call(t, 1, Events("a", "b", "c")))
	c.Closed()
	g.Until("counted", func() bool { return g.Metric("etl_receiver_unanswered_events_total") == 3 })
	if log := g.Log.String(); !strings.Contains(log, "not authorised") || !strings.Contains(log, "events=3") {
		t.Errorf("got %q, expected it to contain %q and %q", log, "not authorised", "events=3")
	}
}
