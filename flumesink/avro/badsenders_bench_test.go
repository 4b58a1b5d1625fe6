package avro

import (
	"context"
	"net"
	"strings"
	"sync"
	"testing"

	avroclient "github.com/sluice-etl/sluice/flumeclient/avro"
	"github.com/sluice-etl/sluice/internal/receivertest"
	"github.com/sluice-etl/sluice/receiver"
)

// badSenders connects bad senders: silent connections, connections that stopped in the middle of a frame, and one that reconnects
// repeatedly and sends bytes that are not Avro. They use enough addresses to stay within the limit of each.
func badSenders(b *testing.B, addr string, connections int) (stop func()) {
	b.Helper()
	dial := func(i int) (net.Conn, error) {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(i/500+1))}}
		return d.DialContext(b.Context(), "tcp", addr)
	}
	half := firstCall(1, receivertest.Events(strings.Repeat("x", 1000)))[:500]
	var open []net.Conn
	for i := range connections {
		c, err := dial(i)
		if err != nil {
			b.Fatalf("connection %d: %v", i, err)
		}
		if i%2 == 0 {
			if _, err := c.Write(half); err != nil {
				b.Fatal(err)
			}
		}
		open = append(open, c)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var rude sync.WaitGroup
	hellos := []string{"GET / HTTP/1.1\r\n\r\n", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "\x78\x9c\xff\xff\xff\xff\xff\xff"}
	rude.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			c, err := dial(connections)
			if err != nil {
				continue
			}
			_, _ = c.Write([]byte(hellos[i%len(hellos)])) // it may be closed already
			_, _ = c.Read(make([]byte, 1))
			_ = c.Close()
		}
	})
	return func() {
		cancel()
		rude.Wait()
		for _, c := range open {
			c.Close()
		}
	}
}

// BenchmarkReceiver_manyBadSenders compares one good sender alone with one beside 9,000 bad senders and one that is
// rejected continuously: it must keep half of its throughput.
func BenchmarkReceiver_manyBadSenders(b *testing.B) {
	es := mustDecode(b, benchBatch())[:100]
	size := int64(len(laterCall(1, es)))
	for name, bad := range map[string]int{"alone": 0, "crowd": 9000} {
		b.Run(name, func(b *testing.B) {
			d := &receivertest.Discard{}
			addr := receivertest.Run(b, d, onAnyPort)
			if bad > 0 {
				defer badSenders(b, addr, bad)()
			}
			receivertest.Measure(b, 1, len(es), size, func() (func() error, func()) {
				c, err := avroclient.Dial(b.Context(), avroclient.DefaultConfig(addr))
				if err != nil {
					b.Fatal(err)
				}
				return func() error { return c.Append(context.Background(), es) }, func() { c.Close() }
			})
			d.Arrived(b, b.N*len(es))
		})
	}
}

// Connections in the middle of a frame are charged only for what arrived and was read ahead; the budget bounds them,
// and a good sender among them gets its reply.
func TestReceiver_manyHalfReceivedFramesAreBounded(t *testing.T) {
	t.Parallel()
	k := &kafka{}
	g := start(t, k, func(c *Config, _ *receiver.Runtime) { c.MaxConnectionsPerAddress = 10_000 })
	half := firstCall(1, receivertest.Events(strings.Repeat("x", 1000)))[:500]
	const senders = 2000
	for range senders {
		g.Dial().Send(half)
	}
	g.Until("all have begun", func() bool { return g.Admission.Used() >= senders*(readAhead+4<<10) })
	if used := g.Admission.Used(); used > senders*(readAhead+4<<10) || used > receiver.DefaultConfig().MaxBytesInFlight {
		t.Errorf("%d bytes in flight; expected at most %v and at most %v", used, senders*(readAhead+4<<10), receiver.DefaultConfig().MaxBytesInFlight)
	}
	if err := g.client().Append(t.Context(), receivertest.Events("good")); err != nil {
		t.Error(err)
	}
}
