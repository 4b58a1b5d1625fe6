package udp

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sluice-etl/sluice/internal/receivertest"
	"github.com/sluice-etl/sluice/receiver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type kafka = receivertest.Kafka

// fixture is a running receiver, and a socket connected to it.
type fixture struct {
	*receivertest.Fixture
	conn receivertest.Raw
}

func start(t *testing.T, k *kafka, change func(*Config, *receiver.Runtime)) *fixture {
	t.Helper()
	cfg := DefaultConfig("test_udp", "tests")
	cfg.Listen = "127.0.0.1:0"
	g := &fixture{Fixture: receivertest.Start(t, k, func(rt receiver.Runtime) receiver.Receiver {
		if change != nil {
			change(&cfg, &rt)
		}
		return New(cfg, func(*receiver.Frame) error { return nil }, rt)
	})}
	g.conn = g.DialUDP()
	return g
}

func (g *fixture) send(datagrams ...string) {
	g.T.Helper()
	for _, d := range datagrams {
		g.conn.Send([]byte(d))
	}
}

func (g *fixture) lost() float64 { return g.Metric("etl_receiver_lost_events_total") }

// Each datagram is an event, whatever its content, and those that arrive together form one request.
func TestReceiver_events(t *testing.T) {
	t.Parallel()
	open := make(chan struct{})
	var requests atomic.Int32
	k := &kafka{
		OnReady: func(ctx context.Context) error {
			select {
			case <-open:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		},
		Before: func(context.Context, receiver.Request) error { requests.Add(1); return nil },
	}
	g := start(t, k, nil)
	want := []string{"one", "two\nlines\n", "", "\x00\xff", strings.Repeat("x", 60_000), "last"}
	g.send(want...)
	close(open)
	g.Wants(k.Bodies, want...)
	g.Stop()
	if n := requests.Load(); n != 1 {
		t.Errorf("%d requests, expected one of all that waited", n)
	}
}

// full sends datagrams, each a request of its own, until the maximum number of requests is in flight, and one more,
// which is read and waits.
func (g *fixture) full(began *atomic.Int32) {
	g.T.Helper()
	for i := range maxInFlight {
		g.send("under way")
		g.Until("it is with the Appender", func() bool { return began.Load() == int32(i+1) })
	}
	g.send("waits")
	read := float64(maxInFlight*len("under way") + len("waits"))
	g.Until("the last is read", func() bool { return g.Metric("etl_receiver_bytes_total") == read })
}

// While the maximum number of requests is in flight, nothing more is read; reading resumes once Kafka has acknowledged
// (P23).
func TestP23_readingPausesAtMaxInFlight(t *testing.T) {
	t.Parallel()
	ack := make(chan error)
	var began atomic.Int32
	k := &kafka{Before: func(ctx context.Context, r receiver.Request) error {
		began.Add(1)
		return receivertest.Wait(ack)(ctx, r)
	}}
	g := start(t, k, nil)
	g.full(&began)
	g.send("is not read")
	if n := began.Load(); n != maxInFlight {
		t.Errorf("%d requests began, expected %d", n, maxInFlight)
	}
	close(ack)
	g.Until("all have come", func() bool { return len(k.Bodies()) == maxInFlight+2 })
	if n := g.lost(); n != 0 {
		t.Errorf("%v were lost, expected 0", n)
	}
}

// A stop while Kafka is unavailable and all requests wait for it ends in time too, and what was read counts as lost
// (P33).
func TestP33_stopWithAllRequestsInFlight(t *testing.T) {
	t.Parallel()
	var began atomic.Int32
	k := &kafka{Before: func(ctx context.Context, r receiver.Request) error {
		began.Add(1)
		return receivertest.Wait(nil)(ctx, r)
	}}
	g := start(t, k, func(_ *Config, rt *receiver.Runtime) { rt.ShutdownTimeout = 50 * time.Millisecond })
	g.full(&began)
	g.Stop()
	if n := g.lost(); n != maxInFlight+1 {
		t.Errorf("%v were lost, expected %d", n, maxInFlight+1)
	}
}

// What Kafka rejects counts as lost, and what follows is received.
func TestReceiver_rejectedEventsAreLost(t *testing.T) {
	t.Parallel()
	ack := make(chan error, 1)
	k := &kafka{Before: receivertest.Wait(ack)}
	g := start(t, k, nil)
	ack <- errors.New("not authorised")
	g.send("refused")
	g.Until("it is counted as lost", func() bool { return g.lost() == 1 })
	ack <- nil
	g.send("taken")
	g.Wants(k.Bodies, "taken")
}

// Datagrams of a filtered address are dropped, and do not affect the others.
func TestReceiver_filter(t *testing.T) {
	t.Parallel()
	filter, err := receiver.ParseIPFilter("deny:ip:127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	k := &kafka{}
	g := start(t, k, func(_ *Config, rt *receiver.Runtime) { rt.Filter = filter })
	g.send("denied")
	other, err := (&net.Dialer{LocalAddr: &net.UDPAddr{IP: net.IPv4(127, 0, 0, 2)}}).Dial("udp", g.conn.RemoteAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if _, err := other.Write([]byte("allowed")); err != nil {
		t.Fatal(err)
	}
	g.Wants(k.Bodies, "allowed")
}

// A stop waits for requests in flight up to its limit, and counts the rest as lost (P33).
func TestP33_stop(t *testing.T) {
	t.Parallel()
	t.Run("Kafka answers", func(t *testing.T) {
		t.Parallel()
		ack := make(chan error)
		k := &kafka{Before: receivertest.Wait(ack)}
		g := start(t, k, nil)
		g.send("read before the stop")
		ack <- nil // now Kafka has it
		g.Stop()
		g.Wants(k.Bodies, "read before the stop")
	})
	t.Run("Kafka says nothing", func(t *testing.T) {
		t.Parallel()
		begun := make(chan struct{}, 1)
		k := &kafka{Before: receivertest.Wait(nil)}
		k.OnReady = func(context.Context) error {
			select {
			case begun <- struct{}{}:
			default:
			}
			return nil
		}
		g := start(t, k, func(_ *Config, rt *receiver.Runtime) { rt.ShutdownTimeout = 50 * time.Millisecond })
		g.send("never answered")
		<-begun
		g.Until("it is read, and the next is waited for", func() bool { return len(begun) == 1 })
		g.Stop()
		if n := g.lost(); n != 1 {
			t.Errorf("%v were lost, expected 1", n)
		}
	})
}

func TestReceiver_portInUse(t *testing.T) {
	t.Parallel()
	g := start(t, &kafka{}, nil)
	cfg := DefaultConfig("other", "tests")
	cfg.Listen = g.conn.RemoteAddr().String()
	err := New(cfg, nil, receiver.Runtime{}).Open(t.Context())
	if err == nil || !strings.HasPrefix(err.Error(), "option 'other.listen' "+cfg.Listen+": ") {
		t.Errorf("got %v, expected an error that begins with %q", err, "option 'other.listen' "+cfg.Listen+": ")
	}
}
