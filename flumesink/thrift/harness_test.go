package thrift

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	oracle "github.com/apache/thrift/lib/go/thrift"
	"go.uber.org/goleak"

	thriftclient "github.com/sluice-etl/sluice/flumeclient/thrift"
	"github.com/sluice-etl/sluice/internal/flumethrift"
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

func (g *fixture) client(p thriftclient.Protocol) *thriftclient.Client {
	g.T.Helper()
	cfg := thriftclient.DefaultConfig(g.Addr)
	cfg.Protocol = p
	c, err := thriftclient.Dial(g.T.Context(), cfg)
	if err != nil {
		g.T.Fatal(err)
	}
	g.T.Cleanup(func() { c.Close() })
	return c
}

// both are the two protocols.
var both = []thriftclient.Protocol{thriftclient.Compact, thriftclient.Binary}

// call returns the frame of an appendBatch, written by Apache's library.
func call(tb testing.TB, p thriftclient.Protocol, seqid int32, es []receiver.Event) []byte {
	tb.Helper()
	return callOf(tb, p, nameBatch, seqid, &flumethrift.BatchArgs{Events: es})
}

func callOf(tb testing.TB, p thriftclient.Protocol, name string, seqid int32, args interface {
	Write(context.Context, oracle.TProtocol) error
}) []byte {
	tb.Helper()
	var out bytes.Buffer
	framed := oracle.NewTFramedTransportConf(oracle.NewStreamTransportW(&out), &oracle.TConfiguration{MaxFrameSize: 1 << 30})
	w := protocolOn(p, framed)
	ctx := context.Background()
	err := errors.Join(w.WriteMessageBegin(ctx, name, oracle.CALL, seqid), args.Write(ctx, w), w.WriteMessageEnd(ctx), w.Flush(ctx))
	if err != nil {
		tb.Fatal(err)
	}
	return out.Bytes()
}

func protocolOn(p thriftclient.Protocol, t oracle.TTransport) oracle.TProtocol {
	if p == thriftclient.Binary {
		return oracle.NewTBinaryProtocolConf(t, nil)
	}
	return oracle.NewTCompactProtocolConf(t, nil)
}

// ok returns the reply to an appendBatch, as recorded from Flume's own server.
func ok(tb testing.TB, p thriftclient.Protocol, seqid byte) []byte {
	tb.Helper()
	const name = "617070656e644261746368"
	if p == thriftclient.Binary {
		return receivertest.Unhex(tb, fmt.Sprintf("0000001f 80010002 0000000b %s 000000%02x 080000 00000000 00", name, seqid))
	}
	return receivertest.Unhex(tb, fmt.Sprintf("00000013 8241 %02x 0b %s 050000 00", seqid, name))
}
