package http

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-etl/sluice/internal/receivertest"
	"github.com/sluice-etl/sluice/receiver"
)

func TestP24_badRequestsAndEventsAboveLimits(t *testing.T) {
	t.Parallel()
	k := &kafka{}
	g := start(t, k, func(c *Config, _ *receiver.Runtime) {
		c.MaxFrameBytes, c.MaxBatchEvents, c.MaxHeaders, c.MaxHeaderBytes, c.MaxBodyBytes = 10_000, 3, 2, 8, 10
	})
	long := "[" + strings.Repeat(" ", 10_000) + "]"
	for _, c := range []struct {
		name, method, body string
		fields             []string
		status             int
		says, reason       string
	}{
		{"not JSON", "POST", "x", nil, 400, `event 0, byte 0 of 1: got "x", expected an array of events`, "malformed"},
		{"second event", "POST", `[{"body":"good"},{"body":[]}]`, nil, 400, `event 1, byte 25 of 29: got "[", expected the body, a string`, "malformed"},
		{"nothing", "GET", "", nil, 400, "the body ends at byte 0", "malformed"},
		{"frame", "POST", long, nil, 413, "10002 bytes in a frame exceed the limit of 10000: send smaller requests, or raise option 'http.max-frame-bytes'", "frame_bytes"},
		{"events", "POST", `[{},{},{},{}]`, nil, 413, "option 'http.max-batch-events'", "batch_events"},
		{"gzip", "POST", "x", []string{"Content-Encoding", "gzip"}, 415, "send the body without an encoding", "encoding"},
		{"charset", "POST", "[]", []string{"Content-Type", "application/json; charset=latin1"}, 500, "must be UTF-8, UTF-16 or UTF-32", "charset"},
		{"PUT", "PUT", "[]", nil, 405, "must be POST", "method"},
		{"TRACE", "TRACE", "", nil, 405, "must be POST", "method"},
		{"OPTIONS", "OPTIONS", "", nil, 405, "must be POST", "method"},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := g.Metric("etl_receiver_refused_total", c.reason)
			a := do(t, client(t), g.request(c.method, c.body, c.fields...))
			if a.status != c.status || !strings.Contains(a.body, c.says) {
				t.Errorf("status %d, %q: expected %d, %q", a.status, a.body, c.status, c.says)
			}
			if n := g.Metric("etl_receiver_refused_total", c.reason) - before; n != 1 {
				t.Errorf("%v rejections counted for %s, expected 1", n, c.reason)
			}
			if (c.status == 405) != (a.header.Get("Allow") == "GET, POST") {
				t.Errorf("status %d: got header Allow %q, expected %q with status 405 only", c.status, a.header.Get("Allow"), "GET, POST")
			}
		})
	}
	t.Run("frame in chunks", func(t *testing.T) {
		q := g.request(http.MethodPost, long)
		q.ContentLength = -1
		if a := do(t, client(t), q); a.status != 413 || !strings.Contains(a.body, "option 'http.max-frame-bytes'") {
			t.Errorf("status %d, %q; expected 413 and it to contain %q", a.status, a.body, "option 'http.max-frame-bytes'")
		}
	})
	t.Run("much more than the limit", func(t *testing.T) { // the reply arrives although the body is not read
		if a := g.post(strings.Repeat(" ", 8<<20)); a.status != 413 || !strings.Contains(a.body, "option 'http.max-frame-bytes'") {
			t.Errorf("status %d, %q; expected 413 and it to contain %q", a.status, a.body, "option 'http.max-frame-bytes'")
		}
	})
	t.Run("broken chunks", func(t *testing.T) {
		c := g.Dial()
		c.Send([]byte("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"))
		status(c, 400)
	})
	for name, head := range map[string]string{"TLS": "\x16\x03\x01", "Avro": "\x00\x00\x00\x01"} {
		t.Run(name, func(t *testing.T) {
			c := g.Dial()
			c.Send([]byte(head))
			c.Closed()
		})
	}
	if got := k.Got(); len(got) != 0 {
		t.Errorf("produced %q, expected none", got)
	}
	for body, want := range map[string][]string{
		`[{"body":"a"},{"headers":{"a":"","b":"","c":""}},{"body":"b"}]`: {"a{}", "{a=,b=}dead:headers", "b{}"},
		`[{"body":"a"},{"headers":{"a":"12345678"}},{"body":"b"}]`:       {"a{}", "{}dead:header_bytes", "b{}"},
		`[{"body":"a"},{"body":"12345678901"},{"body":"b"}]`:             {"a{}", "12345678901{}dead:body_bytes", "b{}"},
	} {
		before := len(k.Got())
		if a := g.post(body); a.status != 200 {
			t.Errorf("%s: status %d, %q, expected 200", body, a.status, a.body)
		}
		if d := cmp.Diff(want, k.Got()[before:]); d != "" {
			t.Errorf("%s: %s", body, d)
		}
	}
	g.Until("no memory is in flight", func() bool { return g.Admission.Used() == 0 })
}

func TestReceiver_charsets(t *testing.T) {
	t.Parallel()
	k := &kafka{}
	g := start(t, k, nil)
	const text = `[{"headers":{"ä":"日"},"body":"😀"}]`
	units := utf16.Encode([]rune(text))
	var le16, be16, be32 bytes.Buffer
	for _, e := range []error{
		binary.Write(&le16, binary.LittleEndian, append([]uint16{0xfeff}, units...)),
		binary.Write(&be16, binary.BigEndian, units),
		binary.Write(&be32, binary.BigEndian, []rune(text)),
	} {
		if e != nil {
			t.Fatalf("got %v, expected nil", e)
		}
	}
	want := []string{}
	for charset, bodies := range map[string][]string{"utf-8": {text}, "UTF-16": {le16.String(), be16.String()}, "UTF-32": {be32.String()}} {
		for _, body := range bodies {
			if a := g.post(body, "Content-Type", "application/json; charset="+charset); a.status != 200 || a.body != "" {
				t.Errorf("%s: status %d, %q; expected 200 and an empty text", charset, a.status, a.body)
			}
			want = append(want, "😀{ä=日}")
		}
	}
	for _, kind := range []string{
		"application/json; charset=utf8", "application/json;charset=UTF8", `application/json; charset="utf-8"`, "application/json; charset='UTF-8'",
		";;", "/", "application/json; charset", "application/json; charset=", "json, text; =;charset=utf_8", "text/plain", "a b c", "\xff",
		"application/json; charset=utf-8; charset=latin1", "application/x-www-form-urlencoded",
	} {
		if a := g.post(text, "Content-Type", kind); a.status != 200 || a.body != "" {
			t.Errorf("Content-Type %q: status %d, %q; expected 200 and an empty text", kind, a.status, a.body)
		}
		want = append(want, "😀{ä=日}")
	}
	if d := cmp.Diff(want, k.Got()); d != "" {
		t.Error(d)
	}
}

// Bodies that Log4j 2's Flume appender compressed are decompressed. A body above a limit becomes a dead letter, and no
// other body is changed.
func TestReceiver_compressedBodies(t *testing.T) {
	t.Parallel()
	k := &kafka{}
	g := start(t, k, func(c *Config, _ *receiver.Runtime) { c.MaxBodyBytes = 1000 })
	gzipped := func(text string) string { // in JSON, whose strings are bytes here
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		_, _ = w.Write([]byte(text))
		_ = w.Close()
		return strings.NewReplacer(`"`, `\"`, `\`, `\\`).Replace(b.String())
	}
	if a := g.post(`[{"headers":{"guId":"1"},"body":"` + gzipped("a line") + `"},{"headers":{"guId":"2"},"body":"` + gzipped(strings.Repeat("x", 1001)) + `"},{"headers":{"guId":"3"},"body":"plain"}]`); a.status != 200 {
		t.Fatalf("status %d, %q, expected 200", a.status, a.body)
	}
	es := k.Events()
	if receivertest.Show(es[0]) != "a line{guId=1}" || receivertest.Show(es[2]) != "plain{guId=3}" || es[1].Dead == nil || es[1].Dead.Label != receiver.ReasonGzip {
		t.Errorf("got %q", k.Got())
	}
}

// Requests follow each other on one connection, pipelined or not, and each has its own ack-timeout.
func TestReceiver_requestsOnOneConnection(t *testing.T) {
	t.Parallel()
	k := &kafka{}
	g := start(t, k, nil)
	c := g.Dial()
	for _, s := range []string{"a", "b"} {
		c.Send(postOf(`[{"body":"` + s + `"}]`))
		status(c, 200)
	}
	c.Send(append(postOf(`[{"body":"c"}]`), postOf(`[{"body":"d"}]`)...))
	status(c, 200)
	status(c, 200)
	if d := cmp.Diff([]string{"a{}", "b{}", "c{}", "d{}"}, k.Got()); d != "" {
		t.Error(d)
	}
	if n := g.Metric("etl_receiver_connections_total"); n != 1 {
		t.Errorf("%v connections, expected 1", n)
	}
}

func TestReceiver_limitsOfConnections(t *testing.T) {
	t.Parallel()
	g := start(t, &kafka{}, func(c *Config, _ *receiver.Runtime) { c.MaxConnections = 1 })
	first := g.Dial()
	first.Send(postOf(`[]`))
	status(first, 200)
	second := g.Dial()
	second.Closed()
	g.Until("counted", func() bool { return g.Metric("etl_receiver_refused_total", receiver.ReasonConnections) == 1 })
	first.Close()
	g.Until("the first has ended", func() bool { return g.Metric("etl_receiver_connections") == 0 })
	if a := g.post(`[]`); a.status != 200 {
		t.Errorf("status %d, expected 200", a.status)
	}
}

func TestReceiver_ipFilter(t *testing.T) {
	t.Parallel()
	filter, err := receiver.ParseIPFilter("deny:ip:127.*")
	if err != nil {
		t.Fatal(err)
	}
	g := start(t, &kafka{}, func(_ *Config, rt *receiver.Runtime) { rt.Filter = filter })
	g.Dial().Closed()
	g.Until("counted", func() bool { return g.Metric("etl_receiver_refused_total", receiver.ReasonFiltered) == 1 })
}

func TestReceiver_idleConnectionsEnd(t *testing.T) {
	t.Parallel()
	g := start(t, &kafka{}, func(c *Config, _ *receiver.Runtime) { c.IdleTimeout = 50 * time.Millisecond })
	silent, used := g.Dial(), g.Dial()
	used.Send(postOf(`[]`))
	status(used, 200)
	used.Closed()
	silent.Closed()
}

// A sender in the middle of a head or a body has ack-timeout from the request's first byte.
func TestReceiver_slowLoris(t *testing.T) {
	t.Parallel()
	g := start(t, &kafka{}, func(_ *Config, rt *receiver.Runtime) { rt.AckTimeout = 100 * time.Millisecond })
	body, head := g.Dial(), g.Dial()
	body.Send([]byte("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n["))
	head.Send([]byte("POST / HTTP/1.1\r\nHost: x"))
	status(body, 408)
	body.Closed()
	head.Closed()
	g.Rejected(receiver.ReasonSlow, 1)
}

func TestReceiver_truncated(t *testing.T) {
	t.Parallel()
	k := &kafka{}
	g := start(t, k, nil)
	c := g.Dial()
	c.Send([]byte("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n[{}]"))
	c.Close()
	g.Rejected(receiver.ReasonTruncated, 1)
	if len(k.Got()) != 0 {
		t.Errorf("produced %q, expected none", k.Got())
	}
}
