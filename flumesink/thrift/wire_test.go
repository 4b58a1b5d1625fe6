package thrift

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	oracle "github.com/apache/thrift/lib/go/thrift"
	"github.com/google/go-cmp/cmp"

	thriftclient "github.com/sluice-etl/sluice/flumeclient/thrift"
	"github.com/sluice-etl/sluice/internal/flumethrift"
	"github.com/sluice-etl/sluice/internal/receivertest"
	"github.com/sluice-etl/sluice/receiver"
)

// turn is what one side sent before the other one did.
type turn struct {
	sender bool
	bytes  []byte
}

// readExchanges reads recorded exchanges by name. 78*9000 is the byte 78, 9,000 times.
func readExchanges(t *testing.T, name string) map[string][]turn {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	parts := map[string][]turn{}
	for _, part := range strings.Split(string(text), "\n== ")[1:] {
		what, steps, _ := strings.Cut(part, "\n")
		for line := range strings.Lines(strings.TrimSpace(steps)) {
			s := turn{sender: line[0] == '>'}
			var digits strings.Builder
			for word := range strings.FieldsSeq(line[1:]) {
				one, times, many := strings.Cut(word, "*")
				n := 1
				if many {
					if n, err = strconv.Atoi(times); err != nil {
						t.Fatal(err)
					}
				}
				digits.WriteString(strings.Repeat(one, n))
			}
			s.bytes = receivertest.Unhex(t, digits.String())
			parts[what] = append(parts[what], s)
		}
	}
	return parts
}

// replay sends what the sender sent, and expects the replies.
func (g *fixture) replay(steps []turn) {
	g.T.Helper()
	c := g.Dial()
	for _, s := range steps {
		if s.sender {
			c.Send(s.bytes)
		} else {
			c.Expect(s.bytes)
		}
	}
	if log := g.Log.String(); strings.Contains(log, "WARN") {
		g.T.Errorf("got %q, expected it not to contain %q", log, "WARN")
	}
}

// The receiver's side of exchanges with Flume's own classes, byte by byte.
func TestReceiver_capturedExchanges(t *testing.T) {
	t.Parallel()
	for name, steps := range readExchanges(t, "testdata/exchanges.txt") {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			start(t, &kafka{}, nil).replay(steps)
		})
	}
}

// The bytes that real Flume agents sent give the events that they read from their files, and the replies that they
// accepted.
func TestReceiver_realAgents(t *testing.T) {
	t.Parallel()
	const of = "{basename=first.log,origin=café}"
	want := []string{"hi" + of, of, `café "quoted"` + of, strings.Repeat("x", 9000) + of, "yo{basename=second.log,origin=café}"}
	for _, version := range []string{"flume-1.9.0", "flume-1.11.0"} {
		exchanges := readExchanges(t, "testdata/"+version+".txt")
		if len(exchanges) != 2 {
			t.Errorf("%s: %d exchanges, expected one of each protocol", version, len(exchanges))
		}
		for name, steps := range exchanges {
			t.Run(version+"/"+name, func(t *testing.T) {
				t.Parallel()
				k := &kafka{}
				start(t, k, nil).replay(steps)
				if d := cmp.Diff(want, k.Got()); d != "" {
					t.Errorf("events (-expected +got):\n%s", d)
				}
			})
		}
	}
}

// Our client sends the same bytes as Flume's sink.
func TestClient_sendsTheBytesOfAgents(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"flume-1.9.0", "flume-1.11.0"} {
		for name, steps := range readExchanges(t, "testdata/"+version+".txt") {
			p := thriftclient.Compact
			if strings.Contains(name, "binary") {
				p = thriftclient.Binary
			}
			for i, s := range steps {
				if !s.sender {
					continue
				}
				d := testDecoder(t)
				r := reader{b: s.bytes[4:]}
				if _, err := r.message(); err != nil {
					t.Fatal(err)
				}
				if err := arguments(d.Frame, &d.cfg.Limits, r, true); err != nil {
					t.Fatal(err)
				}
				if ours := call(t, p, int32(i/2+1), d.Events); !bytes.Equal(ours, s.bytes) {
					t.Errorf("%s, %s:\ngot      %x\nexpected %x", version, name, ours, s.bytes)
				}
			}
		}
	}
}

// structure is arguments that a test writes.
type structure func(ctx context.Context, p oracle.TProtocol) error

func (s structure) Write(ctx context.Context, p oracle.TProtocol) error { return s(ctx, p) }

// Arguments that flume.thrift does not allow get a TApplicationException, which Apache's library can read, and the
// connection is closed.
func TestReceiver_malformedArguments(t *testing.T) {
	t.Parallel()
	empty := structure(func(ctx context.Context, p oracle.TProtocol) error { return p.WriteFieldStop(ctx) })
	for _, p := range both {
		for _, name := range []string{nameAppend, nameBatch} {
			t.Run(string(p)+"/"+name, func(t *testing.T) {
				t.Parallel()
				k := &kafka{}
				g := start(t, k, nil)
				c := g.Dial()
				c.Send(callOf(t, p, name, 7, empty))
				r := protocolOn(p, oracle.NewTFramedTransportConf(oracle.NewStreamTransportR(c), nil))
				var exception oracle.TApplicationException
				err := oracle.NewTStandardClient(r, r).Recv(t.Context(), r, 7, name, nil)
				if !errors.As(err, &exception) || exception.TypeId() != oracle.PROTOCOL_ERROR || !strings.Contains(exception.Error(), "field 1, the events, is missing") {
					t.Errorf("got reply %v, expected PROTOCOL_ERROR for the missing field 1", err)
				}
				c.Closed()
				g.Rejected(receiver.ReasonMalformed, 1)
				g.Until("counted", func() bool { return g.Metric("etl_receiver_requests_total", "error") == 1 })
				if len(k.Got()) != 0 {
					t.Errorf("produced %q, expected none", k.Got())
				}
			})
		}
	}
}

// Apache's library reads the replies: OK is 0.
func TestReceiver_apacheThriftReadsTheReplies(t *testing.T) {
	t.Parallel()
	k := &kafka{}
	g := start(t, k, nil)
	for _, p := range both {
		both := protocolOn(p, oracle.NewTFramedTransportConf(oracle.NewStreamTransportRW(g.Dial()), nil))
		rpc := oracle.NewTStandardClient(both, both)
		send := func(es []receiver.Event) error {
			result := flumethrift.BatchResult{Status: -1}
			_, err := rpc.Call(t.Context(), nameBatch, &flumethrift.BatchArgs{Events: es}, &result)
			if err == nil && result.Status != statusOK {
				err = fmt.Errorf("status %d", result.Status)
			}
			return err
		}
		for _, es := range [][]receiver.Event{receivertest.Events("a"), nil, slices.Repeat(receivertest.Events("b"), 300)} {
			if err := send(es); err != nil {
				t.Errorf("%s: %v", p, err)
			}
		}
		_, err := rpc.Call(t.Context(), "close", &flumethrift.BatchArgs{}, &flumethrift.BatchResult{})
		var exception oracle.TApplicationException
		if !errors.As(err, &exception) || exception.TypeId() != oracle.UNKNOWN_METHOD || exception.Error() != "Invalid method name: 'close'" {
			t.Errorf("%s: got reply %v, expected UNKNOWN_METHOD for close", p, err)
		}
		if err := send(receivertest.Events("c")); err != nil {
			t.Errorf("%s: after an unknown method: %v", p, err)
		}
	}
	if n := len(k.Got()); n != 2*302 {
		t.Errorf("%d events, expected %v", n, 2*302)
	}
}
