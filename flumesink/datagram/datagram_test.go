package datagram

import (
	"context"
	"errors"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/sluice-etl/sluice/flumesink"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// kafka is an Appender. hold, where not nil, is what each Append waits for; asked, where not nil, is told when Ready is.
type kafka struct {
	hold  chan error
	ready func(context.Context) error

	mu       sync.Mutex
	requests [][]string
}

func (k *kafka) Append(ctx context.Context, r flumesink.Request) error {
	defer r.Release()
	if k.hold != nil {
		select {
		case err := <-k.hold:
			if err != nil {
				return err
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	var bodies []string
	for _, e := range r.Events {
		bodies = append(bodies, string(e.Body))
	}
	k.requests = append(k.requests, bodies)
	return nil
}

func (k *kafka) Ready(ctx context.Context) error {
	if k.ready != nil {
		return k.ready(ctx)
	}
	return nil
}

func (k *kafka) all() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Concat(k.requests...)
}

// running is a receiver that runs, and a socket to it.
type running struct {
	t    *testing.T
	reg  *prometheus.Registry
	conn net.Conn
	stop func() // waits until it has stopped; it may be called again
}

func start(t *testing.T, k *kafka, change func(*Config)) *running {
	t.Helper()
	cfg := DefaultConfig("test_udp", "--test-listen", "tests")
	cfg.Listen = "127.0.0.1:0"
	if change != nil {
		change(&cfg)
	}
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	g := &running{t: t, reg: prometheus.NewRegistry()}
	frames := flumesink.NewFrames(flumesink.NewAdmission(flumesink.DefaultConfig(), nil))
	r := New(cfg, func(*flumesink.Frame) error { return nil }, k, frames, nil, g.reg)
	addr, err := r.Listen(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if g.conn, err = net.Dial("udp", addr.String()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = g.conn.Close() })
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	g.stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(10 * time.Second):
			t.Error("the receiver does not stop")
		}
	})
	t.Cleanup(g.stop)
	return g
}

func (g *running) send(datagrams ...string) {
	g.t.Helper()
	for _, d := range datagrams {
		if _, err := g.conn.Write([]byte(d)); err != nil {
			g.t.Fatal(err)
		}
	}
}

func (g *running) await(what string, cond func() bool) {
	g.t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(10 * time.Second); !cond(); <-tick.C {
		if time.Now().After(deadline) {
			g.t.Fatalf("waited in vain until %s", what)
		}
	}
}

// lost is the receiver's count of events that were lost.
func (g *running) lost() float64 {
	g.t.Helper()
	families, err := g.reg.Gather()
	if err != nil {
		g.t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "etl_receiver_lost_events_total" {
			return f.GetMetric()[0].GetCounter().GetValue()
		}
	}

	g.t.Fatalf("no count of lost events among %d metrics", len(families))
	return 0
}

// Each datagram is an event, whatever is in it, and those that come together are one request.
func TestReceiver_events(t *testing.T) {
	t.Parallel()
	k := &kafka{}
	g := start(t, k, nil)
	want := []string{"one", "two\nlines\n", "", "\x00\xff", strings.Repeat("x", 60_000), "last"}
	g.send(want...)
	g.await("all have come", func() bool { return len(k.all()) == len(want) })
	if got := k.all(); !slices.Equal(got, want) {
		t.Errorf("%.100q, want %.100q", got, want)
	}
	g.stop()
	if len(k.requests) == len(want) {
		t.Errorf("each datagram is a request of its own: %d", len(k.requests))
	}
}

// While as many requests are under way as may be, nothing more is read; when Kafka has answered, it goes on (P23).
func TestReceiver_waitsForKafka(t *testing.T) {
	t.Parallel()
	k := &kafka{hold: make(chan error)}
	g := start(t, k, nil)
	const datagrams = 50
	for i := range datagrams {
		g.send(strconv.Itoa(i))
	}
	if got := k.all(); len(got) != 0 {
		t.Errorf("%q before Kafka had any", got)
	}
	close(k.hold)
	g.await("all have come", func() bool { return len(k.all()) == datagrams })
	if n := g.lost(); n != 0 {
		t.Errorf("%v were lost", n)
	}
}

// What Kafka refuses is counted as lost, and what follows is received.
func TestReceiver_lost(t *testing.T) {
	t.Parallel()
	k := &kafka{hold: make(chan error, 1)}
	g := start(t, k, nil)
	k.hold <- errors.New("not authorised")
	g.send("refused")
	g.await("it is counted as lost", func() bool { return g.lost() == 1 })
	k.hold <- nil
	g.send("taken")
	g.await("the next has come", func() bool { return len(k.all()) == 1 })
	if got := k.all(); !slices.Equal(got, []string{"taken"}) {
		t.Errorf("%q", got)
	}
}

// Who may not send is not heard, and costs the others nothing.
func TestReceiver_filter(t *testing.T) {
	t.Parallel()
	filter, err := flumesink.ParseIPFilter("deny:ip:127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	k := &kafka{}
	g := start(t, k, func(c *Config) { c.Filter = filter })
	g.send("denied")
	other, err := (&net.Dialer{LocalAddr: &net.UDPAddr{IP: net.IPv4(127, 0, 0, 2)}}).Dial("udp", g.conn.RemoteAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if _, err := other.Write([]byte("allowed")); err != nil {
		t.Fatal(err)
	}
	g.await("one has come", func() bool { return len(k.all()) > 0 })
	if got := k.all(); !slices.Equal(got, []string{"allowed"}) {
		t.Errorf("%q", got)
	}
}

// A stop waits for what Kafka has, for as long as it may, and counts the rest as lost (P33).
func TestP33_stop(t *testing.T) {
	t.Parallel()
	t.Run("Kafka answers", func(t *testing.T) {
		t.Parallel()
		k := &kafka{hold: make(chan error)}
		g := start(t, k, nil)
		g.send("read before the stop")
		k.hold <- nil // it is in Kafka's hands
		g.stop()
		if got := k.all(); !slices.Equal(got, []string{"read before the stop"}) {
			t.Errorf("%q", got)
		}
	})
	t.Run("Kafka says nothing", func(t *testing.T) {
		t.Parallel()
		begun := make(chan struct{}, 1)
		k := &kafka{hold: make(chan error)}
		k.ready = func(context.Context) error {
			select {
			case begun <- struct{}{}:
			default:
			}
			return nil
		}
		g := start(t, k, func(c *Config) { c.ShutdownTimeout = 50 * time.Millisecond })
		g.send("never answered")
		<-begun
		g.await("it is read, and the next is waited for", func() bool { return len(begun) == 1 })
		g.stop()
		if n := g.lost(); n != 1 {
			t.Errorf("%v were lost, want 1", n)
		}
	})
}

func TestReceiver_portIsTaken(t *testing.T) {
	t.Parallel()
	g := start(t, &kafka{}, nil)
	cfg := DefaultConfig("other", "--other-listen", "tests")
	if err := cfg.Validate(); err == nil || err.Error() != "--other-listen is empty: want host:port or :port" {
		t.Error(err)
	}
	cfg.Listen = g.conn.RemoteAddr().String()
	_, err := New(cfg, nil, &kafka{}, nil, nil, nil).Listen(t.Context())
	if err == nil || !strings.HasPrefix(err.Error(), "--other-listen "+cfg.Listen+": ") {
		t.Error(err)
	}
}
