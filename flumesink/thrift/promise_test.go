package thrift

import (
	"context"
	"errors"
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-etl/sluice/flumesink"
)

// held is an Appender whose requests wait for the test.
type held struct {
	kafka
	came chan flumesink.Request // a request has arrived
	ack  chan error             // what its Append returns
}

func hold() *held {
	h := &held{came: make(chan flumesink.Request, 10), ack: make(chan error, 10)}
	h.append = func(ctx context.Context, r flumesink.Request) error {
		h.came <- r
		select {
		case err := <-h.ack:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return h
}

func TestP23_ackTimeoutClosesUnanswered(t *testing.T) {
	t.Parallel()
	k := hold()
	g := start(t, k, func(c *Config) { c.AckTimeout = 100 * time.Millisecond })
	c := g.dial()
	begun := time.Now()
	c.send(call(t, Compact, 1, events("a", "b")))
	r := <-k.came
	c.closed()
	if d := time.Since(begun); d < 100*time.Millisecond {
		t.Errorf("closed after %s", d)
	}
	g.until("two events are counted", func() bool { return g.metric("etl_receiver_unanswered_events_total") == 2 })
	if n := g.metric("etl_receiver_events_total"); n != 0 {
		t.Errorf("%v events counted as answered", n)
	}
	if g.admission.Used() == 0 {
		t.Error("the frame's memory was given back before Release")
	}
	r.Release()
	g.until("memory was given back", func() bool { return g.admission.Used() == 0 })
}

// An acknowledgement that comes after ack-timeout is not answered, although Append returned nil.
func TestP23_lateAckIsNotAnswered(t *testing.T) {
	t.Parallel()
	closed := make(chan struct{})
	k := &kafka{append: func(ctx context.Context, r flumesink.Request) error {
		defer r.Release()
		<-closed
		return nil
	}}
	g := start(t, k, func(c *Config) { c.AckTimeout = 50 * time.Millisecond })
	c := g.dial()
	c.send(call(t, Compact, 1, events("a")))
	c.closed()
	close(closed)
	g.until("counted", func() bool { return g.metric("etl_receiver_unanswered_events_total") == 1 })
	if n := g.metric("etl_receiver_requests_total", "ok"); n != 0 {
		t.Errorf("%v requests counted as answered", n)
	}
}

// ack-timeout counts from a frame's first byte, not from its last.
func TestP23_timeoutFromTheFirstByte(t *testing.T) {
	t.Parallel()
	deadlines := make(chan time.Time, 1)
	k := &kafka{append: func(ctx context.Context, r flumesink.Request) error {
		defer r.Release()
		d, _ := ctx.Deadline()
		deadlines <- d
		return nil
	}}
	g := start(t, k, func(c *Config) { c.AckTimeout = 5 * time.Second })
	c := g.dial()
	frame := call(t, Compact, 1, events("a"))
	begun := time.Now()
	c.send(frame[:1])
	c.open(100 * time.Millisecond)
	c.send(frame[1:])
	if late := (<-deadlines).Sub(begun); late > 5*time.Second+50*time.Millisecond {
		t.Errorf("the deadline is %s after the first byte, want 5s", late)
	}
	c.expect(ok(t, Compact, 1))
}

// While the Appender is not ready nothing is read, and connections stay.
func TestP23_nothingIsReadWhileNotReady(t *testing.T) {
	t.Parallel()
	var open atomic.Bool
	gate := make(chan struct{})
	open.Store(true)
	k := &kafka{ready: func(ctx context.Context) error {
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
	g := start(t, k, nil)
	idle := g.dial() // waits in its read when the gate closes
	idle.send(call(t, Compact, 1, events("before")))
	idle.expect(ok(t, Compact, 1))
	open.Store(false)
	fresh := g.dial()
	idle.send(call(t, Compact, 2, events("idle")))
	fresh.send(call(t, Compact, 1, events("fresh")))
	idle.open(50 * time.Millisecond)
	fresh.open(50 * time.Millisecond)
	if d := cmp.Diff([]string{"before{}"}, k.got()); d != "" {
		t.Errorf("produced while not ready: %s", d)
	}
	open.Store(true)
	close(gate)
	idle.expect(ok(t, Compact, 2))
	fresh.expect(ok(t, Compact, 1))
}

// A frame that was not begun to be read while the Appender was not ready has its whole ack-timeout afterwards, and is
// answered if its sender still waits; one whose first byte was read before is too old by then, and is never produced.
func TestP23_outageLongerThanAckTimeout(t *testing.T) {
	t.Parallel()
	var open atomic.Bool
	gate, asked := make(chan struct{}), make(chan struct{}, 10)
	open.Store(true)
	k := &kafka{ready: func(ctx context.Context) error {
		if !open.Load() {
			asked <- struct{}{}
			<-gate
		}
		return nil
	}}
	g := start(t, k, func(c *Config) { c.AckTimeout = 200 * time.Millisecond })
	idle := g.dial()
	idle.send(call(t, Compact, 1, events("before")))
	idle.expect(ok(t, Compact, 1))
	g.until("it waits in its read", func() bool { return g.metric("etl_receiver_events_total") == 1 })
	idle.open(20 * time.Millisecond)
	open.Store(false)
	idle.send(call(t, Compact, 2, events("too old")))
	fresh := g.dial()
	fresh.send(call(t, Compact, 1, events("fresh")))
	<-asked
	<-asked
	fresh.open(300 * time.Millisecond)
	open.Store(true)
	close(gate)
	fresh.expect(ok(t, Compact, 1))
	idle.closed()
	g.refused(flumesink.ReasonLate, 1)
	if d := cmp.Diff([]string{"before{}", "fresh{}"}, k.got()); d != "" {
		t.Error(d)
	}
	if n := g.metric("etl_receiver_unanswered_events_total"); n != 0 {
		t.Errorf("%v events count as unanswered, none was produced", n)
	}
}

// A sender that gave up while nothing was read is dropped: its request, which lies in the socket, is never produced,
// and its connection does not count any more.
func TestP23_goneSenderIsDropped(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Log("this system does not tell when a sender has gone; nothing to see")
		return
	}
	for name, end := range map[string]func(c raw){
		"FIN": func(c raw) { c.Close() },
		"RST": func(c raw) { _ = c.Conn.(*net.TCPConn).SetLinger(0); c.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			gate := make(chan struct{})
			var asked atomic.Int32
			k := &kafka{ready: func(context.Context) error { // ends only by the gate: as if it opened just in time
				asked.Add(1)
				<-gate
				return nil
			}}
			g := start(t, k, nil)
			c := g.dial()
			c.send(call(t, Compact, 1, events("given up")))
			g.until("the connection is taken", func() bool { return asked.Load() == 1 })
			end(c)
			close(gate)
			g.until("the connection ended", func() bool { return g.metric("etl_receiver_connections") == 0 })
			if len(k.got()) != 0 {
				t.Errorf("produced %q", k.got())
			}
			if n := g.metric("etl_receiver_unanswered_events_total"); n != 0 {
				t.Errorf("%v events count as unanswered, none was produced", n)
			}
		})
	}
}

// The Appender can ask, at the moment of producing, whether the sender is still there.
func TestP23_appenderCanAskForTheSender(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Log("this system does not tell when a sender has gone; nothing to see")
		return
	}
	k := hold()
	g := start(t, k, nil)
	c := g.dial()
	c.send(call(t, Compact, 1, events("a")))
	r := <-k.came
	if r.Gone() {
		t.Error("gone, though it waits for its answer")
	}
	c.send([]byte("more")) // unread bytes do not hide the FIN
	c.Close()
	g.until("the sender is seen to have gone", r.Gone)
	r.Release()
	k.ack <- flumesink.ErrNotProduced
}

// What senders leave behind in a long outage is cleared away, though nothing is read from it.
func TestP23_goneConnectionsAreSweptWhileNotReady(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Log("this system does not tell when a sender has gone; nothing to see")
		return
	}
	k := &kafka{ready: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }}
	g := start(t, k, nil)
	for range 5 {
		c := g.dial()
		c.send(call(t, Compact, 1, events("a")))
		c.Close()
	}
	g.until("five came", func() bool { return g.metric("etl_receiver_connections_total") == 5 })
	stays := g.dial()
	g.until("one stays", func() bool { return g.metric("etl_receiver_connections") == 1 })
	stays.open(10 * time.Millisecond)
}

// A sender in the middle of a frame has ack-timeout to finish it; a silent one has for ever, and nobody waits for
// either.
func TestReceiver_slowLoris(t *testing.T) {
	t.Parallel()
	k := &kafka{}
	g := start(t, k, func(c *Config) { c.AckTimeout = 100 * time.Millisecond })
	silent, used := g.dial(), g.dial()
	used.send(call(t, Compact, 1, events("a")))
	used.expect(ok(t, Compact, 1))
	frame := call(t, Compact, 1, events("a"))
	const senders = 50
	var slow []raw
	for i := range senders {
		c := g.dial()
		c.send(frame[:1+i%(len(frame)-1)])
		slow = append(slow, c)
	}
	for _, c := range slow {
		c.closed()
	}
	if log := g.refused(flumesink.ReasonSlow, senders); strings.Count(log, "WARN") != 1 {
		t.Errorf("want one line: %s", log)
	}
	silent.send(frame)
	silent.expect(ok(t, Compact, 1))
	used.send(call(t, Compact, 2, events("b")))
	used.expect(ok(t, Compact, 2))
}

func TestReceiver_truncatedFrame(t *testing.T) {
	t.Parallel()
	k := &kafka{}
	g := start(t, k, nil)
	frame := call(t, Compact, 1, events("a"))
	for cut := 1; cut < len(frame); cut++ {
		c := g.dial()
		c.send(frame[:cut])
		c.Close()
	}
	g.refused(flumesink.ReasonTruncated, len(frame)-1)
	if len(k.got()) != 0 {
		t.Errorf("produced %q", k.got())
	}
}

// A frame that was given to the Appender is not touched before its Release, not even when its request has timed out
// and thousands of frames have been received since.
func TestP29_frameWaitsForRelease(t *testing.T) {
	t.Parallel()
	first := make(chan flumesink.Request, 1)
	k := &kafka{}
	k.append = func(ctx context.Context, r flumesink.Request) error {
		if string(r.Events[0].Body[:4]) == "keep" {
			first <- r
			<-ctx.Done()
			return ctx.Err()
		}
		r.Release()
		return nil
	}
	g := start(t, k, func(c *Config) { c.AckTimeout = 100 * time.Millisecond })
	c := g.dial()
	keep := []flumesink.Event{{Headers: []flumesink.Header{header("host", "kept")}, Body: []byte("keep me")}, {Body: []byte("me too")}}
	c.send(call(t, Compact, 1, keep))
	c.closed()
	r := <-first
	other := g.client(Compact)
	es := []flumesink.Event{{Headers: []flumesink.Header{header("XXXX", "XXXX")}, Body: []byte(strings.Repeat("X", 40))}, {Body: []byte("XXXXXX")}}
	for range 2000 {
		if err := other.Append(t.Context(), es); err != nil {
			t.Fatal(err)
		}
	}
	got := []string{show(r.Events[0]), show(r.Events[1])}
	if d := cmp.Diff([]string{"keep me{host=kept}", "me too{}"}, got); d != "" {
		t.Error(d)
	}
	r.Release()
	g.until("memory was given back", func() bool { return g.admission.Used() == 0 })
	defer func() {
		if recover() == nil {
			t.Error("a second Release went unnoticed")
		}
	}()
	r.Release()
}

// The order of a stop: nothing new, what Kafka acknowledges in time is answered, the rest is closed unanswered.
func TestP33_gracefulStop(t *testing.T) {
	t.Parallel()
	k := hold()
	g := start(t, k, nil)
	idle, half, waits := g.dial(), g.dial(), g.dial()
	idle.send(call(t, Compact, 1, nil))
	idle.expect(ok(t, Compact, 1))
	half.send(call(t, Compact, 1, events("half"))[:20])
	waits.send(call(t, Compact, 1, events("whole")))
	r := <-k.came
	g.until("the half frame is seen", func() bool { return g.admission.Used() > int64(8<<10) })
	g.cancel()
	idle.closed()
	half.closed()
	if c, err := net.Dial("tcp", g.addr); err == nil {
		raw{t, c}.closed()
	}
	waits.open(20 * time.Millisecond)
	r.Release()
	k.ack <- nil
	waits.expect(ok(t, Compact, 1))
	waits.closed()
	g.stop()
	if n := g.metric("etl_receiver_unanswered_events_total"); n != 0 {
		t.Errorf("%v events unanswered", n)
	}
	if strings.Contains(g.log.String(), "WARN") {
		t.Error(g.log.String())
	}
}

func TestP33_shutdownTimeoutClosesUnanswered(t *testing.T) {
	t.Parallel()
	k := hold()
	g := start(t, k, func(c *Config) { c.ShutdownTimeout = 50 * time.Millisecond })
	c := g.dial()
	c.send(call(t, Compact, 1, events("a", "b")))
	r := <-k.came
	begun := time.Now()
	g.stop()
	if d := time.Since(begun); d < 50*time.Millisecond || d > 5*time.Second {
		t.Errorf("the stop took %s, the time-out is 50ms", d)
	}
	c.closed()
	if n := g.metric("etl_receiver_unanswered_events_total"); n != 2 {
		t.Errorf("%v events unanswered, want 2", n)
	}
	r.Release()
}

// A stop does not wait for the gate, nor for senders that are silent.
func TestP33_stopWhileNotReady(t *testing.T) {
	t.Parallel()
	k := &kafka{ready: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }}
	g := start(t, k, nil)
	c := g.dial()
	g.until("the connection is taken", func() bool { return g.metric("etl_receiver_connections") == 1 })
	begun := time.Now()
	g.stop()
	if d := time.Since(begun); d > 5*time.Second {
		t.Errorf("the stop took %s", d)
	}
	c.closed()
}

// Any error of Append means no answer.
func TestReceiver_noAnswerAfterAnError(t *testing.T) {
	t.Parallel()
	k := &kafka{append: func(ctx context.Context, r flumesink.Request) error {
		r.Release()
		return errors.New("not authorised")
	}}
	g := start(t, k, nil)
	c := g.dial()
	c.send(call(t, Compact, 1, events("a", "b", "c")))
	c.closed()
	g.until("counted", func() bool { return g.metric("etl_receiver_unanswered_events_total") == 3 })
	if log := g.log.String(); !strings.Contains(log, "not authorised") || !strings.Contains(log, "events=3") {
		t.Error(log)
	}
}
