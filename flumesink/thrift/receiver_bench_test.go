package thrift

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
	"testing"

	thriftclient "github.com/sluice-etl/sluice/flumeclient/thrift"
	"github.com/sluice-etl/sluice/flumesink/avro"
	"github.com/sluice-etl/sluice/internal/avrobin"
	"github.com/sluice-etl/sluice/internal/receivertest"
	"github.com/sluice-etl/sluice/receiver"
)

// onAnyPort makes a receiver on a free port.
func onAnyPort(rt receiver.Runtime) receiver.Receiver {
	cfg := DefaultConfig()
	cfg.Listen = "127.0.0.1:0"
	return New(cfg, rt)
}

func avroOnAnyPort(rt receiver.Runtime) receiver.Receiver {
	cfg := avro.DefaultConfig()
	cfg.Listen = "127.0.0.1:0"
	return avro.New(cfg, rt)
}

// BenchmarkReceiver sends the batches of BenchmarkDecode over loopback, from one client on each connection that waits
// for each reply, to an Appender that does nothing: by Thrift in both protocols, and by Avro. Requests are encoded
// before, so that receivers are compared and not clients. The upper bound is a server that reads and replies as many
// bytes without examining them.
func BenchmarkReceiver(b *testing.B) {
	all := receivertest.BenchEvents()
	for _, connections := range []int{1, 4} {
		for _, n := range []int{100, 1000} {
			es := all[:n]
			size := fmt.Sprintf("/%dx%d", connections, n)
			for _, p := range both {
				request := call(b, p, 1, es)
				b.Run(string(p)+size, func(b *testing.B) {
					d := &receivertest.Discard{}
					addr := receivertest.Run(b, d, onAnyPort)
					receivertest.Measure(b, connections, n, int64(len(request)), func() (func() error, func()) {
						return receivertest.Exchange(b, addr, nil, 0, request, len(ok(b, p, 1)))
					})
					d.Arrived(b, b.N*n)
				})
			}
			hello, request := avroCalls(es)
			b.Run("avro"+size, func(b *testing.B) {
				d := &receivertest.Discard{}
				addr := receivertest.Run(b, d, avroOnAnyPort)
				receivertest.Measure(b, connections, n, int64(len(request)), func() (func() error, func()) {
					return receivertest.Exchange(b, addr, hello, 27, request, 23)
				})
				d.Arrived(b, b.N*n)
			})
			b.Run("ceiling"+size, func(b *testing.B) {
				request, answer := call(b, thriftclient.Compact, 1, es), ok(b, thriftclient.Compact, 1)
				addr := receivertest.Echo(b, len(request), answer)
				receivertest.Measure(b, connections, n, int64(len(request)), func() (func() error, func()) {
					return receivertest.Exchange(b, addr, nil, 0, request, len(answer))
				})
			})
		}
	}
}

// avroCalls returns an empty appendBatch that begins a connection by Avro, and the next one, with the events.
func avroCalls(es []receiver.Event) (hello, request []byte) {
	hash, _ := hex.DecodeString("86aadae2c45474c0fe93ffd0f2350a65") // of Flume's protocol
	frame := func(handshake []byte, arguments []byte) []byte {
		message := append(avrobin.AppendBytes(append(handshake, 0), nameBatch), arguments...)
		b := binary.BigEndian.AppendUint32([]byte{0, 0, 0, 1, 0, 0, 0, 1}, uint32(len(message)))
		return append(b, message...)
	}
	arguments := avrobin.AppendLong(nil, int64(len(es)))
	for _, e := range es {
		arguments = avrobin.AppendLong(arguments, int64(len(e.Headers)))
		for _, h := range e.Headers {
			arguments = avrobin.AppendBytes(avrobin.AppendBytes(arguments, h.Key), h.Value)
		}
		arguments = avrobin.AppendBytes(append(arguments, 0), e.Body)
	}
	return frame(slices.Concat(hash, []byte{0}, hash, []byte{2, 0}), []byte{0}), frame(nil, append(arguments, 0))
}
