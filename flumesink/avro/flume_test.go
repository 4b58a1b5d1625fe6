package avro

import (
	"bytes"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What real Flume agents said, byte for byte. The plain exchange gives the events that the agent read from its files,
// and the answers that it took for good; what the receiver does not speak is refused with what to change.
func TestReceiver_realAgents(t *testing.T) {
	t.Parallel()
	const (
		of   = "{basename=first.log,origin=café}"
		ssl  = "set ssl = false in the Avro sink"
		zlib = "set compression-type = none in the Avro sink"
	)
	want := []string{"hi" + of, of, `café "quoted"` + of, strings.Repeat("x", 9000) + of, "yo{basename=second.log,origin=café}"}
	for _, test := range []struct {
		version      string
		both, remedy string // of TLS and zlib, the outer one
	}{
		{"flume-1.9.0", reasonTLS, ssl},
		{"flume-1.11.0", reasonZlib, zlib},
	} {
		t.Run(test.version, func(t *testing.T) {
			t.Parallel()
			parts := readAgent(t, "testdata/"+test.version+".txt")
			k := &kafka{}
			g := start(t, k, nil)
			c := g.dial()
			for _, step := range parts["plain"] {
				if step.agent {
					c.send(step.bytes)
				} else {
					c.expect(step.bytes)
				}
			}
			if d := cmp.Diff(want, k.got()); d != "" {
				t.Errorf("events (-want +got):\n%s", d)
			}
			if log := g.log.String(); strings.Contains(log, "WARN") {
				t.Error(log)
			}
			for name, refused := range map[string][2]string{
				"ssl = true":                             {reasonTLS, ssl},
				"compression-type = deflate":             {reasonZlib, zlib},
				"compression-type = deflate, ssl = true": {test.both, test.remedy},
			} {
				g := start(t, k, nil)
				c := g.dial()
				c.send(parts[name][0].bytes)
				if log := g.refused(refused[0], 1); !strings.Contains(log, refused[1]) {
					t.Errorf("%s: the log does not say %q: %s", name, refused[1], log)
				}
				c.closed()
			}
		})
	}
}

// said is what one side said before the other one did.
type said struct {
	agent bool
	bytes []byte
}

// readAgent reads the golden of one version: sink to exchange.
func readAgent(t *testing.T, name string) map[string][]said {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	parts := map[string][]said{}
	for _, part := range strings.Split(string(text), "\n== ")[1:] {
		sink, steps, _ := strings.Cut(part, "\n")
		for line := range strings.Lines(strings.TrimSpace(steps)) {
			s := said{agent: line[0] == '>'}
			for word := range strings.FieldsSeq(line[1:]) {
				digits, times, many := strings.Cut(word, "*")
				b := unhex(t, digits)
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
