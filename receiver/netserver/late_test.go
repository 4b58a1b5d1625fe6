package netserver

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"

	"github.com/sluice-etl/sluice/receiver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// safe is an Appender that acknowledges everything at once, and counts.
type safe struct{ events int }

func (s *safe) Append(_ context.Context, r receiver.Request) error {
	s.events += len(r.Events)
	r.Release()
	return nil
}

func (*safe) Ready(context.Context) error { return nil }

// A request that became too old before it reached the Appender, waiting for memory or for the CPU, is not produced.
func TestP23_expiredRequestIsNotProduced(t *testing.T) {
	t.Parallel()
	k, reg := &safe{}, prometheus.NewPedanticRegistry()
	rt := receiver.NewRuntime(receiver.DefaultConfig(), k, nil, nil)
	rt.Registry = reg
	s := New(DefaultConfig("test", "tests"), nil, rt)
	for _, tc := range []struct {
		age  time.Duration
		want int
	}{{rt.AckTimeout, 0}, {0, 1}} {
		ours, theirs := net.Pipe()
		c := newConn(t.Context(), s, ours)
		c.cancel = func() {}
		f, err := rt.Frames.Begin(t.Context(), time.Now(), time.Now().Add(rt.AckTimeout), 0)
		if err != nil {
			t.Fatal(err)
		}
		f.Deadline = f.Deadline.Add(-tc.age)
		f.Events = append(f.Events[:0], receiver.Event{Body: []byte("x")})
		r := Request{Frame: f, c: c}
		r.End(r.Append())
		if k.events != tc.want {
			t.Errorf("%d events produced of a request %s old, expected %d", k.events, tc.age, tc.want)
		}
		c.Close()
		theirs.Close()
	}
	want := `
# HELP etl_receiver_requests_total Requests by outcome: ok (replied OK), unanswered (no reply; Kafka may have the events), dropped (never produced), error (replied with a system error).
# TYPE etl_receiver_requests_total counter
etl_receiver_requests_total{outcome="dropped",receiver="test"} 1
etl_receiver_requests_total{outcome="error",receiver="test"} 0
etl_receiver_requests_total{outcome="ok",receiver="test"} 1
etl_receiver_requests_total{outcome="unanswered",receiver="test"} 0
`
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "etl_receiver_requests_total"); err != nil {
		t.Error(err)
	}
}
