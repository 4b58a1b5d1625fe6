package socket

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/sluice-etl/sluice/flumesink"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// kafka is an Appender; append may be nil, and runs before the events are taken.
type kafka struct {
	append func(ctx context.Context, r flumesink.Request) error

	mu   sync.Mutex
	seen []string
}

func (k *kafka) Append(ctx context.Context, r flumesink.Request) error {
	defer r.Release()
	if k.append != nil {
		if err := k.append(ctx, r); err != nil {
			return err
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, e := range r.Events {
		k.seen = append(k.seen, string(e.Body))
	}
	return nil
}

func (*kafka) Ready(context.Context) error { return nil }

func (k *kafka) got() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.seen)
}

type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *buffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *buffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

type rig struct {
	t         *testing.T
	r         *Reader
	l         net.Listener
	log       buffer
	admission *flumesink.Admission
	reg       *prometheus.Registry
	cancel    context.CancelFunc
	done      chan error
	once      sync.Once
}

func start(t *testing.T, a flumesink.Appender, configure func(*Config)) *rig {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	cfg := DefaultConfig()
	cfg.Servers, cfg.ShutdownTimeout = []string{l.Addr().String()}, 10*time.Second
	if configure != nil {
		configure(&cfg)
	}
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	g := &rig{t: t, l: l, reg: prometheus.NewPedanticRegistry(), done: make(chan error, 1), admission: flumesink.NewAdmission(flumesink.DefaultConfig(), nil)}
	g.r = New(cfg, a, flumesink.NewFrames(g.admission), slog.New(slog.NewTextHandler(&g.log, nil)), g.reg)
	ctx, cancel := context.WithCancel(t.Context())
	g.cancel = cancel
	go func() { g.done <- g.r.Run(ctx) }()
	t.Cleanup(g.stop)
	return g
}

func (g *rig) stop() {
	g.once.Do(func() {
		g.cancel()
		if err := <-g.done; err != nil {
			g.t.Error(err)
		}
		if n := g.admission.Used(); n != 0 {
			g.t.Errorf("%d bytes in flight", n)
		}
	})
}

// accept is the next connection, which the server has sent text over.
func (g *rig) accept(text string) net.Conn {
	g.t.Helper()
	c, err := g.l.Accept()
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { _ = c.Close() })
	g.send(c, text)
	return c
}

func (g *rig) send(c net.Conn, text string) {
	g.t.Helper()
	if _, err := c.Write([]byte(text)); err != nil {
		g.t.Fatal(err)
	}
}

func (g *rig) until(what string, ok func() bool) {
	g.t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(20 * time.Second); !ok(); <-tick.C {
		if time.Now().After(deadline) {
			g.t.Fatalf("not within 20s: %s; log: %s", what, g.log.String())
		}
	}
}

func (g *rig) wants(k *kafka, want ...string) {
	g.t.Helper()
	g.until("the lines are there", func() bool { return len(k.got()) >= len(want) })
	if d := cmp.Diff(want, k.got()); d != "" {
		g.t.Errorf("want (-), got (+):\n%s", d)
	}
}

func (g *rig) metric(name string) (n float64) {
	families, err := g.reg.Gather()
	if err != nil {
		g.t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			for _, m := range f.GetMetric() {
				n += m.GetCounter().GetValue()
			}
		}
	}
	return n
}

// Lines in whatever pieces they come, the last one without an end; then the server is connected to again.
func TestReader_lines(t *testing.T) {
	t.Parallel()
	k := &kafka{}
	g := start(t, k, nil)
	c := g.accept("a\r\nb\rc\n\nd")
	g.wants(k, "a", "b", "c", "")
	g.send(c, "e\r")
	g.wants(k, "a", "b", "c", "", "de")
	g.send(c, "\nf")
	_ = c.Close()
	g.wants(k, "a", "b", "c", "", "de", "f")
	g.accept("g\n")
	g.wants(k, "a", "b", "c", "", "de", "f", "g")
	if !strings.Contains(g.log.String(), "has closed the connection") {
		t.Error(g.log.String())
	}
	g.until("the status is there", func() bool { s := g.r.Status()[0]; return s.Connected && s.Events == 7 && s.Held == 0 })
	if n := g.metric("etl_socket_lost_events_total"); n != 0 {
		t.Errorf("%v lines lost", n)
	}
}

// What Kafka does not take is held, the same bytes, and nothing more is read before it takes them.
func TestP23_heldUntilKafkaTakesThem(t *testing.T) {
	t.Parallel()
	tries := 0
	k := &kafka{append: func(_ context.Context, r flumesink.Request) error {
		if b, err := r.Memory(100); err != nil || len(b) != 0 || cap(b) < 100 {
			t.Errorf("memory of %d, %v", cap(b), err)
		}
		if tries++; tries < 3 {
			if string(r.Events[0].Body) != "a" || len(r.Events) != 2 {
				t.Errorf("try %d: %d events, the first is %q", tries, len(r.Events), r.Events[0].Body)
			}
		}
		switch tries {
		case 1:
			return fmt.Errorf("away: %w", flumesink.ErrNotProduced)
		case 2:
			return errors.New("refused")
		}
		return nil
	}}
	g := start(t, k, nil)
	c := g.accept("a\nb\n")
	g.until("it is held", func() bool { return g.r.Status()[0].Held == 2 })
	g.send(c, "c\n")
	g.wants(k, "a", "b", "c")
	if n := g.metric("etl_receiver_unanswered_events_total"); n != 2 {
		t.Errorf("%v events may be copies, want the 2 of the refusal", n)
	}
	if n := g.metric("etl_socket_lost_events_total"); n != 0 {
		t.Errorf("%v lines lost", n)
	}
}

// A stop waits for what was read, and gives up the line whose end has not come.
func TestP33_stop(t *testing.T) {
	t.Parallel()
	came, ack := make(chan struct{}), make(chan struct{})
	k := &kafka{append: func(context.Context, flumesink.Request) error {
		close(came)
		<-ack
		return nil
	}}
	g := start(t, k, nil)
	g.accept("a\nunfinished")
	<-came
	g.cancel()
	close(ack)
	g.stop()
	g.wants(k, "a")
	if n := g.metric("etl_socket_lost_events_total"); n != 1 {
		t.Errorf("%v lines lost, want the unfinished one", n)
	}
}

// Kafka's word does not come before the stop is over: lost, counted and logged; its memory is given back when Kafka's
// client lets go of it (P29).
func TestP33_noWord(t *testing.T) {
	t.Parallel()
	came := make(chan struct{})
	held := make(chan func(), 1)
	g := start(t, appender(func(ctx context.Context, r flumesink.Request) error {
		close(came)
		<-ctx.Done()
		held <- r.Release
		return context.Cause(ctx)
	}), func(c *Config) { c.ShutdownTimeout = time.Millisecond })
	g.accept("a\nb\n")
	<-came
	g.cancel()
	release := <-held
	g.until("they are lost", func() bool { return g.metric("etl_socket_lost_events_total") == 2 })
	if g.admission.Used() == 0 {
		t.Error("the frame was released while Kafka's client had it")
	}
	release()
	g.stop()
	if log := g.log.String(); !strings.Contains(log, "no word from Kafka before the stop") {
		t.Error(log)
	}
}

type appender func(ctx context.Context, r flumesink.Request) error

func (a appender) Append(ctx context.Context, r flumesink.Request) error { return a(ctx, r) }
func (appender) Ready(context.Context) error                             { return nil }

// A line that is too long is left out, logged and counted; those around it are not.
func TestReader_longLines(t *testing.T) {
	t.Parallel()
	k := &kafka{}
	g := start(t, k, func(c *Config) { c.MaxLineBytes = 10 })
	g.accept("a\n" + strings.Repeat("x", 3*readBytes) + "\r\n1234567890\n12345678901\nb\n")
	g.wants(k, "a", "1234567890", "b")
	if n := g.metric("etl_receiver_refused_total"); n != 2 {
		t.Errorf("%v lines refused", n)
	}
	if n := g.metric("etl_socket_lost_events_total"); n != 2 {
		t.Errorf("%v lines lost", n)
	}
}
