package receivertest

import (
	"context"
	"net"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-etl/sluice/receiver"
)

// Suite is the set of tests that every receiver of Flume's RPC must pass. Its fields supply the protocol's bytes. Each
// package calls the methods from tests that are named after the rules.
type Suite struct {
	// Start runs a receiver on a free port. change may be nil.
	Start func(t *testing.T, a receiver.Appender, change func(*receiver.Runtime)) *Fixture
	// Call returns request number n of a connection, from 1, and OK the reply to it.
	Call func(tb testing.TB, n int, es []receiver.Event) []byte
	OK   func(tb testing.TB, n int) []byte
	// Append returns a function that sends events by the project's own client.
	Append func(t *testing.T, g *Fixture) func(context.Context, []receiver.Event) error
	// HalfFrame is more than the memory of a connection that waits for a frame, and less than that of one in the middle
	// of a frame.
	HalfFrame int64
}

// A request that is not acknowledged within ack-timeout gets no reply and is counted; its memory stays until Release.
func (d Suite) AckTimeoutClosesUnanswered(t *testing.T) {
	t.Parallel()
	k := Hold()
	g := d.Start(t, k, func(rt *receiver.Runtime) { rt.AckTimeout = 100 * time.Millisecond })
	c := g.Dial()
	begun := time.Now()
	c.Send(d.Call(t, 1, Events("a", "b")))
	r := <-k.Came
	c.Closed()
	if d := time.Since(begun); d < 100*time.Millisecond {
		t.Errorf("closed after %s, expected at least 100ms", d)
	}
	g.Until("two events are counted", func() bool { return g.Metric("etl_receiver_unanswered_events_total") == 2 })
	if n := g.Metric("etl_receiver_events_total"); n != 0 {
		t.Errorf("%v events counted as answered, expected 0", n)
	}
	if g.Admission.Used() == 0 {
		t.Error("the frame's memory was given back before Release")
	}
	r.Release()
	g.Until("memory was given back", func() bool { return g.Admission.Used() == 0 })
}

// After an acknowledgement later than ack-timeout no reply is sent, although Append returned nil.
func (d Suite) LateAckGetsNoReply(t *testing.T) {
	t.Parallel()
	closed := make(chan struct{})
	k := &Kafka{OnAppend: func(ctx context.Context, r receiver.Request) error {
		defer r.Release()
		<-closed
		return nil
	}}
	g := d.Start(t, k, func(rt *receiver.Runtime) { rt.AckTimeout = 50 * time.Millisecond })
	c := g.Dial()
	c.Send(d.Call(t, 1, Events("a")))
	c.Closed()
	close(closed)
	g.Until("counted", func() bool { return g.Metric("etl_receiver_unanswered_events_total") == 1 })
	if n := g.Metric("etl_receiver_requests_total", "ok"); n != 0 {
		t.Errorf("%v requests counted as answered, expected 0", n)
	}
}

// ack-timeout starts with a frame's first byte, not with its last.
func (d Suite) TimeoutFromTheFirstByte(t *testing.T) {
	t.Parallel()
	deadlines := make(chan time.Time, 1)
	k := &Kafka{OnAppend: func(ctx context.Context, r receiver.Request) error {
		defer r.Release()
		d, _ := ctx.Deadline()
		deadlines <- d
		return nil
	}}
	g := d.Start(t, k, func(rt *receiver.Runtime) { rt.AckTimeout = 5 * time.Second })
	c := g.Dial()
	frame := d.Call(t, 1, Events("a"))
	begun := time.Now()
	c.Send(frame[:1])
	c.Open(time.Second)
	c.Send(frame[1:])
	if late := (<-deadlines).Sub(begun); late > 5*time.Second+500*time.Millisecond {
		t.Errorf("the deadline is %s after the first byte, expected 5s", late)
	}
	c.Expect(d.OK(t, 1))
}

// While the Appender is not ready, nothing is read and connections stay open.
func (d Suite) NothingIsReadWhileNotReady(t *testing.T) {
	t.Parallel()
	var open atomic.Bool
	gate := make(chan struct{})
	open.Store(true)
	k := &Kafka{OnReady: func(ctx context.Context) error {
		if open.Load() {
			return nil
		}
		select {
		case <-gate:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}}
	g := d.Start(t, k, nil)
	idle := g.Dial() // waits in its read when the gate closes
	idle.Send(d.Call(t, 1, Events("before")))
	idle.Expect(d.OK(t, 1))
	open.Store(false)
	fresh := g.Dial()
	idle.Send(d.Call(t, 2, Events("idle")))
	fresh.Send(d.Call(t, 1, Events("fresh")))
	idle.Open(50 * time.Millisecond)
	fresh.Open(50 * time.Millisecond)
	if d := cmp.Diff([]string{"before{}"}, k.Got()); d != "" {
		t.Errorf("produced while not ready: %s", d)
	}
	open.Store(true)
	close(gate)
	idle.Expect(d.OK(t, 2))
	fresh.Expect(d.OK(t, 1))
}

// A frame that arrives while the Appender is not ready gets its whole ack-timeout afterwards, and a reply if its sender
// still waits. A frame whose first byte was read before the outage is too old by then, and is never produced.
func (d Suite) OutageLongerThanAckTimeout(t *testing.T) {
	t.Parallel()
	var open atomic.Bool
	gate, asked := make(chan struct{}), make(chan struct{}, 10)
	open.Store(true)
	k := &Kafka{OnReady: func(ctx context.Context) error {
		if !open.Load() {
			asked <- struct{}{}
			<-gate
		}
		return nil
	}}
	g := d.Start(t, k, func(rt *receiver.Runtime) { rt.AckTimeout = time.Second })
	idle := g.Dial()
	idle.Send(d.Call(t, 1, Events("before")))
	idle.Expect(d.OK(t, 1))
	g.Until("it waits in its read", func() bool { return g.Metric("etl_receiver_events_total") == 1 })
	idle.Open(20 * time.Millisecond)
	open.Store(false)
	idle.Send(d.Call(t, 2, Events("too old")))
	fresh := g.Dial()
	fresh.Send(d.Call(t, 1, Events("fresh")))
	<-asked
	<-asked
	fresh.Open(1200 * time.Millisecond)
	open.Store(true)
	close(gate)
	fresh.Expect(d.OK(t, 1))
	idle.Closed()
	g.Rejected(receiver.ReasonLate, 1)
	if d := cmp.Diff([]string{"before{}", "fresh{}"}, k.Got()); d != "" {
		t.Error(d)
	}
	if n := g.Metric("etl_receiver_unanswered_events_total"); n != 0 {
		t.Errorf("%v events count as unanswered, none was produced, expected 0", n)
	}
}

// A sender that closed its connection while nothing was read is dropped: its request, which is still in the socket, is
// never produced, and its connection no longer counts.
func (d Suite) DisconnectedSendersRequestIsDropped(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Log("this system does not report closed connections; nothing to test")
		return
	}
	for name, end := range map[string]func(c Raw){
		"FIN": func(c Raw) { c.Close() },
		"RST": func(c Raw) { _ = c.Conn.(*net.TCPConn).SetLinger(0); c.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			gate := make(chan struct{})
			var asked atomic.Int32
			k := &Kafka{OnReady: func(context.Context) error { // returns only through the gate, as if it opened just in time
				asked.Add(1)
				<-gate
				return nil
			}}
			g := d.Start(t, k, nil)
			c := g.Dial()
			c.Send(d.Call(t, 1, Events("dropped")))
			g.Until("the connection is taken", func() bool { return asked.Load() == 1 })
			end(c)
			close(gate)
			g.Until("the connection ended", func() bool { return g.Metric("etl_receiver_connections") == 0 })
			if len(k.Got()) != 0 {
				t.Errorf("produced %q, expected none", k.Got())
			}
			if n := g.Metric("etl_receiver_unanswered_events_total"); n != 0 {
				t.Errorf("%v events count as unanswered, none was produced, expected 0", n)
			}
		})
	}
}

// At the moment of producing, the Appender can check whether the sender has closed the connection.
func (d Suite) AppenderSeesDisconnects(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Log("this system does not report closed connections; nothing to test")
		return
	}
	k := Hold()
	g := d.Start(t, k, nil)
	c := g.Dial()
	c.Send(d.Call(t, 1, Events("a")))
	r := <-k.Came
	if r.PeerClosed() {
		t.Error("gone, though it waits for its answer")
	}
	c.Send([]byte("more")) // unread bytes do not hide the FIN
	c.Close()
	g.Until("the sender is seen to have gone", r.PeerClosed)
	r.Release()
	k.Ack <- receiver.ErrNotProduced
}

// Connections that senders closed during a long outage are removed, although nothing is read from them.
func (d Suite) ClosedConnectionsAreRemovedWhileNotReady(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Log("this system does not report closed connections; nothing to test")
		return
	}
	k := &Kafka{OnReady: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }}
	g := d.Start(t, k, nil)
	for range 5 {
		c := g.Dial()
		c.Send(d.Call(t, 1, Events("a")))
		c.Close()
	}
	g.Until("five came", func() bool { return g.Metric("etl_receiver_connections_total") == 5 })
	stays := g.Dial()
	g.Until("one stays", func() bool { return g.Metric("etl_receiver_connections") == 1 })
	stays.Open(10 * time.Millisecond)
}
