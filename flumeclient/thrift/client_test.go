package thrift

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluice-etl/sluice/flumeclient"
	"github.com/sluice-etl/sluice/internal/receivertest"
	"github.com/sluice-etl/sluice/receiver"
)

type step = receivertest.Step

func dialTo(t *testing.T, addr string, change func(*Config)) *Client {
	t.Helper()
	return receivertest.DialConfig(t, DefaultConfig(addr), Dial, change)
}

// The client sends the same bytes as Flume's own client, and understands the replies of its server.
func TestClient_capturedExchanges(t *testing.T) {
	t.Parallel()
	const name = "617070656e644261746368"
	es := receivertest.Events("hi", "yo")
	es[0].Headers = []receiver.Header{receivertest.Header("host", "a")}
	for p, steps := range map[Protocol][]step{
		Compact: {
			{receivertest.Unhex(t, "00000028 8221 01 0b"+name+"19 2c 1b 01 88 04 686f7374 01 61 18 02 6869 00 1b 00 18 02 796f 00 00"), ok(t, Compact, 1)},
			{call(t, Compact, 2, es), receivertest.Unhex(t, "00000013 8241 02 0b"+name+"0500 02 00")},
			{call(t, Compact, 3, es), receivertest.Unhex(t, "00000013 8241 03 0b"+name+"0500 04 00")},
			{call(t, Compact, 4, es), receivertest.Unhex(t, "00000013 8241 04 0b"+name+"0500 06 00")},
			{call(t, Compact, 5, es), receivertest.Unhex(t, "00000018 8261 05 0b"+name+"18 04 6f6f7073 15 0c 00")},
			{call(t, Compact, 6, es), ok(t, Compact, 6)},
		},
		Binary: {
			{receivertest.Unhex(t, "00000053 80010001 0000000b"+name+"00000001 0f0001 0c 00000002 0d0001 0b0b 00000001 00000004 686f7374 00000001 61 0b0002 00000002 6869 00 0d0001 0b0b 00000000 0b0002 00000002 796f 00 00"), ok(t, Binary, 1)},
			{call(t, Binary, 2, es), receivertest.Unhex(t, "0000001f 80010002 0000000b"+name+"00000002 080000 00000001 00")},
			{call(t, Binary, 3, es), receivertest.Unhex(t, "0000001f 80010002 0000000b"+name+"00000003 080000 00000002 00")},
			{call(t, Binary, 4, es), receivertest.Unhex(t, "0000001f 80010002 0000000b"+name+"00000004 080000 00000003 00")},
			{call(t, Binary, 5, es), receivertest.Unhex(t, "0000002a 80010003 0000000b"+name+"00000005 0b0001 00000004 6f6f7073 080002 00000006 00")},
			{call(t, Binary, 6, es), ok(t, Binary, 6)},
		},
	} {
		t.Run(string(p), func(t *testing.T) {
			t.Parallel()
			c := dialTo(t, receivertest.Serve(t, steps...), func(c *Config) { c.Protocol = p })
			for i, want := range []string{
				"", "the server replied FAILED", "the server replied ERROR", "the server replied UNKNOWN", "the server replied with an exception: oops", "",
			} {
				err := c.Append(t.Context(), es)
				if (err == nil) != (want == "") || err != nil && (err.Error() != want || !errors.Is(err, receiver.ErrRejected)) {
					t.Errorf("call %d: error %v, expected %q", i+1, err, want)
				}
			}
		})
	}
}

// A reply to another call ends the connection, and does not count as a rejection.
func TestClient_invalidReplies(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		answer []byte
		want   string
	}{
		"closed":         {nil, "the server closed the connection"},
		"HTTP":           {[]byte("HTTP/1.1 400 Bad Request\r\n\r\n"), "frame size"},
		"another call's": {ok(t, Compact, 9), "out of order"},
		"no status":      {receivertest.Unhex(t, "00000010 8241 01 0b 617070656e644261746368 00"), "the reply holds no status"},
		"binary":         {ok(t, Binary, 1), "Expected protocol id"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			addr := receivertest.Serve(t, step{call(t, Compact, 1, receivertest.Events("a")), append([]byte{}, tc.answer...)})
			err := dialTo(t, addr, nil).Append(t.Context(), receivertest.Events("a"))
			if err == nil || !strings.Contains(err.Error(), tc.want) || errors.Is(err, receiver.ErrRejected) {
				t.Errorf("error %v, expected %q", err, tc.want)
			}
		})
	}
}

func TestClient_timeouts(t *testing.T) {
	t.Parallel()
	addr := receivertest.Serve(t, step{call(t, Compact, 1, receivertest.Events("a")), nil})
	err := dialTo(t, addr, func(c *Config) { c.RequestTimeout = 20 * time.Millisecond }).Append(t.Context(), receivertest.Events("a"))
	var timeout net.Error
	if !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("got error %v, expected a timeout", err)
	}
	addr = receivertest.Serve(t, step{call(t, Compact, 1, receivertest.Events("a")), nil})
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	if err := dialTo(t, addr, nil).Append(ctx, receivertest.Events("a")); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, expected canceled", err)
	}
	addr = receivertest.Serve(t, step{call(t, Compact, 1, receivertest.Events("a")), nil})
	ctx, cancel = context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := dialTo(t, addr, nil).Append(ctx, receivertest.Events("a")); !errors.Is(err, context.DeadlineExceeded) && !errors.As(err, &timeout) {
		t.Errorf("error %v, expected a deadline", err)
	}
}

func TestClient_allocatesNothingPerEvent(t *testing.T) {
	addr := receivertest.Run(t, &receivertest.Discard{}, onAnyPort)
	es := receivertest.BenchEvents()
	for _, p := range both {
		c := dialTo(t, addr, func(c *Config) { c.Protocol = p })
		ctx := context.Background()
		if err := c.Append(ctx, es); err != nil {
			t.Fatal(err)
		}
		// The receiver's allocations of a request are counted too, as it runs in this process.
		if n := testing.AllocsPerRun(20, func() {
			if err := c.Append(ctx, es); err != nil {
				t.Fatal(err)
			}
		}); n > 100 {
			t.Errorf("%s: %v allocations for 1,000 events from client to Appender and back, expected a few for the request", p, n)
		}
	}
}

// The client behind flumeclient.Run, against the receiver: all lines arrive, through a server that drops connections.
func TestClient_sendsLines(t *testing.T) {
	t.Parallel()
	for _, p := range both {
		k := &receivertest.Kafka{}
		var calls atomic.Int32
		k.OnAppend = func(ctx context.Context, r receiver.Request) error {
			defer r.Release()
			if calls.Add(1)%7 == 3 {
				return errors.New("Kafka is slow")
			}
			k.Keep(r)
			return nil
		}
		g := receivertest.Start(t, k, onAnyPort)
		in := strings.NewReader(strings.Repeat("a line\n", 5000))
		cfg := flumeclient.DefaultConfig()
		cfg.Connections, cfg.Resend = 3, true
		to := DefaultConfig(g.Addr)
		to.Protocol = p
		dial := func(ctx context.Context) (flumeclient.Client, error) { return Dial(ctx, to) }
		sum, err := flumeclient.Run(t.Context(), cfg, dial, []flumeclient.Input{{Name: "in", Reader: in}})
		if err != nil {
			t.Fatal(err)
		}
		if n := len(k.Got()); n != 5000 || sum.Acked != 5000 || sum.Resent == 0 {
			t.Errorf("%s: %d events arrived, %+v; expected 5000, Acked 5000 and Resent other than 0", p, n, sum)
		}
		if bound := g.Metric("etl_receiver_unanswered_events_total"); int64(bound) != sum.Resent {
			t.Errorf("%s: %v events unanswered, %d sent again", p, bound, sum.Resent)
		}
	}
}

func TestConfig_validate(t *testing.T) {
	t.Parallel()
	err := (&Config{Protocol: "json", ConnConfig: flumeclient.ConnConfig{Address: "nowhere", Dialer: flumeclient.Dialer{Deflate: flumeclient.DeflateInside}}}).Validate()
	for _, want := range []string{
		`address "nowhere"`, "must be host:port", "connect timeout is 0s", "request timeout is 0s",
		`option 'thrift-protocol' is "json", must be compact or binary`, "option 'deflate' is \"inside\", must be none, because Flume's Thrift is never deflated",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not say %q", err, want)
		}
	}
}
