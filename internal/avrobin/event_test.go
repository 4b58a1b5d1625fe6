package avrobin

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	oracle "github.com/twmb/avro"
)

const eventSchema = `{"type":"record","name":"AvroFlumeEvent","namespace":"org.apache.flume.source.avro","fields":[
	{"name":"headers","type":{"type":"map","values":"string"}},{"name":"body","type":"bytes"}]}`

// oracleEvent is AvroFlumeEvent as twmb/avro decodes it.
type oracleEvent struct {
	Headers map[string]string `avro:"headers"`
	Body    []byte            `avro:"body"`
}

func unhex(tb testing.TB, s string) []byte {
	tb.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// text shows an event: name=value…|body.
func text(e Event) string {
	var b strings.Builder
	for w := e.Headers.Walk(); w.Next(); {
		fmt.Fprintf(&b, "%s=%s ", w.Name, w.Value)
	}
	return b.String() + "|" + string(e.Body)
}

func TestReadEvent(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ hex, want string }{
		{"0208686f7374026100046869", "host=a |hi"},
		{"0004796f", "|yo"},
		{"0000", "|"},
		{"01 10 08686f7374 0261 00 046869", "host=a |hi"},
		{"02 026b 0276 02 0261 0262 00 0278", "k=v a=b |x"},
		{"03 08 026b 0276 0261 0262 00 0278", "k=v a=b |x"},
		{"04 026b 0276 026b 0277 00 0278", "k=v k=w |x"},
		{"", "bad number of headers at 0"},
		{"02", "bad number of headers at 0"}, // no bytes follow for what it announces
		{"ffffffffffffffffff01 00", "bad number of headers at 0"},
		{"02 08686f73", "bad header name at 1"},
		{"02 026b 0a76", "bad header value at 3"},
		{"02 026b 0276 00", "bad body at 6"},
		{"02 026b 0276 00 0668", "bad body at 6"},
		{"00 01", "bad body at 1"}, // a negative length
	} {
		b := unhex(t, c.hex)
		e, next, bad := ReadEvent(b, 0)
		got := text(e)
		if bad != "" {
			got = fmt.Sprintf("bad %s at %d", bad, next)
		} else if next != len(b) {
			t.Errorf("%s: ends at %d, expected %v", c.hex, next, len(b))
		}
		if got != c.want {
			t.Errorf("%s: %q, expected %q", c.hex, got, c.want)
		}
	}
}

func TestHeaders_Get(t *testing.T) {
	t.Parallel()
	e, _, _ := ReadEvent(unhex(t, "04 026b 0276 026b 0277 02 0265 00 00 0278"), 0)
	if v := e.Headers.Get("k"); string(v) != "v" {
		t.Errorf("k: %q, expected the first", v)
	}
	if v := e.Headers.Get("e"); v == nil || len(v) != 0 {
		t.Errorf("an empty value is %v, expected one that is there", v)
	}
	if v := e.Headers.Get("none"); v != nil {
		t.Errorf("none: %q, expected nil", v)
	}
	if v := Headers(nil).Get(""); v != nil {
		t.Errorf("of no headers: %q, expected nil", v)
	}
}

// write returns the event again, encoded by this package.
func write(e Event) []byte {
	n, size := 0, 0
	for w := e.Headers.Walk(); w.Next(); n++ {
		size += BytesSize(len(w.Name)) + BytesSize(len(w.Value))
	}
	dst := AppendEventHead(make([]byte, 0, EventSize(n, size, len(e.Body))), n)
	for w := e.Headers.Walk(); w.Next(); {
		dst = AppendBytes(AppendBytes(dst, w.Name), w.Value)
	}
	dst = AppendEventBody(dst, e.Body)
	if len(dst) != EventSize(n, size, len(e.Body)) {
		panic("EventSize is not the size")
	}
	return dst
}

func TestAppendEvent_goldens(t *testing.T) {
	t.Parallel()
	for _, golden := range []string{"0208686f7374026100046869", "0004796f", "0000"} {
		e, _, bad := ReadEvent(unhex(t, golden), 0)
		if got := hex.EncodeToString(write(e)); bad != "" || got != golden {
			t.Errorf("%s comes back as %s (%s)", golden, got, bad)
		}
	}
	for _, n := range []int{0, 1, 63, 64, 8191, 8192, 1 << 20} {
		if got := len(AppendBytes(nil, make([]byte, n))); got != BytesSize(n) {
			t.Errorf("%d bytes take %d, BytesSize says %d", n, got, BytesSize(n))
		}
	}
}

// FuzzEvent holds ReadEvent to twmb/avro: both take the same values, and find the same headers, body and end.
func FuzzEvent(f *testing.F) {
	seeds, err := os.ReadFile("testdata/events.txt")
	if err != nil {
		f.Fatal(err)
	}
	for line := range strings.SplitSeq(string(seeds), "\n") {
		line, _, _ = strings.Cut(line, "#")
		if b := unhex(f, line); len(b) > 0 {
			f.Add(b)
		}
	}
	schema := oracle.MustParse(eventSchema)
	f.Fuzz(func(t *testing.T, b []byte) {
		before := bytes.Clone(b)
		var want oracleEvent
		rest, oracleErr := schema.Decode(b, &want)
		e, next, bad := ReadEvent(b, 0)
		if (bad == "") != (oracleErr == nil) {
			t.Fatalf("%x: ours says %q, twmb/avro says %v", b, bad, oracleErr)
		}
		if !bytes.Equal(b, before) {
			t.Fatalf("%x was changed, expected %x", before, b)
		}
		if bad != "" {
			return
		}
		if next != len(b)-len(rest) || !bytes.Equal(e.Body, want.Body) || cap(e.Body) != len(e.Body) {
			t.Fatalf("%x: body %x up to %d, expected %x up to %d", b, e.Body, next, want.Body, len(b)-len(rest))
		}
		got, first := map[string]string{}, map[string]string{}
		for w := e.Headers.Walk(); w.Next(); {
			if _, ok := first[string(w.Name)]; !ok {
				first[string(w.Name)] = string(w.Value)
			}
			got[string(w.Name)] = string(w.Value)
		}
		if len(got)+len(want.Headers) > 0 && !cmp.Equal(got, want.Headers) {
			t.Fatalf("%x: headers %v, expected %v", b, got, want.Headers)
		}
		for name, value := range first {
			if v := e.Headers.Get(name); v == nil || string(v) != value {
				t.Fatalf("%x: header %q is %q, expected %q", b, name, v, value)
			}
		}
		again, _, _ := ReadEvent(write(e), 0)
		if text(again) != text(e) {
			t.Fatalf("%x: %q written and read again is %q", b, text(e), text(again))
		}
	})
}

// BenchmarkReadEvent reads an event of three headers and looks two of them up.
func BenchmarkReadEvent(b *testing.B) {
	value := AppendEventHead(nil, 3)
	for _, h := range []string{"timestamp", "1700000000000", "host", "web-01.example", "basename", "access.log"} {
		value = AppendBytes(value, h)
	}
	body := strings.Repeat("m", 200)
	value = AppendEventBody(value, []byte(body))
	b.SetBytes(int64(len(value)))
	b.ReportAllocs()
	for b.Loop() {
		e, next, _ := ReadEvent(value, 0)
		if next != len(value) || len(e.Body) != len(body) || len(e.Headers.Get("host")) != 14 || e.Headers.Get("none") != nil {
			b.Fatalf("got %s, expected the whole event", text(e))
		}
	}
}
