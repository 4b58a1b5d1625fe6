package avro

import (
	"context"
	"fmt"
	"testing"

	avroclient "github.com/sluice-etl/sluice/flumeclient/avro"
	"github.com/sluice-etl/sluice/internal/receivertest"
	"github.com/sluice-etl/sluice/receiver"
)

// onAnyPort makes a receiver on a free port.
func onAnyPort(rt receiver.Runtime) receiver.Receiver {
	cfg := DefaultConfig()
	cfg.Listen = "127.0.0.1:0"
	return New(cfg, rt)
}

// BenchmarkReceiver sends the batches of BenchmarkDecode over loopback, from one client on each connection that waits
// for each reply, to an Appender that does nothing. The upper bound is a server that reads and replies as many bytes
// without examining them.
func BenchmarkReceiver(b *testing.B) {
	all := mustDecode(b, benchBatch())
	for _, connections := range []int{1, 4} {
		for _, n := range []int{100, 1000} {
			es := all[:n]
			size := int64(len(laterCall(1, es)))
			b.Run(fmt.Sprintf("avro/%dx%d", connections, n), func(b *testing.B) {
				d := &receivertest.Discard{}
				addr := receivertest.Run(b, d, onAnyPort)
				receivertest.Measure(b, connections, n, size, func() (func() error, func()) {
					c, err := avroclient.Dial(b.Context(), avroclient.DefaultConfig(addr))
					if err != nil {
						b.Fatal(err)
					}
					return func() error { return c.Append(context.Background(), es) }, func() { c.Close() }
				})
				d.Arrived(b, b.N*n)
			})
			b.Run(fmt.Sprintf("ceiling/%dx%d", connections, n), func(b *testing.B) {
				addr := receivertest.Echo(b, int(size), okLater(1))
				receivertest.Measure(b, connections, n, size, func() (func() error, func()) {
					return receivertest.Exchange(b, addr, nil, 0, laterCall(1, es), len(okLater(1)))
				})
			})
		}
	}
}
