package receivertest

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluice-etl/sluice/receiver"
)

// Timeout is how long a test waits for what must happen.
const Timeout = 10 * time.Second

// Fixture is a running receiver with everything that a test examines.
type Fixture struct {
	T         *testing.T
	Addr      string
	Reg       *prometheus.Registry
	Admission *receiver.Admission
	Log       Log
	// Cancel ends Run's context.
	Cancel context.CancelFunc
	done   chan error
}

// Start runs the receiver that construct makes of a runtime with the default configuration, which it may change. The
// receiver ends with the test, and must then have given all memory back.
func Start(t *testing.T, a receiver.Appender, construct func(receiver.Runtime) receiver.Receiver) *Fixture {
	t.Helper()
	g := &Fixture{T: t, Reg: prometheus.NewPedanticRegistry(), done: make(chan error, 1)}
	g.Admission = receiver.NewAdmission(receiver.DefaultConfig(), g.Reg)
	rt := receiver.NewRuntime(receiver.DefaultConfig(), a, slog.New(slog.NewTextHandler(&g.Log, nil)), nil)
	rt.Frames, rt.Registry = receiver.NewFrames(g.Admission), g.Reg
	r := construct(rt)
	if err := r.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	if l, ok := r.(receiver.Listener); ok {
		g.Addr = l.Addr().String()
	}
	ctx, cancel := context.WithCancel(t.Context())
	g.Cancel = cancel
	go func() { g.done <- r.Run(ctx) }()
	t.Cleanup(func() {
		g.Stop()
		if n := g.Admission.Used(); n != 0 {
			t.Errorf("%d bytes in flight after the end, expected 0", n)
		}
	})
	return g
}

// StartConfig is Start for a receiver that construct creates from a configuration. If change is not nil, it changes the
// configuration, which must be valid afterwards, and the runtime.
func StartConfig[C any, PC Config[C], R receiver.Receiver](
	t *testing.T, a receiver.Appender, cfg C, construct func(C, receiver.Runtime) R, change func(PC, *receiver.Runtime),
) (g *Fixture, r R) {
	t.Helper()
	g = Start(t, a, func(rt receiver.Runtime) receiver.Receiver {
		if change != nil {
			change(&cfg, &rt)
		}
		if err := PC(&cfg).Validate(); err != nil {
			t.Fatal(err)
		}
		r = construct(cfg, rt)
		return r
	})
	return g, r
}

// DialConfig opens a client with a configuration, which change may change if it is not nil. The client is closed with
// the test.
func DialConfig[C any, PC Config[C], K io.Closer](
	t *testing.T, cfg C, dial func(context.Context, C) (K, error), change func(PC),
) K {
	t.Helper()
	if change != nil {
		change(&cfg)
	}
	if err := PC(&cfg).Validate(); err != nil {
		t.Fatal(err)
	}
	c, err := dial(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() }) // fails if the test has closed it
	return c
}

// Config is a pointer to a configuration.
type Config[C any] interface {
	*C
	Validate() error
}

// Stop ends the receiver and waits for it.
func (g *Fixture) Stop() {
	g.Cancel()
	late := time.NewTimer(30 * time.Second)
	defer late.Stop()
	select {
	case err := <-g.done:
		if err != nil {
			g.T.Errorf("Run returned %v", err)
		}
		g.done <- nil // for the cleanup
	case <-late.C:
		g.T.Fatal("the receiver did not stop")
	}
}

// Metric returns the sum of a metric over the series that have all of the label values.
func (g *Fixture) Metric(name string, label ...string) float64 {
	g.T.Helper()
	families, err := g.Reg.Gather()
	if err != nil {
		g.T.Fatal(err)
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
		g.T.Fatalf("no metric %s%v", name, label)
	}
	return sum
}

// Until waits for a condition.
func (g *Fixture) Until(what string, ok func() bool) {
	g.T.Helper()
	Until(g.T, what, ok)
}

// Wants waits until Kafka has as many events as want, and compares them. got is one of Kafka's methods.
func (g *Fixture) Wants(got func() []string, want ...string) {
	g.T.Helper()
	g.Until("the events are there; log: "+g.Log.String(), func() bool { return len(got()) >= len(want) })
	if d := cmp.Diff(want, got()); d != "" {
		g.T.Errorf("expected (-), got (+):\n%s", d)
	}
}

// Logs waits until the log contains the text.
func (g *Fixture) Logs(text string) {
	g.T.Helper()
	g.Until("the log has: "+text, func() bool { return strings.Contains(g.Log.String(), text) })
}

// Until waits for a condition. A failure message ends with what.
func Until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(Timeout); !ok(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", Timeout, what)
		}
	}
}

// Rejected waits until this many connections were rejected for the reason, and returns the log.
func (g *Fixture) Rejected(reason string, times int) string {
	g.T.Helper()
	g.Until(fmt.Sprintf("%d times rejected for %s; log: %s", times, reason, g.Log.String()), func() bool {
		return g.Metric("etl_receiver_refused_total", reason) == float64(times)
	})
	g.Until("no connection's memory is in flight", func() bool { return g.Admission.Used() == 0 })
	return g.Log.String()
}
