package avro

import (
	"bytes"
	"compress/zlib"
	"testing"

	"go.uber.org/goleak"

	avroclient "github.com/sluice-etl/sluice/flumeclient/avro"
	"github.com/sluice-etl/sluice/internal/avrobin"
	"github.com/sluice-etl/sluice/internal/flumeavro"
	"github.com/sluice-etl/sluice/internal/receivertest"
	"github.com/sluice-etl/sluice/receiver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// kafka is an Appender that records events.
type kafka = receivertest.Kafka

// fixture is a running receiver.
type fixture struct {
	*receivertest.Fixture
	r *Receiver
}

func start(t *testing.T, a receiver.Appender, change func(*Config, *receiver.Runtime)) *fixture {
	t.Helper()
	cfg := DefaultConfig()
	cfg.Listen = "127.0.0.1:0"
	g := &fixture{}
	g.Fixture, g.r = receivertest.StartConfig(t, a, cfg, New, change)
	return g
}

func (g *fixture) client() *avroclient.Client {
	g.T.Helper()
	c, err := avroclient.Dial(g.T.Context(), avroclient.DefaultConfig(g.Addr))
	if err != nil {
		g.T.Fatal(err)
	}
	g.T.Cleanup(func() { c.Close() })
	return c
}

// firstCall returns the frame of an appendBatch that begins a connection.
func firstCall(serial uint32, es []receiver.Event) []byte {
	return frameOf(serial, callHead(true), flumeavro.AppendEvents(nil, es))
}

func laterCall(serial uint32, es []receiver.Event) []byte {
	return frameOf(serial, callHead(false), flumeavro.AppendEvents(nil, es))
}

func callHead(handshake bool) []byte {
	var b []byte
	if handshake {
		own := newProtocols().own
		b = append(append(append(append(b, own[:]...), 0), own[:]...), 2, 0)
	}
	return avrobin.AppendBytes(append(b, 0), "appendBatch")
}

func frameOf(serial uint32, buffers ...[]byte) []byte { return appendReply(nil, serial, buffers...) }

func okFirst(serial uint32) []byte {
	return frameOf(serial, []byte{0, 0, 0, 0}, noMeta, statusOK)
}

func okLater(serial uint32) []byte { return frameOf(serial, nil, noMeta, statusOK) }

// deflated returns b as the first message of a deflated connection.
func deflated(tb testing.TB, b []byte) []byte {
	tb.Helper()
	var out bytes.Buffer
	z := zlib.NewWriter(&out)
	if _, err := z.Write(b); err != nil {
		tb.Fatal(err)
	}
	if err := z.Flush(); err != nil {
		tb.Fatal(err)
	}
	return out.Bytes()
}
