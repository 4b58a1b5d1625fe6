package avro

import (
	"bytes"
	"compress/zlib"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-etl/sluice/internal/receivertest"
	"github.com/sluice-etl/sluice/receiver"
)

// The bytes that real Flume agents sent. The plain and the deflated exchange give the events that the agent read from
// its files, and the replies that it accepted. TLS without a certificate is rejected with what to change. (With a
// certificate a replay proves nothing, because each handshake differs; the integration tests use real agents.)
func TestReceiver_realAgents(t *testing.T) {
	t.Parallel()
	const of = "{basename=first.log,origin=café}"
	first := []string{"hi" + of, of, `café "quoted"` + of, strings.Repeat("x", 9000) + of}
	want := append(slices.Clone(first), "yo{basename=second.log,origin=café}")
	for _, version := range []string{"flume-1.9.0", "flume-1.11.0"} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			parts := readAgent(t, "testdata/"+version+".txt")
			k := &kafka{}
			g := start(t, k, nil)
			c := g.Dial()
			for _, step := range parts["plain"] {
				if step.agent {
					c.Send(step.bytes)
				} else {
					c.Expect(step.bytes)
				}
			}
			if d := cmp.Diff(want, k.Got()); d != "" {
				t.Errorf("events (-expected +got):\n%s", d)
			}
			if log := g.Log.String(); strings.Contains(log, "WARN") {
				t.Errorf("got %q, expected it not to contain %q", log, "WARN")
			}

			k = &kafka{}
			g = start(t, k, nil)
			c = g.Dial()
			c.Send(parts["compression-type = deflate"][0].bytes)
			_ = c.SetReadDeadline(time.Now().Add(receivertest.Timeout))
			z, err := zlib.NewReader(c)
			if err != nil {
				t.Fatal(err)
			}
			answer := make([]byte, len(parts["plain"][1].bytes))
			if _, err := io.ReadFull(z, answer); err != nil || !bytes.Equal(answer, parts["plain"][1].bytes) {
				t.Errorf("deflated reply %x (%v), expected that of the plain sink", answer, err)
			}
			if d := cmp.Diff(first, k.Got()); d != "" {
				t.Errorf("deflated events (-expected +got):\n%s", d)
			}

			for _, name := range []string{"ssl = true", "compression-type = deflate, ssl = true"} {
				g := start(t, k, nil)
				c := g.Dial()
				c.Send(parts[name][0].bytes)
				if log, hint := g.Rejected(receiver.ReasonTLS, 1), "set ssl = false in the Avro sink, or set option 'avro.tls-cert'"; !strings.Contains(log, hint) {
					t.Errorf("%s: the log lacks %q: %s", name, hint, log)
				}
				c.Closed()
			}
		})
	}
}

// turn is what one side sent before the other one did.
type turn struct {
	agent bool
	bytes []byte
}

// readAgent reads the recording of one version: exchanges by sink.
func readAgent(t *testing.T, name string) map[string][]turn {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	parts := map[string][]turn{}
	for _, part := range strings.Split(string(text), "\n== ")[1:] {
		sink, steps, _ := strings.Cut(part, "\n")
		for line := range strings.Lines(strings.TrimSpace(steps)) {
			s := turn{agent: line[0] == '>'}
			for word := range strings.FieldsSeq(line[1:]) {
				digits, times, many := strings.Cut(word, "*")
				b := receivertest.Unhex(t, digits)
				if many {
					n, err := strconv.Atoi(times)
					if err != nil {
						t.Fatal(err)
					}
					b = bytes.Repeat(b, n)
				}
				s.bytes = append(s.bytes, b...)
			}
			parts[sink] = append(parts[sink], s)
		}
	}
	return parts
}
