package netcat

import (
	"context"
	"errors"
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
	"go.uber.org/goleak"

	"github.com/sluice-etl/sluice/flumesink"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// kafka is an Appender; hold, where not nil, is what Append waits for.
type kafka struct {
	hold chan error

	mu   sync.Mutex
	seen []string
}

func (k *kafka) Append(ctx context.Context, r flumesink.Request) error {
	defer r.Release()
	if k.hold != nil {
		select {
		case err := <-k.hold:
			if err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, e := range r.Events {
		k.seen = append(k.seen, string(e.Body))
	}
	return nil
}

func (*kafka) Ready(context.Context) error { return nil }

func (k *kafka) take() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	seen := k.seen
	k.seen = nil
	return seen
}

func frames() *flumesink.Frames {
	return flumesink.NewFrames(flumesink.NewAdmission(flumesink.DefaultConfig(), nil))
}

func start(t *testing.T, k *kafka, change func(*Config)) string {
	t.Helper()
	cfg := DefaultConfig()
	cfg.Listen = "127.0.0.1:0"
	if change != nil {
		change(&cfg)
	}
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	return run(t, New(cfg, k, frames(), nil, nil))
}

func run(t *testing.T, r interface {
	Listen(context.Context) (net.Addr, error)
	Run(context.Context) error
}) string {
	t.Helper()
	addr, err := r.Listen(t.Context())
	if err != nil {
		t.Fatal(err)
	}
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

// say sends text on a connection of its own, ends that side, and returns what is answered.
func say(t *testing.T, addr, text string) string {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := c.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(c)
	if err != nil && !errors.Is(err, net.ErrClosed) && !strings.Contains(err.Error(), "reset") {
		t.Fatal(err)
	}
	return string(answer)
}

// What a real Flume answers and makes, so do we, on connections of which the sender has ended its side.
func TestFlume(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/flume-1.11.0.txt")
	if err != nil {
		t.Fatal(err)
	}
	_, part, _ := strings.Cut(string(text), "== netcat\n")
	part, _, _ = strings.Cut(part, "\n== ")
	k := &kafka{}
	addr := start(t, k, nil)
	inputs := 0
	for _, entry := range strings.Split(part, "> ")[1:] {
		parts := strings.Split(strings.TrimSpace(entry), "\n")
		input, err := strconv.Unquote(parts[0])
		if err != nil {
			t.Fatal(err)
		}
		answer, want := "", []string(nil)
		for _, line := range parts[1:] {
			switch {
			case strings.HasPrefix(line, "= "):
				answer, err = strconv.Unquote(line[2:])
			case strings.HasPrefix(line, "< {} "):
				var body string
				body, err = strconv.Unquote(line[5:])
				want = append(want, body)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if strings.Contains(input, "\xff") { // Flume's decoder stops at it without a word
			answer, want = "OK\n", []string{strings.TrimSuffix(input, "\n")}
		}
		if got := say(t, addr, input); got != answer {
			t.Errorf("%.60q was answered %q, by Flume %q", input, got, answer)
		}
		if d := cmp.Diff(want, k.take()); d != "" {
			t.Errorf("%.60q (-Flume +ours):\n%s", input, d)
		}
		inputs++
	}
	if inputs < 10 {
		t.Errorf("the golden has %d inputs", inputs)
	}
}

// OK is said when Kafka has the line, and not before; what Kafka does not take in time is not answered.
func TestP23_okAfterKafka(t *testing.T) {
	t.Parallel()
	k := &kafka{hold: make(chan error)}
	addr := start(t, k, func(c *Config) { c.AckTimeout = 10 * time.Second })
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte("a line\n")); err != nil {
		t.Fatal(err)
	}
	_ = c.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	if n, err := c.Read(make([]byte, 10)); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("answered %d bytes, %v, before Kafka had the line", n, err)
	}
	k.hold <- nil
	_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
	answer := make([]byte, 3)
	if _, err := io.ReadFull(c, answer); err != nil || string(answer) != "OK\n" {
		t.Errorf("%q, %v", answer, err)
	}
	if _, err := c.Write([]byte("another\n")); err != nil {
		t.Fatal(err)
	}
	k.hold <- errors.New("not authorised")
	if rest, err := io.ReadAll(c); len(rest) != 0 || err != nil && errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%q, %v: want a closed connection", rest, err)
	}
}

// Lines that come in pieces, many at once, over several requests, keep their order and their bytes.
func TestReceiver_pieces(t *testing.T) {
	t.Parallel()
	k := &kafka{}
	addr := start(t, k, nil)
	var want []string
	for i := range 5000 {
		want = append(want, strings.Repeat("x", i%300)+strconv.Itoa(i))
	}
	if got := say(t, addr, strings.Join(want, "\n")+"\n"); got != strings.Repeat("OK\n", len(want)) {
		t.Errorf("%d answers, want %d", len(got)/3, len(want))
	}
	if got := k.take(); !slices.Equal(got, want) {
		t.Errorf("%d lines, want %d", len(got), len(want))
	}
}

func TestUDP_firstLine(t *testing.T) {
	t.Parallel()
	k := &kafka{}
	cfg := DefaultUDPConfig()
	cfg.Listen = "127.0.0.1:0"
	c, err := net.Dial("udp", run(t, NewUDP(cfg, k, frames(), nil, nil)))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, m := range []string{"one", "two\nthree", ""} {
		if _, err := c.Write([]byte(m)); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(10 * time.Second); len(got) < 3 && time.Now().Before(deadline); <-tick.C {
		got = append(got, k.take()...)
	}
	if d := cmp.Diff([]string{"one", "two", ""}, got); d != "" {
		t.Error(d)
	}
}
