package thrift

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	oracle "github.com/apache/thrift/lib/go/thrift"

	"github.com/sluice-etl/sluice/flumesink"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 10 * time.Second

// kafka is an Appender that keeps what it is given. Its hooks may be nil.
type kafka struct {
	append func(ctx context.Context, r flumesink.Request) error
	ready  func(ctx context.Context) error

	mu   sync.Mutex
	seen []string // an event is body{k=v,k=v}
}

func (k *kafka) Append(ctx context.Context, r flumesink.Request) error {
	if k.append != nil {
		return k.append(ctx, r)
	}
	k.keep(r)
	r.Release()
	return nil
}

func (k *kafka) keep(r flumesink.Request) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, e := range r.Events {
		k.seen = append(k.seen, show(e))
	}
}

func (k *kafka) Ready(ctx context.Context) error {
	if k.ready != nil {
		return k.ready(ctx)
	}
	return nil
}

func (k *kafka) got() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return append([]string(nil), k.seen...)
}

func show(e flumesink.Event) string {
	var headers []string
	for _, h := range e.Headers {
		headers = append(headers, string(h.Key)+"="+string(h.Value))
	}
	return string(e.Body) + "{" + strings.Join(headers, ",") + "}"
}

func events(bodies ...string) []flumesink.Event {
	var es []flumesink.Event
	for _, b := range bodies {
		es = append(es, flumesink.Event{Body: []byte(b)})
	}
	return es
}

// rig is a receiver that runs.
type rig struct {
	t         *testing.T
	r         *Receiver
	addr      string
	reg       *prometheus.Registry
	admission *flumesink.Admission
	log       lines
	cancel    context.CancelFunc
	done      chan error
}

// lines is a log that tests read while it is written.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func start(t *testing.T, a flumesink.Appender, change func(*Config)) *rig {
	t.Helper()
	cfg := DefaultConfig()
	cfg.Listen = "127.0.0.1:0"
	if change != nil {
		change(&cfg)
	}
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	g := &rig{t: t, reg: prometheus.NewPedanticRegistry(), done: make(chan error, 1)}
	g.admission = flumesink.NewAdmission(flumesink.DefaultConfig(), g.reg)
	g.r = New(cfg, a, flumesink.NewFrames(g.admission), slog.New(slog.NewTextHandler(&g.log, nil)), g.reg)
	addr, err := g.r.Listen(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	g.addr = addr.String()
	ctx, cancel := context.WithCancel(t.Context())
	g.cancel = cancel
	go func() { g.done <- g.r.Run(ctx) }()
	t.Cleanup(func() { g.stop() })
	return g
}

// stop ends the receiver and waits for it.
func (g *rig) stop() {
	g.cancel()
	select {
	case err := <-g.done:
		if err != nil {
			g.t.Errorf("Run returned %v", err)
		}
		g.done <- nil // for the clean-up
	case <-time.After(30 * time.Second):
		g.t.Fatal("the receiver did not stop")
	}
}

// metric is the sum of a counter or gauge, over the series that carry the label value, where one is given.
func (g *rig) metric(name string, label ...string) float64 {
	g.t.Helper()
	families, err := g.reg.Gather()
	if err != nil {
		g.t.Fatal(err)
	}
	sum, found := 0.0, false
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
	series:
		for _, m := range f.GetMetric() {
			for _, want := range label {
				has := false
				for _, l := range m.GetLabel() {
					has = has || l.GetValue() == want
				}
				if !has {
					continue series
				}
			}
			found = true
			sum += m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	if !found {
		g.t.Errorf("no metric %s%v", name, label)
	}
	return sum
}

func (g *rig) until(what string, ok func() bool) {
	g.t.Helper()
	until(g.t, what, ok)
}

func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); !ok(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", patience, what)
		}
	}
}

// refused waits until connections were closed for the reason, and returns the log.
func (g *rig) refused(reason string, times int) string {
	g.t.Helper()
	g.until(fmt.Sprintf("%d times refused for %s; log: %s", times, reason, g.log.String()), func() bool {
		return g.metric("etl_receiver_refused_total", reason) == float64(times)
	})
	g.until("no connection's memory is in flight", func() bool { return g.admission.Used() == 0 })
	return g.log.String()
}

// raw is a connection that sends bytes as they are.
type raw struct {
	t *testing.T
	net.Conn
}

func (g *rig) dial() raw {
	g.t.Helper()
	c, err := net.Dial("tcp", g.addr)
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { c.Close() })
	return raw{g.t, c}
}

func (c raw) send(b []byte) {
	c.t.Helper()
	if _, err := c.Write(b); err != nil {
		c.t.Fatal(err)
	}
}

func (c raw) expect(want []byte) {
	c.t.Helper()
	got := make([]byte, len(want))
	_ = c.SetReadDeadline(time.Now().Add(patience))
	n, err := io.ReadFull(c, got)
	if err != nil || !bytes.Equal(got, want) {
		c.t.Fatalf("answer %x (%v)\nwant   %x", got[:n], err, want)
	}
}

// closed expects that the receiver closes the connection without another byte.
func (c raw) closed() {
	c.t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(patience))
	n, err := c.Read(make([]byte, 1))
	if n != 0 || errors.Is(err, os.ErrDeadlineExceeded) {
		c.t.Fatalf("read %d bytes, %v: want a closed connection", n, err)
	}
}

// open expects that the connection stays, and silent.
func (c raw) open(d time.Duration) {
	c.t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(d))
	if n, err := c.Read(make([]byte, 1)); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		c.t.Fatalf("read %d bytes, %v: want an open and silent connection", n, err)
	}
}

func (g *rig) client(p Protocol) *Client {
	g.t.Helper()
	cfg := DefaultClientConfig(g.addr)
	cfg.Protocol = p
	c, err := Dial(g.t.Context(), cfg)
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { c.Close() })
	return c
}

func unhex(tb testing.TB, s string) []byte {
	tb.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// both are the two protocols.
var both = []Protocol{Compact, Binary}

// call is the frame of an appendBatch, written by Apache's library.
func call(tb testing.TB, p Protocol, seqid int32, es []flumesink.Event) []byte {
	tb.Helper()
	return callOf(tb, p, nameBatch, seqid, &batchArgs{events: es})
}

func callOf(tb testing.TB, p Protocol, name string, seqid int32, args interface {
	Write(context.Context, oracle.TProtocol) error
}) []byte {
	tb.Helper()
	var out bytes.Buffer
	framed := oracle.NewTFramedTransportConf(oracle.NewStreamTransportW(&out), nil)
	w := protocolOn(p, framed)
	ctx := context.Background()
	err := errors.Join(w.WriteMessageBegin(ctx, name, oracle.CALL, seqid), args.Write(ctx, w), w.WriteMessageEnd(ctx), w.Flush(ctx))
	if err != nil {
		tb.Fatal(err)
	}
	return out.Bytes()
}

func protocolOn(p Protocol, t oracle.TTransport) oracle.TProtocol {
	if p == Binary {
		return oracle.NewTBinaryProtocolConf(t, nil)
	}
	return oracle.NewTCompactProtocolConf(t, nil)
}

// ok is the answer to an appendBatch, from the facts of Flume's own server.
func ok(tb testing.TB, p Protocol, seqid byte) []byte {
	tb.Helper()
	const name = "617070656e644261746368"
	if p == Binary {
		return unhex(tb, fmt.Sprintf("0000001f 80010002 0000000b %s 000000%02x 080000 00000000 00", name, seqid))
	}
	return unhex(tb, fmt.Sprintf("00000013 8241 %02x 0b %s 050000 00", seqid, name))
}
