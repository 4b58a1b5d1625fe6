package httpsource

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

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

// waiting is an Appender whose requests wait for the test.
type waiting struct {
	kafka
	came chan flumesink.Request // a request has arrived
	ack  chan error             // what its Append returns
}

func hold() *waiting {
	h := &waiting{came: make(chan flumesink.Request, 10), ack: make(chan error, 10)}
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

// answer is what a request came back with.
type answer struct {
	status int
	body   string
	header http.Header
}

// client is an HTTP client with connections of its own, closed with the test.
func client(t *testing.T) *http.Client {
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: patience}
}

func do(t *testing.T, c *http.Client, q *http.Request) answer {
	t.Helper()
	r, err := c.Do(q)
	if err != nil {
		t.Error(err)
		return answer{}
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Error(err)
	}
	return answer{r.StatusCode, string(body), r.Header}
}

// request is one to the receiver; fields are names and values of its header.
func (g *rig) request(method, body string, fields ...string) *http.Request {
	g.t.Helper()
	q, err := http.NewRequestWithContext(g.t.Context(), method, "http://"+g.addr+"/any/path?q=1", strings.NewReader(body))
	if err != nil {
		g.t.Fatal(err)
	}
	for i := 0; i < len(fields); i += 2 {
		q.Header.Set(fields[i], fields[i+1])
	}
	return q
}

func (g *rig) post(body string, fields ...string) answer {
	g.t.Helper()
	return do(g.t, client(g.t), g.request(http.MethodPost, body, fields...))
}

// raw text of a POST.
func postOf(body string) []byte {
	return fmt.Appendf(nil, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}

// status reads one answer, whole, and expects its status.
func (c raw) status(want int) {
	c.t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(patience))
	var head []byte // byte by byte, so that the next answer's stay
	for !bytes.HasSuffix(head, []byte("\r\n\r\n")) {
		var b [1]byte
		if _, err := c.Read(b[:]); err != nil {
			c.t.Fatalf("answer %q: %v; want status %d", head, err, want)
		}
		head = append(head, b[0])
	}
	r, err := http.ReadResponse(bufio.NewReader(io.MultiReader(bytes.NewReader(head), c)), nil)
	if err != nil {
		c.t.Fatal(err)
	}
	defer r.Body.Close()
	body := make([]byte, max(r.ContentLength, 0))
	if _, err := io.ReadFull(r.Body, body); err != nil {
		c.t.Fatal(err)
	}
	if r.StatusCode != want {
		c.t.Fatalf("status %d, %q: want %d", r.StatusCode, body, want)
	}
}
