package thrift

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/sluice-etl/sluice/flumesink"
	"github.com/sluice-etl/sluice/flumesink/avro"
	"github.com/sluice-etl/sluice/internal/avrobin"
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

// startCounting runs a receiver in front of nothing, and startAvro one of Avro's. They return its address.
func startCounting(tb testing.TB) (string, *discard) {
	cfg := DefaultConfig()
	cfg.Listen = "127.0.0.1:0"
	d := &discard{}
	return runReceiver(tb, New(cfg, d, flumesink.NewFrames(flumesink.NewAdmission(flumesink.DefaultConfig(), nil)), nil, nil)), d
}

func startAvro(tb testing.TB) (string, *discard) {
	cfg := avro.DefaultConfig()
	cfg.Listen = "127.0.0.1:0"
	d := &discard{}
	return runReceiver(tb, avro.New(cfg, d, flumesink.NewFrames(flumesink.NewAdmission(flumesink.DefaultConfig(), nil)), nil, nil)), d
}

func runReceiver(tb testing.TB, r interface {
	Listen(context.Context) (net.Addr, error)
	Run(context.Context) error
}) string {
	tb.Helper()
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
	return addr.String()
}

// BenchmarkReceiver sends the batches of BenchmarkDecode over loopback, from one client on each connection that waits
// for each answer, to an Appender that does nothing: by Thrift in both protocols, and by Avro. What is sent is encoded
// before, so that receivers are compared and not clients. The ceiling is a server that reads as many bytes and answers
// as many, without looking at any.
func BenchmarkReceiver(b *testing.B) {
	all := benchEvents()
	for _, connections := range []int{1, 4} {
		for _, n := range []int{100, 1000} {
			es := all[:n]
			size := fmt.Sprintf("/%dx%d", connections, n)
			for _, p := range both {
				request := call(b, p, 1, es)
				b.Run(string(p)+size, func(b *testing.B) {
					addr, d := startCounting(b)
					measure(b, connections, n, int64(len(request)), func() (func() error, func()) {
						c := dialRaw(b, addr)
						return c.exchange(request, len(ok(b, p, 1))), c.end
					})
					arrived(b, d, b.N*n)
				})
			}
			hello, request := avroCalls(es)
			b.Run("avro"+size, func(b *testing.B) {
				addr, d := startAvro(b)
				measure(b, connections, n, int64(len(request)), func() (func() error, func()) {
					c := dialRaw(b, addr)
					if err := c.exchange(hello, 27)(); err != nil {
						b.Fatal(err)
					}
					return c.exchange(request, 23), c.end
				})
				arrived(b, d, b.N*n)
			})
			b.Run("ceiling"+size, func(b *testing.B) {
				request := call(b, Compact, 1, es)
				addr := startEchoing(b, int64(len(request)))
				measure(b, connections, n, int64(len(request)), func() (func() error, func()) {
					c := dialRaw(b, addr)
					return c.exchange(request, len(ok(b, Compact, 1))), c.end
				})
			})
		}
	}
}

func arrived(b *testing.B, d *discard, want int) {
	b.Helper()
	if got := d.events.Load(); got != int64(want) {
		b.Fatalf("%d events arrived, want %d", got, want)
	}
}

// avroCalls is an empty appendBatch that begins a connection by Avro, and one with the events that follows it.
func avroCalls(es []flumesink.Event) (hello, request []byte) {
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

// rawConn sends what was encoded before.
type rawConn struct{ net.Conn }

func dialRaw(b *testing.B, addr string) rawConn {
	b.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		b.Fatal(err)
	}
	return rawConn{c}
}

func (c rawConn) end() { c.Close() }

// exchange is a function that sends the request and reads an answer of so many bytes.
func (c rawConn) exchange(request []byte, answer int) func() error {
	in := make([]byte, answer)
	return func() error {
		if _, err := c.Write(request); err != nil {
			return err
		}
		_, err := io.ReadFull(c, in)
		return err
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
	answer := ok(b, Compact, 1)
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
