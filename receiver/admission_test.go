package receiver

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func budget(limit int64) *Admission { return NewAdmission(Config{MaxBytesInFlight: limit}, nil) }

func soon() time.Time { return time.Now().Add(20 * time.Millisecond) }

func late() time.Time { return time.Now().Add(time.Minute) }

// waiters waits until n frames wait for memory.
func waiters(t *testing.T, a *Admission, n int) {
	t.Helper()
	tick := time.NewTicker(100 * time.Microsecond)
	defer tick.Stop()
	for deadline := time.Now().Add(10 * time.Second); ; <-tick.C {
		a.mu.Lock()
		have := len(a.waiting)
		a.mu.Unlock()
		if have == n {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d frames wait, expected %d", have, n)
		}
	}
}

func TestAdmission_acquireAndRelease(t *testing.T) {
	t.Parallel()
	a := budget(100)
	var l Lease
	a.Begin(&l)
	for _, n := range []int64{10, 90} {
		if err := l.Grow(t.Context(), soon(), n); err != nil {
			t.Fatal(err)
		}
	}
	if a.Used() != 100 {
		t.Errorf("%d used, expected 100", a.Used())
	}
	l.Release()
	l.Release()
	if a.Used() != 0 {
		t.Errorf("%d used after release, expected 0", a.Used())
	}
}

// Two half-received frames hold the whole budget and each needs more: without a favoured lease, neither could be
// finished.
func TestAdmission_halfReceivedFramesDoNotDeadlock(t *testing.T) {
	t.Parallel()
	a := budget(100)
	var old, young Lease
	a.Begin(&old)
	a.Begin(&young)
	for _, l := range []*Lease{&old, &young} {
		if err := l.Grow(t.Context(), soon(), 50); err != nil {
			t.Fatal(err)
		}
	}
	grown := make(chan error, 1)
	if err := old.Grow(t.Context(), late(), 50); err != nil { // now this lease is favoured
		t.Fatal(err)
	}
	go func() { grown <- young.Grow(t.Context(), late(), 50) }()
	waiters(t, a, 1)
	if err := old.Grow(t.Context(), late(), 50); err != nil { // the favoured lease stays favoured
		t.Fatal(err)
	}
	if used := a.Used(); used != 200 {
		t.Errorf("%d used, expected 200: the budget and the rest of one frame", used)
	}
	old.Release()
	if err := <-grown; err != nil {
		t.Fatal(err)
	}
	young.Release()
	if a.Used() != 0 {
		t.Errorf("%d used at the end, expected 0", a.Used())
	}
}

func TestAdmission_oldestFirst(t *testing.T) {
	t.Parallel()
	a := budget(100)
	var full, favoured Lease
	a.Begin(&full)
	a.Begin(&favoured)
	if err := full.Grow(t.Context(), late(), 100); err != nil {
		t.Fatal(err)
	}
	if err := favoured.Grow(t.Context(), late(), 1); err != nil {
		t.Fatal(err)
	}
	leases := make([]Lease, 3)
	for i := range leases {
		a.Begin(&leases[i])
	}
	order := make(chan int, len(leases))
	var done sync.WaitGroup
	for n, i := range []int{2, 0, 1} { // they request memory in another order than they began
		done.Go(func() {
			if err := leases[i].Grow(t.Context(), late(), 60); err != nil {
				t.Error(err)
			}
			order <- i
			leases[i].Release()
		})
		waiters(t, a, n+1)
	}
	full.Release()
	done.Wait()
	for want := range 3 {
		if got := <-order; got != want {
			t.Errorf("frame %d was served in place %d", got, want)
		}
	}
	favoured.Release()
}

func TestAdmission_deadlineAndCancel(t *testing.T) {
	t.Parallel()
	a := budget(100)
	var full, favoured, l Lease
	a.Begin(&full)
	a.Begin(&favoured)
	a.Begin(&l)
	_ = full.Grow(t.Context(), late(), 100)
	_ = favoured.Grow(t.Context(), late(), 1)
	if err := l.Grow(t.Context(), soon(), 1); !errors.Is(err, ErrNoMemory) {
		t.Errorf("error %v, expected ErrNoMemory", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := l.Grow(ctx, late(), 1); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, expected canceled", err)
	}
	waiters(t, a, 0)
	for _, l := range []*Lease{&full, &favoured, &l} {
		l.Release()
	}
	if a.Used() != 0 {
		t.Errorf("%d used at the end, expected 0", a.Used())
	}
}

// With many frames, a small budget and senders that stop sending, every frame is finished or times out, memory stays
// within its bound, and all of it is returned.
func TestAdmission_manyStalledFrames(t *testing.T) {
	t.Parallel()
	const limit, largest = 1000, 400
	a := budget(limit)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	var done sync.WaitGroup
	for w := range 16 {
		done.Go(func() {
			rng := rand.New(rand.NewPCG(seed, uint64(w)))
			for range 200 {
				var l Lease
				a.Begin(&l)
				for held := int64(0); held < largest; {
					n := min(1+rng.Int64N(100), largest-held)
					if err := l.Grow(t.Context(), late(), n); err != nil {
						t.Error(err)
					}
					held += n
					if used := a.Used(); used > limit+largest {
						t.Errorf("%d used, the bound is %d", used, limit+largest)
					}
					if rng.IntN(20) == 0 {
						break
					}
				}
				l.Release()
			}
		})
	}
	done.Wait()
	if a.Used() != 0 || a.favoured != nil || len(a.waiting) != 0 {
		t.Errorf("at the end %d used, favoured %v, %d waiting; expected none of each", a.Used(), a.favoured, len(a.waiting))
	}
}

func TestMetrics_exposition(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewPedanticRegistry()
	NewAdmission(DefaultConfig(), reg)
	m := NewMetrics(reg, "avro", []string{"http", "gone"})
	NewMetrics(reg, "thrift", []string{"http"}) // a second receiver in one registry
	m.Connected()
	m.Acknowledged(10, 20*time.Millisecond)
	m.Unanswered(7)
	m.Dropped()
	m.SystemError()
	m.Received(1000)
	m.Rejected("http")
	want := `
# HELP etl_receiver_unanswered_events_total Events that Kafka may have and whose sender got no reply: the upper bound of the duplicates that this process caused.
# TYPE etl_receiver_unanswered_events_total counter
etl_receiver_unanswered_events_total{receiver="avro"} 7
etl_receiver_unanswered_events_total{receiver="thrift"} 0
# HELP etl_receiver_refused_total Connections that were closed or not accepted, by reason.
# TYPE etl_receiver_refused_total counter
etl_receiver_refused_total{reason="gone",receiver="avro"} 0
etl_receiver_refused_total{reason="http",receiver="avro"} 1
etl_receiver_refused_total{reason="http",receiver="thrift"} 0
# HELP etl_receiver_requests_total Requests by outcome: ok (replied OK), unanswered (no reply; Kafka may have the events), dropped (never produced), error (replied with a system error).
# TYPE etl_receiver_requests_total counter
etl_receiver_requests_total{outcome="dropped",receiver="avro"} 1
etl_receiver_requests_total{outcome="error",receiver="avro"} 1
etl_receiver_requests_total{outcome="ok",receiver="avro"} 1
etl_receiver_requests_total{outcome="unanswered",receiver="avro"} 1
etl_receiver_requests_total{outcome="dropped",receiver="thrift"} 0
etl_receiver_requests_total{outcome="error",receiver="thrift"} 0
etl_receiver_requests_total{outcome="ok",receiver="thrift"} 0
etl_receiver_requests_total{outcome="unanswered",receiver="thrift"} 0
# HELP etl_receiver_in_flight_limit_bytes Limit of the bytes in flight (option 'max-bytes-in-flight').
# TYPE etl_receiver_in_flight_limit_bytes gauge
etl_receiver_in_flight_limit_bytes 2.68435456e+08
`
	err := testutil.GatherAndCompare(reg, strings.NewReader(want), "etl_receiver_unanswered_events_total",
		"etl_receiver_refused_total", "etl_receiver_requests_total", "etl_receiver_in_flight_limit_bytes")
	if err != nil {
		t.Error(err)
	}
}
