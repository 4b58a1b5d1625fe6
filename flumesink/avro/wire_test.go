package avro

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-etl/sluice/internal/flumeavro"
	"github.com/sluice-etl/sluice/internal/receivertest"
)

// The receiver's side of exchanges with Avro's own Java client, byte by byte.
func TestReceiver_capturedExchanges(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/exchanges.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range strings.Split(string(text), "\n== ")[1:] {
		name, steps, _ := strings.Cut(part, "\n")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := start(t, &kafka{}, nil)
			c := g.Dial()
			for line := range strings.SplitSeq(strings.TrimSpace(steps), "\n") {
				bytes := strings.Replace(line[1:], "{text}", hexOf(flumeavro.ProtocolText), 1)
				switch line[0] {
				case '>':
					c.Send(receivertest.Unhex(t, bytes))
				case '<':
					c.Expect(receivertest.Unhex(t, bytes))
				default:
					c.Close()
					c = g.Dial()
				}
			}
			c.Open(5 * time.Millisecond)
			if log := g.Log.String(); strings.Contains(log, "WARN") {
				t.Errorf("got %q, expected it not to contain %q", log, "WARN")
			}
		})
	}
}

func hexOf(s string) string {
	const digits = "0123456789abcdef"
	var b strings.Builder
	for i := range len(s) {
		b.WriteByte(digits[s[i]>>4])
		b.WriteByte(digits[s[i]&15])
	}
	return b.String()
}

// Buffer boundaries have no meaning: a message can be split anywhere, in the handshake, in varints and in bodies, and
// into as many TCP segments as it has bytes.
func TestReceiver_buffersSplitAnywhere(t *testing.T) {
	t.Parallel()
	k := &kafka{}
	g := start(t, k, nil)
	es := receivertest.Events("hi", strings.Repeat("y", 100))
	es[0].Headers = append(es[0].Headers, header("host", "a"))
	message := append(callHead(true), flumeavro.AppendEvents(nil, es)...)
	want := []string{"hi{host=a}", strings.Repeat("y", 100) + "{}"}
	var all []string
	for cut := range len(message) + 1 {
		c := g.Dial()
		c.Send(frameOf(7, message[:cut], message[cut:]))
		c.Expect(okFirst(7))
		c.Close()
		all = append(all, want...)
	}
	single := make([][]byte, len(message)) // every byte a buffer of its own
	for i := range message {
		single[i] = message[i : i+1]
	}
	c := g.Dial()
	for _, b := range frameOf(8, single...) {
		c.Send([]byte{b})
	}
	c.Expect(okFirst(8))
	if d := cmp.Diff(append(all, want...), k.Got()); d != "" {
		t.Error(d)
	}
}

// A frame larger than any pooled buffer, in the buffers that Java writes, and small frames after it.
func TestReceiver_largeFrames(t *testing.T) {
	t.Parallel()
	k := &kafka{}
	g := start(t, k, nil)
	large := strings.Repeat("0123456789abcdef", 600<<10) // 9.4 MiB
	message := append(callHead(true), flumeavro.AppendEvents(nil, receivertest.Events(large, "z"))...)
	var buffers [][]byte
	for rest := message; len(rest) > 0; {
		n := min(8192, len(rest))
		buffers, rest = append(buffers, rest[:n]), rest[n:]
	}
	c := g.Dial()
	c.Send(frameOf(1, buffers...))
	c.Expect(okFirst(1))
	c.Send(laterCall(2, receivertest.Events("small")))
	c.Expect(okLater(2))
	if d := cmp.Diff([]string{large + "{}", "z{}", "small{}"}, k.Got()); d != "" {
		t.Errorf("%d characters of difference", len(d))
	}
	g.Until("memory was given back", func() bool { return g.Admission.Used() == 0 })
}

func TestReceiver_requestsOfManyConnections(t *testing.T) {
	t.Parallel()
	k := &kafka{}
	g := start(t, k, nil)
	done := make(chan error)
	const clients, calls = 8, 50
	for range clients {
		c := g.client()
		go func() {
			for range calls {
				if err := c.Append(t.Context(), receivertest.Events("a", "b", "c")); err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	for range clients {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if n := len(k.Got()); n != clients*calls*3 {
		t.Errorf("%d events, expected %d", n, clients*calls*3)
	}
	g.Until("all events and latencies are counted", func() bool { // which is after the reply
		return g.Metric("etl_receiver_events_total") == clients*calls*3 && g.Metric("etl_receiver_ack_seconds") == clients*calls
	})
	if n := g.Metric("etl_receiver_connections"); n != clients {
		t.Errorf("%v connections, expected %d", n, clients)
	}
}
