package avro

import (
	"context"
	"crypto/md5"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	avroclient "github.com/sluice-etl/sluice/flumeclient/avro"
	"github.com/sluice-etl/sluice/internal/avrobin"
	"github.com/sluice-etl/sluice/internal/flumeavro"
	"github.com/sluice-etl/sluice/internal/receivertest"
	"github.com/sluice-etl/sluice/receiver"
	"github.com/sluice-etl/sluice/receiver/netserver"
)

// The Appender gets pipelined requests at the same time, up to MaxPipelined, and each gets its reply, with its serial,
// as it is acknowledged.
func TestReceiver_pipelining(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	under, most := 0, 0
	acks := map[string]chan struct{}{}
	for i := range 6 {
		acks[fmt.Sprint(i)] = make(chan struct{})
	}
	k := &kafka{OnAppend: func(ctx context.Context, r receiver.Request) error {
		defer r.Release()
		mu.Lock()
		under++
		most = max(most, under)
		ack := acks[string(r.Events[0].Body)]
		mu.Unlock()
		<-ack
		mu.Lock()
		under--
		mu.Unlock()
		return nil
	}}
	g := start(t, k, func(c *Config, _ *receiver.Runtime) { c.MaxPipelined = 3 })
	close(acks["0"])
	c := g.Dial()
	c.Send(firstCall(10, receivertest.Events("0")))
	c.Expect(okFirst(10))
	for i := range 5 {
		c.Send(laterCall(uint32(11+i), receivertest.Events(fmt.Sprint(i+1))))
	}
	now := func() int { mu.Lock(); defer mu.Unlock(); return under }
	g.Until("three requests are under way", func() bool { return now() == 3 })
	c.Open(20 * time.Millisecond)
	for _, i := range []uint32{3, 1, 4, 5, 2} { // in another order
		close(acks[fmt.Sprint(i)])
		c.Expect(okLater(10 + i))
	}
	if most != 3 {
		t.Errorf("%d requests at once, expected 3", most)
	}
}

// A client that does not wait for the first reply must not get a later one, without a handshake, before it.
func TestReceiver_firstReplyPrecedesLaterOnes(t *testing.T) {
	t.Parallel()
	hold := make(chan struct{})
	k := &kafka{OnAppend: func(ctx context.Context, r receiver.Request) error {
		defer r.Release()
		if string(r.Events[0].Body) == "first" {
			<-hold
		}
		return nil
	}}
	g := start(t, k, nil)
	c := g.Dial()
	c.Send(append(firstCall(1, receivertest.Events("first")), laterCall(2, receivertest.Events("second"))...))
	c.Open(20 * time.Millisecond)
	close(hold)
	c.Expect(append(okFirst(1), okLater(2)...))
}

func TestReceiver_wrongProtocols(t *testing.T) {
	t.Parallel()
	hello := receivertest.Unhex(t, "16030100f8010000f40303"+strings.Repeat("5a", 64))
	for name, tc := range map[string]struct {
		bytes  []byte
		reason string
		says   string
	}{
		"HTTP GET":        {[]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), receiver.ReasonHTTP, "an HTTP request"},
		"HTTP POST":       {[]byte("POST /v1 HTTP/1.1\r\n\r\n"), receiver.ReasonHTTP, "option 'admin-listen'"},
		"HTTP/2":          {[]byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), receiver.ReasonHTTP, "an HTTP request"},
		"TLS":             {hello, receiver.ReasonTLS, "ssl = false"},
		"TLS, 256 bytes":  {receivertest.Unhex(t, "1603010100010000fc0303"), receiver.ReasonTLS, "a TLS client hello"},
		"broken zlib":     {receivertest.Unhex(t, "789c ffffffff"), receiver.ReasonZlib, "the zlib stream is corrupt"},
		"zlib twice":      {deflated(t, deflated(t, []byte("a line of some length"))), receiver.ReasonZlib, "deflated twice"},
		"Thrift, compact": {receivertest.Unhex(t, "00000020 822101 0b617070656e644261746368"), receiver.ReasonThrift, "option 'thrift.listen'"},
		"Thrift, binary":  {receivertest.Unhex(t, "00000020 80010001 0000000b 617070656e64"), receiver.ReasonThrift, "option 'thrift.listen'"},
		"PROXY v1":        {[]byte("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n"), receiver.ReasonProxy, "PROXY protocol"},
		"PROXY v2":        {receivertest.Unhex(t, "0d0a0d0a000d0a515549540a 2111000c"), receiver.ReasonProxy, "PROXY protocol"},
		"syslog":          {[]byte("<13>Oct 10 13:55:36 host app: hello\n"), receiver.ReasonText, "etl send"},
		"random bytes":    {[]byte{0xdb, 0x61, 0x8f, 0x4d, 0xe8, 0xfb, 0xc3, 0xf9, 1, 2, 3}, receiver.ReasonUnknown, "no known protocol"},
		"accents":         {[]byte("déjà vu, déjà vu\n"), receiver.ReasonText, "etl send"},
		"random":          {receivertest.Unhex(t, "fe81a0037cc2b7f19d33e1"), receiver.ReasonUnknown, "no known protocol"},
		"listSize 0":      {receivertest.Unhex(t, "00000001 00000000"), receiver.ReasonMalformed, "listSize 0"},
		"bad handshake":   {frameOf(1, []byte("not a handshake")), receiver.ReasonMalformed, "handshake: bad clientHash"},
		"bad metadata":    {frameOf(1, callHead(true)[:35]), receiver.ReasonMalformed, "bad call metadata"},
		"bad name":        {frameOf(1, append(callHead(true)[:36], 0x7e)), receiver.ReasonMalformed, "bad message name"},
		"bad events":      {frameOf(1, callHead(true), []byte{2, 1}), receiver.ReasonMalformed, "events: bad block"},
		"huge buffer":     {receivertest.Unhex(t, "00000001 00000001 ffffffff"), receiver.ReasonFrameBytes, "4294967295 bytes in a frame exceed the limit of 67108864"},
		"huge list":       {receivertest.Unhex(t, "00000001 00ffffff 00000001"), reasonListLength, "16777215 buffers in a frame exceed the limit of 16384"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := start(t, &kafka{}, nil)
			good := g.client()
			if err := good.Append(t.Context(), receivertest.Events("a")); err != nil {
				t.Fatal(err)
			}
			for range 3 {
				c := g.Dial()
				c.Send(tc.bytes)
				c.Closed()
			}
			log := g.Rejected(tc.reason, 3)
			if n := strings.Count(log, "WARN"); n != 1 {
				t.Errorf("%d log lines, expected 1: %s", n, log)
			}
			if !strings.Contains(log, tc.says) || !strings.Contains(log, "remote=127.0.0.1:") {
				t.Errorf("the log lacks %q or the sender's address: %s", tc.says, log)
			}
			if err := good.Append(t.Context(), receivertest.Events("b")); err != nil {
				t.Errorf("a good sender noticed: %v", err)
			}
		})
	}
}

// Load balancers connect and close to check whether a port is open. That is neither logged nor counted as a rejection.
func TestReceiver_portProbesAreIgnored(t *testing.T) {
	t.Parallel()
	g := start(t, &kafka{}, nil)
	for i := range 10 {
		c := g.Dial()
		if i%2 == 0 {
			_ = c.Conn.(*net.TCPConn).SetLinger(0) // RST
		}
		c.Close()
	}
	g.Until("the probes came and went", func() bool {
		return g.Metric("etl_receiver_connections_total") == 10 && g.Metric("etl_receiver_connections") == 0
	})
	if n := g.Metric("etl_receiver_refused_total"); n != 0 || strings.Contains(g.Log.String(), "WARN") {
		t.Errorf("%v rejected; expected 0 and it not to contain %q; log %s", n, "WARN", g.Log.String())
	}
}

func TestReceiver_limits(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 101)
	for name, tc := range map[string]struct {
		change func(*Config, *receiver.Runtime)
		es     []receiver.Event
		reason string
		says   string
	}{
		"frame":  {func(c *Config, _ *receiver.Runtime) { c.MaxFrameBytes = 100 }, receivertest.Events(long), receiver.ReasonFrameBytes, "option 'avro.max-frame-bytes'"},
		"list":   {func(c *Config, _ *receiver.Runtime) { c.MaxListLength = 1 }, receivertest.Events("a"), reasonListLength, "option 'avro.max-list-length'"},
		"events": {func(c *Config, _ *receiver.Runtime) { c.MaxBatchEvents = 1 }, receivertest.Events("a", "b"), receiver.ReasonBatchEvents, "option 'avro.max-batch-events'"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := &kafka{}
			g := start(t, k, tc.change)
			c := g.Dial()
			c.Send(firstCall(1, tc.es))
			c.Closed()
			if log := g.Rejected(tc.reason, 1); !strings.Contains(log, tc.says) {
				t.Errorf("the log lacks %q: %s", tc.says, log)
			}
			if len(k.Got()) != 0 {
				t.Errorf("produced %q, expected none", k.Got())
			}
		})
	}
}

func TestReceiver_connectionLimits(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change func(*Config, *receiver.Runtime)
		reason string
	}{
		"in all":      {func(c *Config, _ *receiver.Runtime) { c.MaxConnections = 2 }, receiver.ReasonConnections},
		"per address": {func(c *Config, _ *receiver.Runtime) { c.MaxConnectionsPerAddress = 2 }, receiver.ReasonPerAddress},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := start(t, &kafka{}, tc.change)
			a, b := g.client(), g.client()
			for _, c := range []*avroclient.Client{a, b} {
				if err := c.Append(t.Context(), receivertest.Events("x")); err != nil {
					t.Fatal(err)
				}
			}
			g.Dial().Closed()
			g.Rejected(tc.reason, 1)
			a.Close() // releases its place in the limit
			g.Until("a connection ended", func() bool { return g.Metric("etl_receiver_connections") == 1 })
			if err := g.client().Append(t.Context(), receivertest.Events("y")); err != nil {
				t.Error(err)
			}
		})
	}
}

// A sender whose protocol is not Flume's gets the reason in a system error, which its own log shows.
func TestReceiver_otherProtocol(t *testing.T) {
	t.Parallel()
	g := start(t, &kafka{}, nil)
	text := strings.Replace(flumeavro.ProtocolText, `{"name":"body","type":"bytes"}`, `{"name":"body","type":"bytes"},{"name":"n","type":"long"}`, 1)
	sum := md5.Sum([]byte(text))
	own := g.r.protocols.own
	head := append(avrobin.AppendBytes(append(sum[:], 2), text), own[:]...)
	head = append(head, 0)
	c := g.Dial()
	c.Send(frameOf(1, head, callHead(false), flumeavro.AppendEvents(nil, receivertest.Events("a"))))
	why := fmt.Sprintf("the sender's protocol %s is not Flume's: message append: events are not record {map<string> headers, bytes body}", hash(sum))
	c.Expect(frameOf(1, []byte{0, 0, 0, 0}, noMeta, systemError(why)))
	c.Closed()
	g.Rejected(reasonProtocol, 1)
	if g.r.protocols.knows(hash(sum)) {
		t.Error("the rejected protocol was remembered")
	}
}

func TestReceiver_portInUse(t *testing.T) {
	t.Parallel()
	g := start(t, &kafka{}, nil)
	cfg := DefaultConfig()
	for listen, want := range map[string]string{
		g.Addr:        "option 'avro.listen' " + g.Addr + ": listen tcp " + g.Addr + ": bind: address already in use: another process uses this port; stop it, or choose another port",
		"nonsense":    "option 'avro.listen' nonsense: ",
		"192.0.2.1:0": "option 'avro.listen' 192.0.2.1:0: ",
	} {
		cfg.Listen = listen
		r := New(cfg, receiver.NewRuntime(receiver.DefaultConfig(), &kafka{}, nil, nil))
		if err := r.Run(t.Context()); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("error    %v\nexpected %s", err, want)
		}
	}
	cfg.Listen = "127.0.0.1:0"
	r := New(cfg, receiver.NewRuntime(receiver.DefaultConfig(), &kafka{}, nil, nil))
	if err := r.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	addr := r.Addr()
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if c, err := net.Dial("tcp", addr.String()); err == nil {
		c.Close()
		t.Error("the port is still open")
	}
}

func TestConfig_validate(t *testing.T) {
	t.Parallel()
	good := DefaultConfig()
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
	var bad Config
	bad.Config.Name, bad.Limits.Receiver = "avro", "avro"
	bad.MaxHeaders, bad.MaxHeaderBytes, bad.MaxBodyBytes = -1, -1, -1
	bad.TLS = netserver.TLS{Key: "k", Required: true, MinVersion: "2", MaxVersion: "4"}
	err := bad.Validate()
	for _, want := range []string{
		"option 'avro.listen' is empty",
		"option 'avro.max-frame-bytes' is 0, must be from 64 to 1073741824", "option 'avro.max-list-length' is 0", "option 'avro.max-batch-events' is 0",
		"option 'avro.max-headers' is -1", "option 'avro.max-header-bytes' is -1", "option 'avro.max-body-bytes' is -1",
		"option 'avro.max-connections' is 0", "option 'avro.max-connections-per-address' is 0", "option 'avro.max-pipelined' is 0",
		"option 'avro.max-inflate-ratio' is 0", `option 'avro.tls-cert' is empty, and option 'avro.tls-key' is "k"`, "option 'avro.tls-client-ca' and option 'avro.tls-required' require it",
		`option 'avro.tls-min-version' is "2"`, `option 'avro.tls-max-version' is "4"`,
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v\nlacks %q", err, want)
		}
	}
}

func TestConfig_noTLSVersionRemains(t *testing.T) {
	c := DefaultConfig()
	c.TLS.MinVersion = "1.3"
	if err := c.Validate(); err == nil || !strings.Contains(err.Error(), `option 'avro.tls-min-version' is "1.3", must not be above option 'avro.tls-max-version', "1.2"`) {
		t.Errorf("got %v, expected an error that contains %q", err, `option 'avro.tls-min-version' is "1.3", must not be above option 'avro.tls-max-version', "1.2"`)
	}
	c.TLS.MaxVersion = "1.3"
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
}

// The texts' hashes are those of Avro's compiler.
func TestProtocols_hashes(t *testing.T) {
	t.Parallel()
	if own := newProtocols().own.String(); own != "86aadae2c45474c0fe93ffd0f2350a65" || len(flumeavro.ProtocolText) != 1334 {
		t.Errorf("our protocol's hash is %s, of %d bytes; expected %q and 1334", own, len(flumeavro.ProtocolText), "86aadae2c45474c0fe93ffd0f2350a65")
	}
}

func TestProtocols_verify(t *testing.T) {
	t.Parallel()
	change := func(from, to string) string {
		if !strings.Contains(flumeavro.ProtocolText, from) {
			t.Fatal(from)
		}
		return strings.ReplaceAll(flumeavro.ProtocolText, from, to)
	}
	for name, tc := range map[string]struct{ text, want string }{
		"itself":           {flumeavro.ProtocolText, ""},
		"another name":     {change(`AvroFlumeEvent`, `Event`), ""},
		"full names":       {change(`"items":"AvroFlumeEvent"`, `"items":"org.apache.flume.source.avro.AvroFlumeEvent"`), ""},
		"Java's strings":   {change(`"string"`, `{"type":"string","avro.java.string":"String"}`), ""},
		"only append":      {change(`"appendBatch"`, `"other"`), ""},
		"not JSON":         {"{", "unexpected end of JSON input"},
		"nothing of ours":  {`{"protocol":"P","messages":{}}`, "it has neither append nor appendBatch"},
		"fields exchanged": {change(`{"name":"headers","type":{"type":"map","values":"string"}},{"name":"body","type":"bytes"}`, `{"name":"body","type":"bytes"},{"name":"headers","type":{"type":"map","values":"string"}}`), "events are not"},
		"other headers":    {change(`"values":"string"`, `"values":"long"`), "events are not"},
		"other status":     {change(`"OK","FAILED"`, `"FAILED","OK"`), "the response is not"},
		"two parameters":   {change(`[{"name":"event","type":"AvroFlumeEvent"}]`, `[]`), "expected one parameter"},
		"unknown type":     {change(`"items":"AvroFlumeEvent"`, `"items":"Unknown"`), "events are not"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := flumeavro.Verify([]byte(tc.text))
			if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, expected %q", err, tc.want)
			}
		})
	}
}

// A hash becomes known only if it is that of the text, and only up to the limit.
func TestProtocols_cacheIsBounded(t *testing.T) {
	t.Parallel()
	p, d := newProtocols(), testDecoder(t)
	if wrong, err := p.learn(d.Frame, hash{1}, []byte(flumeavro.ProtocolText)); wrong != nil || err != nil || p.knows(hash{1}) {
		t.Errorf("got %v, error %v, known %v; expected none, no error and false", wrong, err, p.knows(hash{1}))
	}
	if wrong, err := p.learn(d.Frame, hash{2}, make([]byte, flumeavro.MaxText+1)); wrong == nil || err != nil {
		t.Error("a huge text was accepted")
	}
	for i := range maxKnownProtocols + 10 {
		text := strings.Replace(flumeavro.ProtocolText, "Licensed", fmt.Sprintf("Licensed %d", i), 1)
		if wrong, err := p.learn(d.Frame, md5.Sum([]byte(text)), []byte(text)); wrong != nil || err != nil {
			t.Fatalf("got %v, error %v; expected neither", wrong, err)
		}
	}
	if len(p.known) != maxKnownProtocols {
		t.Errorf("%d known, expected %d", len(p.known), maxKnownProtocols)
	}
}

// All senders share the budget of bytes in flight: a connection that gets no memory before ack-timeout is closed, with
// the reason in the log.
func TestReceiver_noMemoryBeforeAckTimeout(t *testing.T) {
	t.Parallel()
	g := start(t, &kafka{}, func(_ *Config, rt *receiver.Runtime) { rt.AckTimeout = 50 * time.Millisecond })
	var full, favoured receiver.Lease
	g.Admission.Begin(&full)
	g.Admission.Begin(&favoured)
	for _, l := range []*receiver.Lease{&full, &favoured} {
		if err := l.Grow(t.Context(), time.Now(), receiver.DefaultConfig().MaxBytesInFlight); err != nil {
			t.Fatal(err)
		}
	}
	c := g.Dial()
	c.Send(firstCall(1, receivertest.Events("a")))
	c.Closed()
	full.Release()
	favoured.Release()
	if log := g.Rejected(receiver.ReasonMemory, 1); !strings.Contains(log, "option 'max-bytes-in-flight'") {
		t.Errorf("got %q, expected it to contain %q", log, "option 'max-bytes-in-flight'")
	}
}

// Half-received frames of many senders never hold more memory than what has arrived, whatever they announced.
func TestReceiver_framesAreChargedForReceivedBytes(t *testing.T) {
	t.Parallel()
	g := start(t, &kafka{}, nil)
	const senders = 20
	frame := binary.BigEndian.AppendUint32([]byte{0, 0, 0, 1, 0, 0, 0, 1}, 60<<20)
	frame = append(frame, make([]byte, (4<<10)+1)...) // one byte more than fits the first buffer
	for range senders {
		g.Dial().Send(frame)
	}
	g.Until("each has its second buffer", func() bool {
		return g.Admission.Used() >= int64(senders*(readAhead+(16<<10)))
	})
	if used := g.Admission.Used(); used != int64(senders*(readAhead+(16<<10))) {
		t.Errorf("%d bytes in flight for %d bytes received, expected %v", used, senders*len(frame), int64(senders*(readAhead+(16<<10))))
	}
}

// A request of which the Appender produced nothing is not in the upper bound of duplicates.
func TestReceiver_notProduced(t *testing.T) {
	t.Parallel()
	k := &kafka{OnAppend: func(ctx context.Context, r receiver.Request) error {
		r.Release()
		return fmt.Errorf("waiting for a place: %w", receiver.ErrNotProduced)
	}}
	g := start(t, k, nil)
	err := g.client().Append(t.Context(), receivertest.Events("a"))
	if err == nil || errors.Is(err, receiver.ErrRejected) {
		t.Errorf("error %v, expected a closed connection", err)
	}
	g.Until("counted as dropped", func() bool { return g.Metric("etl_receiver_requests_total", "dropped") == 1 })
	if n := g.Metric("etl_receiver_unanswered_events_total"); n != 0 {
		t.Errorf("%v events unanswered, expected 0", n)
	}
	if d := cmp.Diff(int64(0), g.Admission.Used()); d != "" {
		t.Error(d)
	}
}
