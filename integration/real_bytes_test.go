//go:build integration

package integration

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-etl/sluice/flumesink/avro"
	"github.com/sluice-etl/sluice/internal/etltest"
	"github.com/sluice-etl/sluice/internal/jvmtest"
	"github.com/sluice-etl/sluice/receiver"
)

var rewrite = flag.Bool("rewrite", false, "write the captured bytes to flumesink/avro/testdata")

// recorder is a proxy between one sink and the receiver that records the bytes of its first connection.
type recorder struct {
	listener net.Listener
	upstream string // empty: nothing is answered

	mu        sync.Mutex
	connected bool
	talk      []piece
}

// piece is the bytes that one side sent before the other side sent any.
type piece struct {
	from byte // '>' the agent, '<' the receiver
	data []byte
}

func record(t *testing.T, upstream string) *recorder {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &recorder{listener: l, upstream: upstream}
	var all sync.WaitGroup
	var mu sync.Mutex
	var open []net.Conn
	all.Go(func() {
		for first := true; ; first = false {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open = append(open, c)
			mu.Unlock()
			if first {
				all.Go(func() { r.serve(c) })
			}
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		mu.Lock()
		for _, c := range open {
			_ = c.Close()
		}
		mu.Unlock()
		all.Wait()
	})
	return r
}

func (r *recorder) port() string {
	_, port, _ := net.SplitHostPort(r.listener.Addr().String())
	return port
}

func (r *recorder) serve(c net.Conn) {
	r.mu.Lock()
	r.connected = true
	r.mu.Unlock()
	if r.upstream == "" {
		r.copy(io.Discard, c, '>')
		return
	}
	up, err := net.Dial("tcp", r.upstream)
	if err != nil {
		return
	}
	var back sync.WaitGroup
	back.Go(func() {
		r.copy(c, up, '<')
		_ = c.Close()
	})
	r.copy(up, c, '>')
	_ = up.Close()
	back.Wait()
}

func (r *recorder) copy(to io.Writer, from io.Reader, who byte) {
	b := make([]byte, 64<<10)
	for {
		n, err := from.Read(b)
		if n > 0 {
			r.mu.Lock()
			if last := len(r.talk) - 1; last >= 0 && r.talk[last].from == who {
				r.talk[last].data = append(r.talk[last].data, b[:n]...)
			} else {
				r.talk = append(r.talk, piece{who, bytes.Clone(b[:n])})
			}
			r.mu.Unlock()
			_, _ = to.Write(b[:n])
		}
		if err != nil {
			return
		}
	}
}

// state returns whether the sink has connected, and the traffic so far.
func (r *recorder) state() (connected bool, talk []piece) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.connected, slices.Clone(r.talk)
}

// said returns how many bytes the agent has sent.
func (r *recorder) said() (n int) {
	_, talk := r.state()
	for _, p := range talk {
		if p.from == '>' {
			n += len(p.data)
		}
	}
	return n
}

// keeper is an Appender that stores events as text.
type keeper struct {
	mu     sync.Mutex
	events []string
}

func (k *keeper) Append(_ context.Context, r receiver.Request) error {
	defer r.Release()
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, e := range r.Events {
		var headers []string
		for _, h := range e.Headers {
			headers = append(headers, string(h.Key)+"="+string(h.Value))
		}
		k.events = append(k.events, string(e.Body)+"{"+strings.Join(headers, ",")+"}")
	}
	return nil
}

func (k *keeper) Ready(context.Context) error { return nil }

func (k *keeper) kept() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.events)
}

// receive runs the Avro receiver until the test ends.
func receive(t *testing.T, k *keeper) string {
	t.Helper()
	cfg := avro.DefaultConfig()
	cfg.Listen = "127.0.0.1:0"
	r := avro.New(cfg, receiver.NewRuntime(receiver.DefaultConfig(), k, nil, nil))
	if err := r.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	addr := r.Addr()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return addr.String()
}

// TestReal_FlumeBytes records what a real agent's Avro sink sends, plain and with each of its options, and the
// receiver's replies that it accepts. With -rewrite the exchanges become flumesink/avro's golden files; without it the
// plain exchange must match its golden file byte for byte, and the others in what is deterministic.
func TestReal_FlumeBytes(t *testing.T) {
	jvmtest.Need(t, flumeVersions...)
	for _, version := range flumeVersions {
		t.Run(string(version), func(t *testing.T) {
			t.Parallel()
			captureBytes(t, version)
		})
	}
}

func captureBytes(t *testing.T, version jvmtest.Set) {
	ctx := etltest.Bounded(t, time.Minute)
	k := &keeper{}
	plain := record(t, receive(t, k))
	deflate, tls, both := record(t, ""), record(t, ""), record(t, "")
	in := etltest.NewSpool(t)
	lines := []string{
		"sources=s", "channels=c1 c2 c3 c4", "sinks=k1 k2 k3 k4",
		"sources.s.type=spooldir", "sources.s.spoolDir={dir}/in", "sources.s.channels=c1 c2 c3 c4", "sources.s.pollDelay=100",
		"sources.s.basenameHeader=true", "sources.s.deserializer.maxLineLength=20000",
		"sources.s.interceptors=i", "sources.s.interceptors.i.type=static", "sources.s.interceptors.i.key=origin", "sources.s.interceptors.i.value=caf\\u00e9",
	}
	for i, r := range []*recorder{plain, deflate, tls, both} {
		n := strconv.Itoa(i + 1)
		lines = append(lines, "channels.c"+n+".type=memory", "sinks.k"+n+".type=avro", "sinks.k"+n+".channel=c"+n,
			"sinks.k"+n+".hostname=127.0.0.1", "sinks.k"+n+".port="+r.port())
	}
	lines = append(lines, "sinks.k2.compression-type=deflate", "sinks.k3.ssl=true", "sinks.k3.trust-all-certs=true",
		"sinks.k4.compression-type=deflate", "sinks.k4.ssl=true", "sinks.k4.trust-all-certs=true")
	jvmtest.StartAgent(t, version, in.Properties(lines...))

	etltest.Await(ctx, t, "all four sinks have connected", func() bool {
		for _, r := range []*recorder{plain, deflate, tls, both} {
			if connected, _ := r.state(); !connected {
				return false
			}
		}
		return true
	})
	// A sink connects before it has events. Netty 3 starts the TLS handshake at the first write, Netty 4 at once.
	early := etltest.Within(time.Second, func() bool { return tls.said() > 0 })
	if want := version == jvmtest.Flume111; early != want {
		t.Errorf("TLS handshake before there is an event: %v, expected %v", early, want)
	}
	if n := plain.said() + deflate.said(); n != 0 {
		t.Errorf("%d bytes before there is an event, expected 0", n)
	}
	in.Put(t, "first.log", []byte("hi\n\ncafé \"quoted\"\n"+strings.Repeat("x", 9000)+"\n"))
	etltest.Await(ctx, t, "the first file", func() bool { return len(k.kept()) == 4 })
	in.Put(t, "second.log", []byte("yo\n"))
	etltest.Await(ctx, t, "the second file", func() bool { return len(k.kept()) == 5 })
	const of = "{basename=first.log,origin=café}" // in the order of Java's map
	want := []string{"hi" + of, of, "café \"quoted\"" + of, strings.Repeat("x", 9000) + of, "yo{basename=second.log,origin=café}"}
	if diff := cmp.Diff(want, k.kept()); diff != "" {
		t.Errorf("events (-expected +got):\n%s", diff)
	}
	etltest.Await(ctx, t, "the other sinks have spoken", func() bool { return deflate.said() > 8 && tls.said() > 8 && both.said() > 8 })
	first := func(r *recorder) byte {
		_, talk := r.state()
		return talk[0].data[0]
	}
	// With both options, 1.9 wraps frames in zlib in TLS, 1.11 frames in TLS in zlib.
	outer := byte(0x16)
	if version == jvmtest.Flume111 {
		outer = 0x78
	}
	if first(deflate) != 0x78 || first(tls) != 0x16 || first(both) != outer {
		t.Errorf("first bytes: deflate %02x, TLS %02x, both %02x; expected 78, 16, %02x", first(deflate), first(tls), first(both), outer)
	}

	name := "../flumesink/avro/testdata/" + string(version) + ".txt"
	var text strings.Builder
	fmt.Fprintf(&text, `# What the Avro sinks of a Flume agent (%s) sent to the receiver (>) and its replies (<), each on one
# connection. Only the plain sink got replies. 78*9000 is the byte 78, 9,000 times. Made by
#   go test -tags integration -run '^TestReal_FlumeBytes$' ./integration -rewrite
`, version)
	for _, part := range []struct {
		name string
		r    *recorder
	}{{"plain", plain}, {"compression-type = deflate", deflate}, {"ssl = true", tls}, {"compression-type = deflate, ssl = true", both}} {
		fmt.Fprintf(&text, "\n== %s\n", part.name)
		_, talk := part.r.state()
		for _, p := range talk {
			fmt.Fprintf(&text, "%c %s\n", p.from, etltest.Hex(p.data))
		}
	}
	if *rewrite {
		if err := os.WriteFile(name, []byte(text.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	golden, err := os.ReadFile(name)
	if errors.Is(err, os.ErrNotExist) {
		t.Fatalf("%v: create it with -rewrite", err)
	}
	untilDeflate := func(s string) string { before, _, _ := strings.Cut(s, "\n== compression"); return before }
	if diff := cmp.Diff(untilDeflate(string(golden)), untilDeflate(text.String())); diff != "" {
		t.Errorf("the plain exchange differs from the golden file (-expected +got):\n%s", diff)
	}
}
