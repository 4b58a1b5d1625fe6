package socket

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sluice-etl/sluice/internal/receivertest"
	"github.com/sluice-etl/sluice/receiver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type kafka = receivertest.Kafka

type fixture struct {
	*receivertest.Fixture
	r *Reader
	l net.Listener
}

func start(t *testing.T, a receiver.Appender, configure func(*Config, *receiver.Runtime)) *fixture {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	cfg := DefaultConfig()
	cfg.Servers = []string{l.Addr().String()}
	g := &fixture{l: l}
	g.Fixture, g.r = receivertest.StartConfig(t, a, cfg, New, func(cfg *Config, rt *receiver.Runtime) {
		rt.ShutdownTimeout = 10 * time.Second
		if configure != nil {
			configure(cfg, rt)
		}
	})
	return g
}

// accept accepts the next connection, and sends text over it.
func (g *fixture) accept(text string) net.Conn {
	g.T.Helper()
	c, err := g.l.Accept()
	if err != nil {
		g.T.Fatal(err)
	}
	g.T.Cleanup(func() { _ = c.Close() })
	g.send(c, text)
	return c
}

func (g *fixture) send(c net.Conn, text string) {
	g.T.Helper()
	if _, err := c.Write([]byte(text)); err != nil {
		g.T.Fatal(err)
	}
}

// Lines arrive in any pieces, the last one unterminated; then the receiver reconnects to the server.
func TestReader_lines(t *testing.T) {
	t.Parallel()
	k := &kafka{}
	g := start(t, k, nil)
	c := g.accept("a\r\nb\rc\n\nd")
	g.Wants(k.Bodies, "a", "b", "c", "")
	g.send(c, "e\r")
	g.Wants(k.Bodies, "a", "b", "c", "", "de")
	g.send(c, "\nf")
	_ = c.Close()
	g.Wants(k.Bodies, "a", "b", "c", "", "de", "f")
	g.accept("g\n")
	g.Wants(k.Bodies, "a", "b", "c", "", "de", "f", "g")
	if !strings.Contains(g.Log.String(), "closed the connection") {
		t.Errorf("got %q, expected it to contain %q", g.Log.String(), "closed the connection")
	}
	g.Until("the status is there", func() bool { s := g.r.Status()[0]; return s.Connected && s.Events == 7 && s.Held == 0 })
	if n := g.Metric("etl_socket_lost_events_total"); n != 0 {
		t.Errorf("%v lines lost, expected 0", n)
	}
}

// Lines that Kafka does not acknowledge are held unchanged, and nothing more is read before it does.
func TestP23_linesAreHeldUntilTheAck(t *testing.T) {
	t.Parallel()
	tries := 0
	k := &kafka{Before: func(_ context.Context, r receiver.Request) error {
		if b, err := r.Memory(100); err != nil || len(b) != 0 || cap(b) < 100 {
			t.Errorf("memory of %d, %v; expected b with no elements, at least 100 and no error", cap(b), err)
		}
		if tries++; tries < 3 {
			if string(r.Events[0].Body) != "a" || len(r.Events) != 2 {
				t.Errorf("attempt %d: %d events, the first is %q; expected the first to be %q, and 2 events", tries, len(r.Events), r.Events[0].Body, "a")
			}
		}
		switch tries {
		case 1:
			return fmt.Errorf("away: %w", receiver.ErrNotProduced)
		case 2:
			return errors.New("refused")
		}
		return nil
	}}
	g := start(t, k, nil)
	c := g.accept("a\nb\n")
	g.Until("it is held", func() bool { return g.r.Status()[0].Held == 2 })
	g.send(c, "c\n")
	g.Wants(k.Bodies, "a", "b", "c")
	if n := g.Metric("etl_receiver_unanswered_events_total"); n != 2 {
		t.Errorf("%v events may be duplicates, expected the 2 of the rejection", n)
	}
	if n := g.Metric("etl_socket_lost_events_total"); n != 0 {
		t.Errorf("%v lines lost, expected 0", n)
	}
}

// A stop waits for what was read, and counts an unterminated line as lost.
func TestP33_stop(t *testing.T) {
	t.Parallel()
	came, ack := make(chan struct{}), make(chan struct{})
	k := &kafka{Before: func(context.Context, receiver.Request) error {
		close(came)
		<-ack
		return nil
	}}
	g := start(t, k, nil)
	g.accept("a\nunfinished")
	<-came
	g.Cancel()
	close(ack)
	g.Stop()
	g.Wants(k.Bodies, "a")
	if n := g.Metric("etl_socket_lost_events_total"); n != 1 {
		t.Errorf("%v lines lost, expected the unfinished one", n)
	}
}

// What Kafka does not acknowledge before the stop is over is lost, counted and logged; its memory is returned once
// Kafka's client releases it (P29).
func TestP33_noAckBeforeTheStopEnds(t *testing.T) {
	t.Parallel()
	came := make(chan struct{})
	held := make(chan func(), 1)
	g := start(t, &kafka{OnAppend: func(ctx context.Context, r receiver.Request) error {
		close(came)
		<-ctx.Done()
		held <- r.Release
		return context.Cause(ctx)
	}}, func(_ *Config, rt *receiver.Runtime) { rt.ShutdownTimeout = time.Millisecond })
	g.accept("a\nb\n")
	<-came
	g.Cancel()
	release := <-held
	g.Until("they are lost", func() bool { return g.Metric("etl_socket_lost_events_total") == 2 })
	if g.Admission.Used() == 0 {
		t.Error("the frame was released while Kafka's client had it")
	}
	release()
	g.Stop()
	if log := g.Log.String(); !strings.Contains(log, "not acknowledged by Kafka before the stop") {
		t.Errorf("got %q, expected it to contain %q", log, "not acknowledged by Kafka before the stop")
	}
}

// A line that is too long is skipped, logged and counted; the lines around it are produced.
func TestReader_longLines(t *testing.T) {
	t.Parallel()
	k := &kafka{}
	g := start(t, k, func(c *Config, _ *receiver.Runtime) { c.MaxLineBytes = 10 })
	g.accept("a\n" + strings.Repeat("x", 3*readBytes) + "\r\n1234567890\n12345678901\nb\n")
	g.Wants(k.Bodies, "a", "1234567890", "b")
	if n := g.Metric("etl_receiver_refused_total"); n != 2 {
		t.Errorf("%v lines rejected, expected 2", n)
	}
	if n := g.Metric("etl_socket_lost_events_total"); n != 2 {
		t.Errorf("%v lines lost, expected 2", n)
	}
}

// A byte order mark at the beginning of what a server writes is skipped, in whatever pieces it arrives.
func TestReader_byteOrderMark(t *testing.T) {
	t.Parallel()
	k := &kafka{}
	g := start(t, k, nil)
	c := g.accept("\xef\xbb\xbf\n\xef\xbb\xbfb\n")
	g.Wants(k.Bodies, "", "\xef\xbb\xbfb")
	_ = c.Close()
	c = g.accept("\xef")
	g.send(c, "\xbb")
	g.send(c, "\xbfc\n")
	_ = c.Close()
	g.Wants(k.Bodies, "", "\xef\xbb\xbfb", "c")
	g.accept("\xef\xbb\nd\n") // not a byte order mark
	g.Wants(k.Bodies, "", "\xef\xbb\xbfb", "c", "\xef\xbb", "d")
}
