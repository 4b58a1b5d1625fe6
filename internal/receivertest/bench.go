package receivertest

import (
	"context"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/sluice-etl/sluice/receiver"
)

// Discard is an Appender that counts events and acknowledges them at once.
type Discard struct{ events, bytes atomic.Int64 }

// Append implements receiver.Appender. It reads every event, as a producer does.
func (d *Discard) Append(_ context.Context, r receiver.Request) error {
	n := 0
	for i := range r.Events {
		n += len(r.Events[i].Body)
	}
	d.events.Add(int64(len(r.Events)))
	d.bytes.Add(int64(n))
	r.Release()
	return nil
}

// Ready implements receiver.Appender.
func (*Discard) Ready(context.Context) error { return nil }

// Arrived fails a benchmark if another number of events has arrived.
func (d *Discard) Arrived(tb testing.TB, want int) {
	tb.Helper()
	if got := d.events.Load(); got != int64(want) {
		tb.Fatalf("%d events arrived, expected %d", got, want)
	}
}

// Run runs the receiver that construct makes, without a log and metrics, until the test or benchmark ends, and returns
// the address that it listens on.
func Run(tb testing.TB, a receiver.Appender, construct func(receiver.Runtime) receiver.Receiver) string {
	tb.Helper()
	r := construct(receiver.NewRuntime(receiver.DefaultConfig(), a, nil, nil))
	if err := r.Open(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	addr := r.(receiver.Listener).Addr()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	tb.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			tb.Error(err)
		}
	})
	return addr.String()
}

// Measure makes b.N calls over this many connections, each from dial, and reports events per second. size is the number
// of bytes of a call.
func Measure(b *testing.B, connections, events int, size int64, dial func() (call func() error, end func())) {
	b.Helper()
	b.SetBytes(size)
	b.ReportAllocs()
	var left atomic.Int64
	left.Store(int64(b.N))
	var calls []func() error
	for range connections {
		call, end := dial()
		defer end()
		calls = append(calls, call)
	}
	b.ResetTimer()
	var done sync.WaitGroup
	for _, call := range calls {
		done.Go(func() {
			for left.Add(-1) >= 0 {
				if err := call(); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	done.Wait()
	b.ReportMetric(float64(b.N*events)/b.Elapsed().Seconds(), "events/s")
}

// Exchange connects, sends hello if it is not empty and reads helloAnswer bytes, and returns a call for [Measure] that
// sends the request and reads answer bytes.
func Exchange(tb testing.TB, addr string, hello []byte, helloAnswer int, request []byte, answer int) (call func() error, end func()) {
	tb.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		tb.Fatal(err)
	}
	exchange := func(request, in []byte) error {
		if _, err := c.Write(request); err != nil {
			return err
		}
		_, err := io.ReadFull(c, in)
		return err
	}
	if len(hello) > 0 {
		if err := exchange(hello, make([]byte, helloAnswer)); err != nil {
			tb.Fatal(err)
		}
	}
	in := make([]byte, answer)
	return func() error { return exchange(request, in) }, func() { c.Close() }
}

// Echo returns the address of a server that replies to every size bytes of a connection with answer, without reading
// their content: the upper bound for a benchmark.
func Echo(tb testing.TB, size int, answer []byte) string {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				buf := make([]byte, size)
				for {
					if _, err := io.ReadFull(c, buf); err != nil {
						return
					}
					if _, err := c.Write(answer); err != nil {
						return
					}
				}
			}()
		}
	}()
	return l.Addr().String()
}
