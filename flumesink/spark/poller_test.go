package spark

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/sluice-etl/sluice/internal/receivertest"
	"github.com/sluice-etl/sluice/receiver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const long = time.Minute // longer than any test

type kafka = receivertest.Kafka

type fixture struct {
	*receivertest.Fixture
	p *Poller
}

func start(t *testing.T, a receiver.Appender, change func(*Config, *receiver.Runtime), sinks ...string) *fixture {
	t.Helper()
	cfg := DefaultConfig()
	cfg.Sinks, cfg.Pause = sinks, time.Millisecond
	g := &fixture{}
	g.Fixture, g.p = receivertest.StartConfig(t, a, cfg, New, func(cfg *Config, rt *receiver.Runtime) {
		rt.ShutdownTimeout = 2 * time.Second
		if change != nil {
			change(cfg, rt)
		}
	})
	return g
}

// acked waits until n events of the sink are acked.
func (g *fixture) acked(s *fakeSink, n int) {
	g.T.Helper()
	g.Until(fmt.Sprintf("%d are acked", n), func() (all bool) { s.look(func() { all = len(s.acked) == n }); return all })
}

// unanswered returns the upper bound of duplicates.
func (g *fixture) unanswered() float64 { return g.Metric("etl_receiver_unanswered_events_total") }

func numbered(n int) (events []string) {
	for i := range n {
		events = append(events, fmt.Sprintf("e%d", i))
	}
	return events
}

func TestPoller_acksWhatKafkaAcknowledged(t *testing.T) {
	t.Parallel()
	for _, other := range []bool{false, true} { // the sink's protocol is ours, or has another text
		s := newFakeSink(t, 100, long)
		s.none = other
		k := &kafka{}
		g := start(t, k, func(c *Config, _ *receiver.Runtime) { c.Batch = 7 }, s.addr())
		s.put(numbered(20)...)
		g.acked(s, 20)
		var want []string
		for _, e := range numbered(20) {
			want = append(want, e+"{k=v}")
		}
		if d := cmp.Diff(want, k.Got()); d != "" {
			t.Error(d)
		}
		g.Until("the next call waits", func() bool {
			said := ""
			s.look(func() { said = strings.Join(s.said, ", ") })
			return said == "get 7, ack AbCdEfGh1, get 7, ack AbCdEfGh2, get 7, ack AbCdEfGh3, get 7"
		})
		st := g.p.Status()[0]
		if st.Sink != s.addr() || st.Connections != 1 || st.Events != 20 || st.LastEvents != 6 || st.LastBatch == "" || st.LastError != "" {
			t.Errorf("status %+v; expected Sink %v, Connections 1, Events 20, LastEvents 6, LastBatch other than an empty text and LastError an empty text", st, s.addr())
		}
	}
}

// A batch that Kafka rejects is returned, and arrives again after a pause; what may be in Kafka is in the upper bound
// of duplicates.
func TestP23_rejectedBatchIsReturned(t *testing.T) {
	t.Parallel()
	s := newFakeSink(t, 100, long)
	const pause = 50 * time.Millisecond
	var tries []time.Time // by one connection, one after the other
	k := &kafka{Before: func(context.Context, receiver.Request) error {
		switch tries = append(tries, time.Now()); len(tries) {
		case 1:
			return errors.New("no word from Kafka")
		case 2:
			return fmt.Errorf("waiting: %w", receiver.ErrNotProduced)
		}
		return nil
	}}
	s.put("a", "b")
	g := start(t, k, func(c *Config, _ *receiver.Runtime) { c.Pause = pause }, s.addr())
	g.acked(s, 2)
	s.look(func() {
		if said := strings.Join(s.said[:6], ", "); said != "get 1000, nack AbCdEfGh1, get 1000, nack AbCdEfGh2, get 1000, ack AbCdEfGh3" {
			t.Errorf("got %q, expected %q", said, "get 1000, nack AbCdEfGh1, get 1000, nack AbCdEfGh2, get 1000, ack AbCdEfGh3")
		}
	})
	for i := 1; i < len(tries); i++ {
		if d := tries[i].Sub(tries[i-1]); d < pause*4/5 {
			t.Errorf("attempt %d came %s after the previous one, expected at least %s", i, d, pause*4/5)
		}
	}
	if n := g.unanswered(); n != 2 {
		t.Errorf("%v events unanswered, expected the 2 of the first batch", n)
	}
	if st := g.p.Status()[0]; !strings.Contains(st.LastError, "nothing was produced") {
		t.Errorf("status %+v, expected LastError to contain %q", st, "nothing was produced")
	}
}

// After a batch of too many bytes fewer events are requested. An event above a limit becomes a dead letter, so that it
// does not arrive again endlessly.
func TestPoller_limits(t *testing.T) {
	t.Parallel()
	s := newFakeSink(t, 1000, 50*time.Millisecond)
	var bodies []string
	for range 40 {
		bodies = append(bodies, strings.Repeat("x", 1000))
	}
	s.put(bodies...)
	g := start(t, &kafka{}, func(c *Config, _ *receiver.Runtime) { c.Batch, c.MaxFrameBytes = 40, 25_000 }, s.addr())
	g.acked(s, 40)
	g.Logs("option 'spark.max-frame-bytes'")
	if st := g.p.Status()[0]; st.Batch != 20 {
		t.Errorf("status %+v, expected Batch 20", st)
	}
	if n := g.Metric("etl_receiver_refused_total", receiver.ReasonFrameBytes); n != 1 {
		t.Errorf("%v batches rejected, expected 1", n)
	}

	s = newFakeSink(t, 1000, long)
	s.put("ok", strings.Repeat("x", 1001))
	k := &kafka{}
	g = start(t, k, func(c *Config, _ *receiver.Runtime) { c.MaxBodyBytes = 1000 }, s.addr())
	g.acked(s, 2)
	if es := k.Events(); receivertest.Show(es[0]) != "ok{k=v}" || es[1].Dead == nil || es[1].Dead.Reason != "the event's body has more bytes than option 'spark.max-body-bytes'" {
		t.Errorf("got %v", k.Got())
	}
	if n := g.Metric("etl_receiver_connections_total"); n != 1 {
		t.Errorf("%v connections, expected 1", n)
	}
}

// Two connections share a sink's batches, and the number of requested events.
func TestPoller_connections(t *testing.T) {
	t.Parallel()
	s := newFakeSink(t, 100, long)
	hold := make(chan error)
	var under atomic.Int32
	k := &kafka{Before: func(ctx context.Context, r receiver.Request) error {
		under.Add(1)
		return receivertest.Wait(hold)(ctx, r)
	}}
	g := start(t, k, func(c *Config, _ *receiver.Runtime) { c.Connections, c.Batch = 2, 5 }, s.addr())
	s.put(numbered(10)...)
	g.Until("two batches are under way", func() bool { return under.Load() == 2 })
	close(hold)
	g.acked(s, 10)
	if n := g.p.Status()[0].Connections; n != 2 {
		t.Errorf("%d connections, expected 2", n)
	}
}

// While earlier records are neither acknowledged nor failed, nothing is requested.
func TestP23_requestsOnlyWhenReady(t *testing.T) {
	t.Parallel()
	s := newFakeSink(t, 100, long)
	s.put("a")
	open := make(chan struct{})
	k := &kafka{OnReady: func(ctx context.Context) error {
		select {
		case <-open:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}}
	g := start(t, k, nil, s.addr())
	g.Until("it is connected", func() bool { return g.p.Status()[0].Connections == 1 })
	s.look(func() {
		if len(s.said) != 0 {
			t.Errorf("said %v, expected none", s.said)
		}
	})
	close(open)
	g.acked(s, 1)
}

// The livelock: more events than transactionCapacity are in the channel, so each request for them gets the same error.
func TestPoller_requestsSmallerBatches(t *testing.T) {
	t.Parallel()
	s := newFakeSink(t, 100, long)
	s.put(numbered(350)...)
	g := start(t, &kafka{}, nil, s.addr())
	g.acked(s, 350)
	log := g.Log.String()
	if !strings.Contains(log, "asked=1000 now=100 capacity=100") || !strings.Contains(log, "option 'poll-batch'") {
		t.Errorf("got %q, expected it to contain %q and %q", log, "asked=1000 now=100 capacity=100", "option 'poll-batch'")
	}
	if st := g.p.Status()[0]; st.Batch != 100 || !strings.Contains(st.LastError, "capacity 100 full") {
		t.Errorf("status %+v; expected Batch 100 and LastError to contain %q", st, "capacity 100 full")
	}
}

// There is nothing to ack for an error, be it an errorMsg or an error of the RPC. An empty batch is acked.
func TestPoller_errorBatches(t *testing.T) {
	t.Parallel()
	s := newFakeSink(t, 100, long)
	s.faults = []string{"Unknown Error", "null", "empty"}
	g := start(t, &kafka{}, nil, s.addr())
	s.put("a")
	g.acked(s, 1)
	s.look(func() {
		if d := cmp.Diff("get 1000, get 1000, get 1000, ack AbCdEfGh1, get 1000, ack AbCdEfGh2", strings.Join(s.said[:6], ", ")); d != "" {
			t.Error(d)
		}
	})
	if log := g.Log.String(); !strings.Contains(log, "Unknown Error") {
		t.Errorf("got %q, expected it to contain %q", log, "Unknown Error")
	}
}

// An unavailable sink does not affect the others, and is reconnected. Events of a broken connection arrive again.
func TestPoller_oneUnavailableSink(t *testing.T) {
	t.Parallel()
	s := newFakeSink(t, 100, 50*time.Millisecond) // created first, so that it cannot get the port that the unavailable one releases
	dead := newFakeSink(t, 100, long)
	deadAddr := dead.addr()
	dead.stop()
	var once sync.Once
	k := &kafka{Before: func(context.Context, receiver.Request) error {
		once.Do(s.cut) // the ack of the first batch is lost
		return nil
	}}
	g := start(t, k, nil, deadAddr, s.addr())
	s.put("a", "b")
	g.acked(s, 2)
	if n := g.unanswered(); n == 0 {
		t.Error("events whose ack was lost are not in the upper bound of duplicates")
	}
	if st := g.p.Status()[0]; st.Connections != 0 || !strings.Contains(st.LastError, "connect to "+deadAddr) {
		t.Errorf("status of the unavailable sink %+v; expected Connections 0 and LastError to contain %q", st, "connect to "+deadAddr)
	}
}

// At a stop, a batch that the Appender has is acked, and a call that waits for events is cancelled in time.
func TestP33_stop(t *testing.T) {
	t.Parallel()
	idle, busy := newFakeSink(t, 100, long), newFakeSink(t, 100, long)
	came, ack := make(chan struct{}), make(chan struct{})
	k := &kafka{Before: func(context.Context, receiver.Request) error {
		close(came)
		<-ack
		return nil
	}}
	g := start(t, k, nil, idle.addr(), busy.addr())
	busy.put("a")
	<-came
	g.Until("the idle one is asked", func() bool { n := 0; idle.look(func() { n = len(idle.said) }); return n == 1 })
	g.Cancel()
	close(ack)
	g.Stop()
	busy.look(func() {
		if len(busy.acked) != 1 {
			t.Errorf("got calls %v, expected one ack", busy.said)
		}
	})
	if log := g.Log.String(); !strings.Contains(log, "Stopped while a SparkSink had no events") || strings.Contains(log, "WARN") {
		t.Errorf("got %q, expected it to contain %q and it not to contain %q", log, "Stopped while a SparkSink had no events", "WARN")
	}
}

// A sink that does not reply does not delay a stop beyond its limit.
func TestP33_unresponsiveSink(t *testing.T) {
	t.Parallel()
	s := newFakeSink(t, 100, long)
	came := make(chan struct{})
	k := &kafka{Before: func(ctx context.Context, _ receiver.Request) error {
		close(came)
		s.mute()
		<-ctx.Done()
		return ctx.Err()
	}}
	g := start(t, k, func(_ *Config, rt *receiver.Runtime) { rt.ShutdownTimeout, rt.AckTimeout = 50*time.Millisecond, long }, s.addr())
	s.put("a")
	<-came
	begun := time.Now()
	g.Stop()
	if d := time.Since(begun); d > 5*time.Second {
		t.Errorf("the stop took %s, expected at most 5s", d)
	}
}

// A batch that arrives during a stop is returned at once.
func TestP33_lateBatchIsReturned(t *testing.T) {
	t.Parallel()
	s := newFakeSink(t, 100, long)
	k := &kafka{}
	g := start(t, k, func(_ *Config, rt *receiver.Runtime) { rt.ShutdownTimeout = 40 * time.Second }, s.addr())
	g.Until("it is asked", func() bool { n := 0; s.look(func() { n = len(s.said) }); return n == 1 })
	g.Cancel()
	s.put("a")
	g.Stop()
	s.look(func() {
		if d := cmp.Diff([]string{"get 1000", "nack AbCdEfGh1"}, s.said); d != "" || len(s.channel) != 1 {
			t.Errorf("%s; the channel has %v, expected one event", d, s.channel)
		}
	})
	if len(k.Got()) != 0 {
		t.Errorf("produced %v, expected none", k.Got())
	}
}

func TestConfig_validate(t *testing.T) {
	t.Parallel()
	good := DefaultConfig()
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
	good.Batch = good.MaxBatchEvents + 1
	if err := good.Validate(); err == nil || !strings.Contains(err.Error(), "must not exceed option 'spark.max-batch-events'") {
		t.Errorf("got %v, expected an error that contains %q", err, "must not exceed option 'spark.max-batch-events'")
	}
	bad := Config{Sinks: []string{"x", "a:1", "a:1"}, Limits: receiver.Limits{Receiver: "spark"}}
	err := bad.Validate()
	for _, want := range []string{`option 'poll' is "x", must be host:port`, "option 'poll' has a:1 twice", "option 'poll-batch' is 0", "option 'poll-connections' is 0", "option 'spark.max-frame-bytes' is 0"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v\nlacks %q", err, want)
		}
	}
}
