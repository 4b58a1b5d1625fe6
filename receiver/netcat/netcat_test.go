package netcat

import (
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/goleak"

	"github.com/sluice-etl/sluice/internal/receivertest"
	"github.com/sluice-etl/sluice/receiver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type kafka = receivertest.Kafka

func start(t *testing.T, k *kafka, change func(*Config, *receiver.Runtime)) *receivertest.Fixture {
	t.Helper()
	cfg := DefaultConfig()
	cfg.Listen = "127.0.0.1:0"
	g, _ := receivertest.StartConfig(t, k, cfg, New, change)
	return g
}

// say sends text on a new connection, closes its sending side, and returns the reply.
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

// Replies and events are the same as with a real Flume, on connections whose sender has closed its side.
func TestFlume(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/flume-1.11.0.txt")
	if err != nil {
		t.Fatal(err)
	}
	_, part, _ := strings.Cut(string(text), "== netcat\n")
	part, _, _ = strings.Cut(part, "\n== ")
	k := &kafka{}
	addr := start(t, k, nil).Addr
	inputs, kept := 0, 0
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
		if strings.Contains(input, "\xff") { // Flume's decoder stops at this byte silently
			answer, want = "OK\n", []string{strings.TrimSuffix(input, "\n")}
		}
		if got := say(t, addr, input); got != answer {
			t.Errorf("%.60q: reply %q, expected Flume's %q", input, got, answer)
		}
		if d := cmp.Diff(want, k.Bodies()[kept:], cmpopts.EquateEmpty()); d != "" {
			t.Errorf("%.60q (-Flume +ours):\n%s", input, d)
		}
		kept = len(k.Bodies())
		inputs++
	}
	if inputs < 10 {
		t.Errorf("the golden has %d inputs, expected at least 10", inputs)
	}
}

// OK is sent once Kafka has the line, and not before; a line that Kafka does not acknowledge in time gets no reply.
func TestP23_okAfterTheAck(t *testing.T) {
	t.Parallel()
	ack := make(chan error)
	k := &kafka{Before: receivertest.Wait(ack)}
	g := start(t, k, func(_ *Config, rt *receiver.Runtime) { rt.AckTimeout = 10 * time.Second })
	c := g.Dial()
	c.Send([]byte("a line\n"))
	c.Open(100 * time.Millisecond)
	ack <- nil
	c.Expect([]byte("OK\n"))
	c.Send([]byte("another\n"))
	ack <- errors.New("not authorised")
	c.Closed()
}

// Lines that arrive in pieces, many at once, over several requests keep their order and their bytes.
func TestReceiver_linesInPieces(t *testing.T) {
	t.Parallel()
	k := &kafka{}
	addr := start(t, k, nil).Addr
	var want []string
	for i := range 5000 {
		want = append(want, strings.Repeat("x", i%300)+strconv.Itoa(i))
	}
	if got := say(t, addr, strings.Join(want, "\n")+"\n"); got != strings.Repeat("OK\n", len(want)) {
		t.Errorf("%d replies, expected %d", len(got)/3, len(want))
	}
	if got := k.Bodies(); !slices.Equal(got, want) {
		t.Errorf("%d lines, expected %d", len(got), len(want))
	}
}

func TestUDP_firstLine(t *testing.T) {
	t.Parallel()
	k := &kafka{}
	cfg := DefaultUDPConfig()
	cfg.Listen = "127.0.0.1:0"
	g := receivertest.Start(t, k, func(rt receiver.Runtime) receiver.Receiver {
		return NewUDP(cfg, rt)
	})
	c := g.DialUDP()
	for _, m := range []string{"one", "two\nthree", ""} {
		c.Send([]byte(m))
	}
	g.Wants(k.Bodies, "one", "two", "")
}
