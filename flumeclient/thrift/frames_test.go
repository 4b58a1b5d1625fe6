package thrift

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/apache/thrift/lib/go/thrift"
	"go.uber.org/goleak"

	thriftreceiver "github.com/sluice-etl/sluice/flumesink/thrift"
	"github.com/sluice-etl/sluice/internal/flumethrift"
	"github.com/sluice-etl/sluice/internal/receivertest"
	"github.com/sluice-etl/sluice/receiver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// both are the two protocols.
var both = []Protocol{Compact, Binary}

// call returns the frame of an appendBatch, written by Apache's library.
func call(tb testing.TB, p Protocol, seqid int32, es []receiver.Event) []byte {
	tb.Helper()
	var out bytes.Buffer
	framed := thrift.NewTFramedTransportConf(thrift.NewStreamTransportW(&out), &thrift.TConfiguration{MaxFrameSize: 1 << 30})
	var w thrift.TProtocol = thrift.NewTCompactProtocolConf(framed, nil)
	if p == Binary {
		w = thrift.NewTBinaryProtocolConf(framed, nil)
	}
	ctx := tb.Context()
	args := &flumethrift.BatchArgs{Events: es}
	err := errors.Join(w.WriteMessageBegin(ctx, flumethrift.AppendBatch, thrift.CALL, seqid), args.Write(ctx, w), w.WriteMessageEnd(ctx), w.Flush(ctx))
	if err != nil {
		tb.Fatal(err)
	}
	return out.Bytes()
}

// ok returns the reply to an appendBatch, as recorded from Flume's own server.
func ok(tb testing.TB, p Protocol, seqid byte) []byte {
	tb.Helper()
	const name = "617070656e644261746368"
	if p == Binary {
		return receivertest.Unhex(tb, fmt.Sprintf("0000001f 80010002 0000000b %s 000000%02x 080000 00000000 00", name, seqid))
	}
	return receivertest.Unhex(tb, fmt.Sprintf("00000013 8241 %02x 0b %s 050000 00", seqid, name))
}

// onAnyPort makes a receiver on a free port.
func onAnyPort(rt receiver.Runtime) receiver.Receiver {
	cfg := thriftreceiver.DefaultConfig()
	cfg.Listen = "127.0.0.1:0"
	return thriftreceiver.New(cfg, rt)
}
