package avro

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
	"github.com/sluice-etl/sluice/internal/receivertest"
)

// held is an Appender whose requests wait for the test.
type held struct {
	kafka
	came chan flumesink.Request // a request has arrived
	ack  chan error             // what its Append returns
}

func hold() *held {
	h := &held{came: make(chan flumesink.Request, 10), ack: make(chan error, 10)}
	h.OnAppend = func(ctx context.Context, r flumesink.Request) error {
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
	c := g.Dial()
	begun := time.Now()
	c.Send(firstCall(1, receivertest.Events("a", "b")))
	r := <-k.came
	c.Closed()
	if d := time.Since(begun); d < 100*time.Millisecond {
		t.Errorf("closed after %s", d)
	}
	g.Until("two events are counted", func() bool { return g.Metric("etl_receiver_unanswered_events_total") == 2 })
	if n := g.Metric("etl_receiver_events_total"); n != 0 {
		t.Errorf("%v events counted as answered", n)
	}
	if g.Admission.Used() == 0 {
		t.Error("the frame's memory was given back before Release")
	}
	r.Release()
	g.Until("memory was given back", func() bool { return g.Admission.Used() == 0 })
}

// An acknowledgement that comes after ack-timeout is not answered, although Append returned nil.
func TestP23_lateAckIsNotAnswered(t *testing.T) {
	t.Parallel()
	closed := make(chan struct{})
	k := &kafka{OnAppend: func(ctx context.Context, r flumesink.Request) error {
		defer r.Release()
		<-closed
		return nil
	}}
	g := start(t, k, func(c *Config) { c.AckTimeout = 50 * time.Millisecond })
	c := g.Dial()
	c.Send(firstCall(1, receivertest.Events("a")))
	c.Closed()
	close(closed)
	g.Until("counted", func() bool { return g.Metric("etl_receiver_unanswered_events_total") == 1 })
	if n := g.Metric("etl_receiver_requests_total", "ok"); n != 0 {
		t.Errorf("%v requests counted as answered", n)
	}
}

// ack-timeout counts from a frame's first byte, not from its last.
func TestP23_timeoutFromTheFirstByte(t *testing.T) {
	t.Parallel()
	deadlines := make(chan time.Time, 1)
	k := &kafka{OnAppend: func(ctx context.Context, r flumesink.Request) error {
		defer r.Release()
		d, _ := ctx.Deadline()
		deadlines <- d
		return nil
	}}
	g := start(t, k, func(c *Config) { c.AckTimeout = 5 * time.Second })
	c := g.Dial()
	frame := firstCall(1, receivertest.Events("a"))
	begun := time.Now()
	c.Send(frame[:1])
	c.Open(time.Second)
	c.Send(frame[1:])
	if late := (<-deadlines).Sub(begun); late > 5*time.Second+500*time.Millisecond {
		t.Errorf("the deadline is %s after the first byte, want 5s", late)
	}
	c.Expect(okFirst(1))
}

// While the Appender is not ready nothing is read, and connections stay.
func TestP23_nothingIsReadWhileNotReady(t *testing.T) {
	t.Parallel()
	var open atomic.Bool
	gate := make(chan struct{})
	open.Store(true)
	k := &kafka{OnReady: func(ctx context.Context) error {
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
	idle := g.Dial() // waits in its read when the gate closes
	idle.Send(firstCall(1, receivertest.Events("before")))
	idle.Expect(okFirst(1))
	open.Store(false)
	fresh := g.Dial()
	idle.Send(laterCall(2, receivertest.Events("idle")))
	fresh.Send(firstCall(1, receivertest.Events("fresh")))
	idle.Open(50 * time.Millisecond)
	fresh.Open(50 * time.Millisecond)
	if d := cmp.Diff([]string{"before{}"}, k.Got()); d != "" {
		t.Errorf("produced while not ready: %s", d)
	}
	open.Store(true)
	close(gate)
	idle.Expect(okLater(2))
	fresh.Expect(okFirst(1))
}

// A frame that was not begun to be read while the Appender was not ready has its whole ack-timeout afterwards, and is
// answered if its sender still waits; one whose first byte was read before is too old by then, and is never produced.
func TestP23_outageLongerThanAckTimeout(t *testing.T) {
	t.Parallel()
	var open atomic.Bool
	gate, asked := make(chan struct{}), make(chan struct{}, 10)
	open.Store(true)
	k := &kafka{OnReady: func(ctx context.Context) error {
		if !open.Load() {
			asked <- struct{}{}
			<-gate
		}
		return nil
	}}
	g := start(t, k, func(c *Config) { c.AckTimeout = time.Second })
	idle := g.Dial()
	idle.Send(firstCall(1, receivertest.Events("before")))
	idle.Expect(okFirst(1))
	g.Until("it waits in its read", func() bool { return g.Metric("etl_receiver_events_total") == 1 })
	idle.Open(20 * time.Millisecond)
	open.Store(false)
	idle.Send(laterCall(2, receivertest.Events("too old")))
	fresh := g.Dial()
	fresh.Send(firstCall(1, receivertest.Events("fresh")))
	<-asked
	<-asked
	fresh.Open(1200 * time.Millisecond)
	open.Store(true)
	close(gate)
	fresh.Expect(okFirst(1))
	idle.Closed()
	g.Refused(flumesink.ReasonLate, 1)
	if d := cmp.Diff([]string{"before{}", "fresh{}"}, k.Got()); d != "" {
		t.Error(d)
	}
	if n := g.Metric("etl_receiver_unanswered_events_total"); n != 0 {
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
			k := &kafka{OnReady: func(context.Context) error { // ends only by the gate: as if it opened just in time
				asked.Add(1)
				<-gate
				return nil
			}}
			g := start(t, k, nil)
			c := g.Dial()
			c.Send(firstCall(1, receivertest.Events("given up")))
			g.Until("the connection is taken", func() bool { return asked.Load() == 1 })
			end(c)
			close(gate)
			g.Until("the connection ended", func() bool { return g.Metric("etl_receiver_connections") == 0 })
			if len(k.Got()) != 0 {
				t.Errorf("produced %q", k.Got())
			}
			if n := g.Metric("etl_receiver_unanswered_events_total"); n != 0 {
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
	c := g.Dial()
	c.Send(firstCall(1, receivertest.Events("a")))
	r := <-k.came
	if r.Gone() {
		t.Error("gone, though it waits for its answer")
	}
	c.Send([]byte("more")) // unread bytes do not hide the FIN
	c.Close()
	g.Until("the sender is seen to have gone", r.Gone)
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
	k := &kafka{OnReady: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }}
	g := start(t, k, nil)
	for range 5 {
		c := g.Dial()
		c.Send(firstCall(1, receivertest.Events("a")))
		c.Close()
	}
	g.Until("five came", func() bool { return g.Metric("etl_receiver_connections_total") == 5 })
	stays := g.Dial()
	g.Until("one stays", func() bool { return g.Metric("etl_receiver_connections") == 1 })
	stays.Open(10 * time.Millisecond)
}

// A sender in the middle of a frame has ack-timeout to finish it; a silent one has for ever, and nobody waits for
// either.
func TestReceiver_slowLoris(t *testing.T) {
	t.Parallel()
	k := &kafka{}
	g := start(t, k, func(c *Config) { c.AckTimeout = time.Second })
	silent, used := g.Dial(), g.Dial()
	used.Send(firstCall(1, receivertest.Events("a")))
	used.Expect(okFirst(1))
	frame := firstCall(1, receivertest.Events("a"))
	const senders = 50
	var slow []raw
	for i := range senders {
		c := g.Dial()
		c.Send(frame[:1+i%(len(frame)-1)])
		slow = append(slow, c)
	}
	for _, c := range slow {
		c.Closed()
	}
	if log := g.Refused(flumesink.ReasonSlow, senders); strings.Count(log, "WARN") != 1 {
		t.Errorf("want one line: %s", log)
	}
	silent.Send(frame)
	silent.Expect(okFirst(1))
	used.Send(laterCall(2, receivertest.Events("b")))
	used.Expect(okLater(2))
}

func TestReceiver_truncatedFrame(t *testing.T) {
	t.Parallel()
	k := &kafka{}
	g := start(t, k, nil)
	frame := firstCall(1, receivertest.Events("a"))
	for cut := 1; cut < len(frame); cut++ {
		c := g.Dial()
		c.Send(frame[:cut])
		c.Close()
	}
	g.Refused(flumesink.ReasonTruncated, len(frame)-1)
	if len(k.Got()) != 0 {
		t.Errorf("produced %q", k.Got())
	}
}

// A frame that was given to the Appender is not touched before its Release, not even when its request has timed out
// and thousands of frames have been received since.
func TestP29_frameWaitsForRelease(t *testing.T) {
	t.Parallel()
	first := make(chan flumesink.Request, 1)
	k := &kafka{}
	k.OnAppend = func(ctx context.Context, r flumesink.Request) error {
		if string(r.Events[0].Body[:4]) == "keep" {
			first <- r
			<-ctx.Done()
			return ctx.Err()
		}
		r.Release()
		return nil
	}
	g := start(t, k, func(c *Config) { c.AckTimeout = 2 * time.Second })
	c := g.Dial()
	keep := []flumesink.Event{{Headers: []flumesink.Header{header("host", "kept")}, Body: []byte("keep me")}, {Body: []byte("me too")}}
	c.Send(firstCall(1, keep))
	c.Closed()
	r := <-first
	other := g.client()
	es := []flumesink.Event{{Headers: []flumesink.Header{header("XXXX", "XXXX")}, Body: []byte(strings.Repeat("X", 40))}, {Body: []byte("XXXXXX")}}
	for range 2000 {
		if err := other.Append(t.Context(), es); err != nil {
			t.Fatal(err)
		}
	}
	got := []string{receivertest.Show(r.Events[0]), receivertest.Show(r.Events[1])}
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

// The order of a stop: nothing new, what Kafka acknowledges in time is answered, the rest is closed unanswered.
func TestP33_gracefulStop(t *testing.T) {
	t.Parallel()
	k := hold()
	g := start(t, k, nil)
	idle, half, waits := g.Dial(), g.Dial(), g.Dial()
	idle.Send(firstCall(1, nil))
	idle.Expect(okFirst(1))
	half.Send(firstCall(1, receivertest.Events("half"))[:20])
	waits.Send(firstCall(1, receivertest.Events("whole")))
	r := <-k.came
	g.Until("the half frame is seen", func() bool { return g.Admission.Used() > int64(readAhead+(4<<10)) })
	g.Cancel()
	idle.Closed()
	half.Closed()
	if c, err := net.Dial("tcp", g.Addr); err == nil {
		raw{T: t, Conn: c}.Closed()
	}
	waits.Open(20 * time.Millisecond)
	r.Release()
	k.ack <- nil
	waits.Expect(okFirst(1))
	waits.Closed()
	g.Stop()
	if n := g.Metric("etl_receiver_unanswered_events_total"); n != 0 {
		t.Errorf("%v events unanswered", n)
	}
	if strings.Contains(g.Log.String(), "WARN") {
		t.Error(g.Log.String())
	}
}

func TestP33_shutdownTimeoutClosesUnanswered(t *testing.T) {
	t.Parallel()
	k := hold()
	g := start(t, k, func(c *Config) { c.ShutdownTimeout = 50 * time.Millisecond })
	c := g.Dial()
	c.Send(firstCall(1, receivertest.Events("a", "b")))
	r := <-k.came
	begun := time.Now()
	g.Stop()
	if d := time.Since(begun); d < 50*time.Millisecond || d > 5*time.Second {
		t.Errorf("the stop took %s, the time-out is 50ms", d)
	}
	c.Closed()
	if n := g.Metric("etl_receiver_unanswered_events_total"); n != 2 {
		t.Errorf("%v events unanswered, want 2", n)
	}
	r.Release()
}

// A stop does not wait for the gate, nor for senders that are silent.
func TestP33_stopWhileNotReady(t *testing.T) {
	t.Parallel()
	k := &kafka{OnReady: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }}
	g := start(t, k, nil)
	c := g.Dial()
	g.Until("the connection is taken", func() bool { return g.Metric("etl_receiver_connections") == 1 })
	begun := time.Now()
	g.Stop()
	if d := time.Since(begun); d > 5*time.Second {
		t.Errorf("the stop took %s", d)
	}
	c.Closed()
}

// Any error of Append means no answer.
func TestReceiver_noAnswerAfterAnError(t *testing.T) {
	t.Parallel()
	k := &kafka{OnAppend: func(ctx context.Context, r flumesink.Request) error {
		r.Release()
		return errors.New("not authorised")
	}}
	g := start(t, k, nil)
	c := g.Dial()
	c.Send(firstCall(1, receivertest.Events("a", "b", "c")))
	c.Closed()
	g.Until("counted", func() bool { return g.Metric("etl_receiver_unanswered_events_total") == 3 })
	if log := g.Log.String(); !strings.Contains(log, "not authorised") || !strings.Contains(log, "events=3") {
		t.Error(log)
	}
}
