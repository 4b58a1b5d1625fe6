package kafkaio

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/sluice-etl/sluice/internal/etltest"
)

// A broker that accepts connections and never replies does not prevent a start if another one replies.
func TestReachable_silentBrokerFirst(t *testing.T) {
	t.Parallel()
	cfg := testConfig(broker(t))
	cfg.Brokers = append([]string{listener(t).Addr().String(), etltest.RefusingAddr(t)}, cfg.Brokers...)
	for name, ask := range map[string]func() error{
		"Reachable":     func() error { return Reachable(t.Context(), cfg, nil) },
		"waitReachable": func() error { return waitReachable(t.Context(), cfg, orDiscard(nil)) },
	} {
		begun := time.Now()
		if err := ask(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if took := time.Since(begun); took >= dialTimeout/2 {
			t.Errorf("%s took %s, expected less than %s", name, took, dialTimeout/2)
		}
	}
}

// If no broker replies, the error names each with its reason, within the time limit of one.
func TestReachable_noBrokerReplies(t *testing.T) {
	t.Parallel()
	silent, refused := listener(t).Addr().String(), etltest.RefusingAddr(t)
	cfg := DefaultConfig()
	cfg.Brokers = []string{silent, silent, refused}
	begun := time.Now()
	err := Reachable(t.Context(), cfg, nil)
	if took := time.Since(begun); took > 2*dialTimeout+time.Second {
		t.Errorf("it took %s, expected at most %s", took, 2*dialTimeout+time.Second)
	}
	if err == nil {
		t.Fatal("a broker that does not reply is reachable")
	}
	for _, want := range []string{silent, "i/o timeout", refused, "connection refused"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("got %q, expected %q in it", err, want)
		}
	}
}

// An attempt that its caller's deadline ended is not evidence about the broker; one that the dialer's timeout ended is.
func TestDials_callersDeadline(t *testing.T) {
	t.Parallel()
	var timeout net.Error = &net.DNSError{Err: "i/o timeout", IsTimeout: true}
	dial := markAborted(func(context.Context, string, string) (net.Conn, error) { return nil, timeout })
	ended, cancel := context.WithDeadline(t.Context(), time.Now())
	defer cancel()
	for name, test := range map[string]struct {
		ctx  context.Context
		want string
	}{
		"caller's": {ended, "slow"},
		"dialer's": {t.Context(), "slow; last connection error: broker ok:9092: " + timeout.Error()},
	} {
		var d dials
		_, err := dial(test.ctx, "tcp", "ok:9092")
		if !errors.Is(err, timeout) {
			t.Errorf("%s: got %v, expected %v", name, err, timeout)
		}
		d.OnBrokerConnect(kgo.BrokerMetadata{Host: "ok", Port: 9092}, 0, nil, err)
		if got := d.explain(errors.New("slow")).Error(); got != test.want {
			t.Errorf("%s: got %q, expected %q", name, got, test.want)
		}
	}
}
