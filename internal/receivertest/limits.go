package receivertest

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-etl/sluice/receiver"
)

// EventsAboveLimits returns one event for each limit of an event in the defaults, by the limit's label.
func EventsAboveLimits() map[string]receiver.Event {
	limits := receiver.DefaultLimits("")
	var many []receiver.Header
	for i := range limits.MaxHeaders + 44 {
		many = append(many, receiver.Header{Key: fmt.Appendf(nil, "k%d", i), Value: []byte("v")})
	}
	return map[string]receiver.Event{
		receiver.ReasonHeaders: {Headers: many, Body: []byte("bad")},
		receiver.ReasonHeaderBytes: {Headers: []receiver.Header{
			{Key: []byte("host"), Value: []byte("web")}, {Key: []byte("large"), Value: bytes.Repeat([]byte("x"), 70_000)}, {Key: []byte("b"), Value: []byte("c")},
		}, Body: []byte("bad")},
		receiver.ReasonBodyBytes: {Headers: []receiver.Header{{Key: []byte("host"), Value: []byte("web")}}, Body: bytes.Repeat([]byte("bad"), limits.MaxBodyBytes/3+1)},
	}
}

// keptOf is how many headers of such an event are kept.
var keptOf = map[string]int{receiver.ReasonHeaders: 256, receiver.ReasonHeaderBytes: 1, receiver.ReasonBodyBytes: 1}

// WantDead compares an event with what becomes of the one above the limit: whole body, the headers that fit, the
// reason.
func WantDead(t *testing.T, label string, got receiver.Event) {
	t.Helper()
	bad, kept := EventsAboveLimits()[label], keptOf[label]
	if got.Dead == nil {
		t.Fatalf("%s: the event is not marked as a dead letter", label)
	}
	if got.Dead.Label != label || got.Dead.Dropped != len(bad.Headers)-kept || len(got.Headers) != kept || !bytes.Equal(got.Body, bad.Body) {
		t.Errorf("%s: dead letter %+v with %d headers and %d bytes, expected %d headers and %d bytes", label, *got.Dead, len(got.Headers), len(got.Body), kept, len(bad.Body))
	}
	if name := strings.ReplaceAll(label, "_", "-"); !strings.HasSuffix(got.Dead.Reason, ".max-"+name+"'") {
		t.Errorf("the reason is %q, expected it to end with the option for %s", got.Dead.Reason, name)
	}
	if h := got.Headers[0]; string(h.Key) != string(bad.Headers[0].Key) || string(h.Value) != string(bad.Headers[0].Value) {
		t.Errorf("%s: the first header is %s=%s, expected %s=%s", label, h.Key, h.Value, bad.Headers[0].Key, bad.Headers[0].Value)
	}
}

// An event above a limit becomes a dead letter. The other events are not affected, the request gets its reply, and the
// connection stays open.
func (d Suite) EventAboveALimitIsADeadLetter(t *testing.T) {
	t.Parallel()
	for label, bad := range EventsAboveLimits() {
		t.Run(label, func(t *testing.T) {
			t.Parallel()
			k := &Kafka{}
			g := d.Start(t, k, nil)
			c := g.Dial()
			c.Send(d.Call(t, 1, []receiver.Event{{Body: []byte("before")}, bad, {Body: []byte("after")}}))
			c.Expect(d.OK(t, 1))
			c.Send(d.Call(t, 2, Events("next")))
			c.Expect(d.OK(t, 2))
			es := k.Events()
			if len(es) != 4 {
				t.Fatalf("%d events, expected 4", len(es))
			}
			for i, want := range map[int]string{0: "before{}", 2: "after{}", 3: "next{}"} {
				if got := Show(es[i]); got != want || es[i].Dead != nil {
					t.Errorf("event %d is %s, dead letter %v, expected %s", i, got, es[i].Dead, want)
				}
			}
			WantDead(t, label, es[1])
		})
	}
}

// A request above a limit of a request closes the connection, and nothing of it is produced.
func (d Suite) FrameAboveALimitClosesTheConnection(t *testing.T) {
	t.Parallel()
	k := &Kafka{}
	g := d.Start(t, k, func(rt *receiver.Runtime) { rt.AckTimeout = Timeout })
	c := g.Dial()
	many := make([]receiver.Event, receiver.DefaultLimits("").MaxBatchEvents+1)
	c.Send(d.Call(t, 1, many))
	c.Closed()
	g.Rejected(receiver.ReasonBatchEvents, 1)
	if n := len(k.Events()); n != 0 {
		t.Errorf("%d events produced, expected none", n)
	}
}

// Bodies that Log4j 2's Flume appender compressed are decompressed. One that cannot be becomes a dead letter.
func (d Suite) CompressedBodiesAreDecompressed(t *testing.T) {
	t.Parallel()
	k := &Kafka{}
	g := d.Start(t, k, nil)
	c := g.Dial()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write([]byte("a line")); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	id := []receiver.Header{{Key: []byte("guId"), Value: []byte("1")}}
	c.Send(d.Call(t, 1, []receiver.Event{{Headers: id, Body: b.Bytes()}, {Body: b.Bytes()}, {Headers: id, Body: b.Bytes()[:15]}, {Headers: id, Body: []byte("plain")}}))
	c.Expect(d.OK(t, 1))
	want := []string{"a line{guId=1}", b.String() + "{}", b.String()[:15] + "{guId=1}dead:gzip", "plain{guId=1}"}
	if d := cmp.Diff(want, k.Got()); d != "" {
		t.Error(d)
	}
}
