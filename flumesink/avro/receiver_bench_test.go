package avro

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/sluice-etl/sluice/flumesink"
)

// discard is an Appender that counts and acknowledges at once.
type discard struct{ events, bytes atomic.Int64 }

func (d *discard) Append(_ context.Context, r flumesink.Request) error {
	n := 0
	for i := range r.Events {
		n += len(r.Events[i].Body)
	}
	d.events.Add(int64(len(r.Events)))
	d.bytes.Add(int64(n))
	r.Release()
	return nil
}

func (d *discard) Ready(context.Context) error { return nil }

// startDiscarding runs a receiver in front of nothing and returns its address.
func startDiscarding(tb testing.TB) string {
	addr, _ := startCounting(tb)
	return addr
}

func startCounting(tb testing.TB) (string, *discard) {
	tb.Helper()
	cfg := DefaultConfig()
	cfg.Listen = "127.0.0.1:0"
	d := &discard{}
	r := New(cfg, d, flumesink.NewFrames(flumesink.NewAdmission(flumesink.DefaultConfig(), nil)), nil, nil)
	addr, err := r.Listen(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	tb.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			tb.Error(err)
		}
	})
	return addr.String(), d
}

// BenchmarkReceiver sends the batches of BenchmarkDecode over loopback, from one client on each connection that waits
// for each answer, to an Appender that does nothing. The ceiling is a server that reads as many bytes and answers as
// many, without looking at any.
func BenchmarkReceiver(b *testing.B) {
	all := mustDecode(b, benchBatch())
	for _, connections := range []int{1, 4} {
		for _, n := range []int{100, 1000} {
			es := all[:n]
			size := int64(len(laterCall(1, es)))
			b.Run(fmt.Sprintf("avro/%dx%d", connections, n), func(b *testing.B) {
				addr, d := startCounting(b)
				measure(b, connections, n, size, func() (func() error, func()) {
					c, err := Dial(b.Context(), DefaultClientConfig(addr))
					if err != nil {
						b.Fatal(err)
					}
					return func() error { return c.Append(context.Background(), es) }, func() { c.Close() }
				})
				if got := d.events.Load(); got != int64(b.N*n) {
					b.Fatalf("%d events arrived, want %d", got, b.N*n)
				}
			})
			b.Run(fmt.Sprintf("ceiling/%dx%d", connections, n), func(b *testing.B) {
				addr := startEchoing(b, size)
				frame := laterCall(1, es)
				answer := len(okLater(1))
				measure(b, connections, n, size, func() (func() error, func()) {
					c, err := net.Dial("tcp", addr)
					if err != nil {
						b.Fatal(err)
					}
					in := make([]byte, answer)
					return func() error {
						if _, err := c.Write(frame); err != nil {
							return err
						}
						_, err := io.ReadFull(c, in)
						return err
					}, func() { c.Close() }
				})
			})
		}
	}
}

// measure calls what dial gives b.N times, divided among connections.
func measure(b *testing.B, connections, events int, size int64, dial func() (call func() error, end func())) {
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

// startEchoing answers every size bytes of a connection with as many as an answer has.
func startEchoing(b *testing.B, size int64) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { l.Close() })
	answer := okLater(1)
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
