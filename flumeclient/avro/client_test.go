package avro

import (
	"bytes"
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-etl/sluice/flumeclient"
	"github.com/sluice-etl/sluice/internal/avrobin"
	"github.com/sluice-etl/sluice/internal/avrorpc"
	"github.com/sluice-etl/sluice/internal/flumeavro"
	"github.com/sluice-etl/sluice/internal/receivertest"
	"github.com/sluice-etl/sluice/receiver"
)

type step = receivertest.Step

func dialTo(t *testing.T, addr string, change func(*flumeclient.ConnConfig)) *Client {
	t.Helper()
	return receivertest.DialConfig(t, DefaultConfig(addr), Dial, change)
}

// The client sends the same bytes as Avro's own Java client, and understands the replies of its server.
func TestClient_capturedExchanges(t *testing.T) {
	t.Parallel()
	first := receivertest.Unhex(t, "00000001 00000002 00000030 86aadae2c45474c0fe93ffd0f2350a65 00 86aadae2c45474c0fe93ffd0f2350a65 02 00 00 16 617070656e644261746368 00000012 04 02 08 686f7374 02 61 00 04 6869 00 04 796f 00")
	later := func(serial string) []byte {
		return receivertest.Unhex(t, serial+" 00000002 0000000d 00 16 617070656e644261746368 00000005 02 00 02 78 00")
	}
	addr := receivertest.Serve(t,
		step{first, receivertest.Unhex(t, "00000001 00000003 00000004 00000000 00000001 00 00000002 0000")},
		step{later("00000002"), receivertest.Unhex(t, "00000002 00000003 00000000 00000001 00 00000002 0000")},
		step{later("00000003"), receivertest.Unhex(t, "00000003 00000003 00000000 00000001 00 00000002 0002")},
		step{later("00000004"), receivertest.Unhex(t, "00000004 00000001 00000003 00 00 04")},
		step{later("00000005"), frameOf(5, nil, noMeta, systemError("java.lang.Exception: x"))},
		step{later("00000006"), receivertest.Unhex(t, "00000006 00000001 00000003 000000")},
	)
	c := dialTo(t, addr, nil)
	es := receivertest.Events("hi", "yo")
	es[0].Headers = []receiver.Header{receivertest.Header("host", "a")}
	if err := c.Append(t.Context(), es); err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{
		"", "the server replied FAILED", "the server replied UNKNOWN", "the server replied with an error: java.lang.Exception: x", "",
	} {
		err := c.Append(t.Context(), receivertest.Events("x"))
		if (err == nil) != (want == "") || err != nil && (err.Error() != want || !errors.Is(err, receiver.ErrRejected)) {
			t.Errorf("call %d: error %v, expected %q", i+2, err, want)
		}
	}
}

// A server with another hash: NONE, the same call with our text and its hash, then CLIENT.
func TestClient_handshakes(t *testing.T) {
	t.Parallel()
	theirs := avrorpc.Hash{1, 2, 3}
	args := flumeavro.AppendEvents(nil, receivertest.Events("x"))
	call := avrobin.AppendBytes([]byte{0}, "appendBatch")
	head := func(text string, server avrorpc.Hash) []byte {
		b := append([]byte(nil), ownHash[:]...)
		if text == "" {
			b = append(b, 0)
		} else {
			b = avrobin.AppendBytes(append(b, 2), text)
		}
		return append(append(append(b, server[:]...), 2, 0), call...)
	}
	addr := receivertest.Serve(t,
		step{frameOf(1, head("", ownHash), args), frameOf(1, handshake(matchNone, theirs))},
		step{frameOf(2, head(flumeavro.ProtocolText, theirs), args), frameOf(2, handshake(matchClient, theirs), noMeta, statusOK)},
		step{frameOf(3, call, args), okLater(3)},
	)
	c := dialTo(t, addr, nil)
	for range 2 {
		if err := c.Append(t.Context(), receivertest.Events("x")); err != nil {
			t.Fatal(err)
		}
	}
}

func TestClient_invalidReplies(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		answer []byte
		want   string
	}{
		"closed":         {nil, "the server closed the connection"},
		"HTTP":           {[]byte("HTTP/1.1 400 Bad Request\r\n\r\n"), "is this Avro RPC, without TLS and compression?"},
		"no handshake":   {frameOf(1, []byte{9}), "the reply holds no handshake"},
		"no result":      {frameOf(1, []byte{0, 0, 0, 0}, noMeta), "the reply holds no result"},
		"no status":      {frameOf(1, []byte{0, 0, 0, 0}, noMeta, []byte{0}), "the reply holds no status"},
		"huge":           {receivertest.Unhex(t, "00000001 00000001 7fffffff"), "the reply exceeds"},
		"other protocol": {frameOf(1, slices.Concat([]byte{matchClient, 2}, avrobin.AppendBytes(nil, `{"messages":{}}`), []byte{2}, ownHash[:], []byte{0}), noMeta, statusOK), "the server's protocol is not Flume's"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			addr := receivertest.Serve(t, step{firstCall(1, receivertest.Events("a")), append([]byte{}, tc.answer...)})
			err := dialTo(t, addr, nil).Append(t.Context(), receivertest.Events("a"))
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, expected %q", err, tc.want)
			}
		})
	}
}

func TestClient_timeouts(t *testing.T) {
	t.Parallel()
	addr := receivertest.Serve(t, step{firstCall(1, receivertest.Events("a")), nil})
	err := dialTo(t, addr, func(c *flumeclient.ConnConfig) { c.RequestTimeout = 20 * time.Millisecond }).Append(t.Context(), receivertest.Events("a"))
	var timeout net.Error
	if !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("got error %v, expected a timeout", err)
	}
	addr = receivertest.Serve(t, step{firstCall(1, receivertest.Events("a")), nil})
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	if err := dialTo(t, addr, nil).Append(ctx, receivertest.Events("a")); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, expected canceled", err)
	}
}

func TestClient_pipelines(t *testing.T) {
	t.Parallel()
	k := &receivertest.Kafka{}
	g := receivertest.Start(t, k, onAnyPort)
	c := dialTo(t, g.Addr, nil)
	if _, err := c.Start(t.Context(), receivertest.Events("first")); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Start(t.Context(), receivertest.Events("too early")); err == nil {
		t.Error("a second request was accepted before the first reply")
	}
	if _, err := c.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	var sent, answered []uint32
	for range 5 {
		serial, err := c.Start(t.Context(), receivertest.Events("x"))
		if err != nil {
			t.Fatal(err)
		}
		sent = append(sent, serial)
	}
	for range 5 {
		serial, err := c.Wait(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		answered = append(answered, serial)
	}
	slices.Sort(answered)
	if d := cmp.Diff(sent, answered); d != "" {
		t.Error(d)
	}
	if _, err := c.Wait(t.Context()); err == nil {
		t.Error("a reply without a request was accepted")
	}
	if n := len(k.Got()); n != 6 {
		t.Errorf("%d events, expected 6", n)
	}
}

func TestClient_allocatesNothingPerEvent(t *testing.T) {
	addr := receivertest.Run(t, &receivertest.Discard{}, onAnyPort)
	c := dialTo(t, addr, nil)
	es := receivertest.BenchEvents()
	ctx := context.Background()
	if err := c.Append(ctx, es); err != nil {
		t.Fatal(err)
	}
	// The receiver's allocations of a request are counted too, as it runs in this process.
	if n := testing.AllocsPerRun(20, func() {
		if err := c.Append(ctx, es); err != nil {
			t.Fatal(err)
		}
	}); n > 60 {
		t.Errorf("%v allocations for 1,000 events from client to Appender and back, expected a few for the request", n)
	}
}

// The client behind flumeclient.Run, against the receiver: all lines arrive, through a server that drops connections.
func TestClient_sendsLines(t *testing.T) {
	t.Parallel()
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
	var in bytes.Buffer
	for range 5000 {
		in.WriteString("a line\n")
	}
	cfg := flumeclient.DefaultConfig()
	cfg.Connections, cfg.Resend = 3, true
	dial := func(ctx context.Context) (flumeclient.Client, error) { return Dial(ctx, DefaultConfig(g.Addr)) }
	sum, err := flumeclient.Run(t.Context(), cfg, dial, []flumeclient.Input{{Name: "in", Reader: &in}})
	if err != nil {
		t.Fatal(err)
	}
	if n := len(k.Got()); n != 5000 || sum.Acked != 5000 || sum.Resent == 0 {
		t.Errorf("%d events arrived, %+v; expected 5000, Acked 5000 and Resent other than 0", n, sum)
	}
	if bound := g.Metric("etl_receiver_unanswered_events_total"); int64(bound) != sum.Resent {
		t.Errorf("%v events unanswered, %d sent again", bound, sum.Resent)
	}
}

func TestConnConfig_validate(t *testing.T) {
	t.Parallel()
	err := (&flumeclient.ConnConfig{Address: "nowhere"}).Validate()
	for _, want := range []string{`address "nowhere"`, "must be host:port", "connect timeout is 0s", "request timeout is 0s"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not say %q", err, want)
		}
	}
}
