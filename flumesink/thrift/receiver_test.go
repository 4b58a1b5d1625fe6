package thrift

import (
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-etl/sluice/flumeclient"
	thriftclient "github.com/sluice-etl/sluice/flumeclient/thrift"
	"github.com/sluice-etl/sluice/internal/certtest"
	"github.com/sluice-etl/sluice/internal/receivertest"
	"github.com/sluice-etl/sluice/receiver"
	"github.com/sluice-etl/sluice/receiver/netserver"
)

// Pipelined requests get their replies in their order, whichever protocol each of them uses.
func TestReceiver_repliesInOrder(t *testing.T) {
	t.Parallel()
	k := &kafka{}
	g := start(t, k, nil)
	c := g.Dial()
	var all, want []byte
	for i := range 10 {
		p := both[i%2]
		all = append(all, call(t, p, int32(i), receivertest.Events(fmt.Sprint(i)))...)
		want = append(want, ok(t, p, byte(i))...)
	}
	c.Send(all)
	c.Expect(want)
	if d := cmp.Diff([]string{"0{}", "1{}", "2{}", "3{}", "4{}", "5{}", "6{}", "7{}", "8{}", "9{}"}, k.Got()); d != "" {
		t.Error(d)
	}
}

func TestReceiver_wrongProtocols(t *testing.T) {
	t.Parallel()
	hello := receivertest.Unhex(t, "16030100f8010000f40303"+strings.Repeat("5a", 64))
	const name = "0b617070656e644261746368"
	for what, tc := range map[string]struct {
		bytes  []byte
		reason string
		says   string
	}{
		"HTTP GET":           {[]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), receiver.ReasonHTTP, "an HTTP request"},
		"HTTP POST":          {[]byte("POST /v1 HTTP/1.1\r\n\r\n"), receiver.ReasonHTTP, "option 'admin-listen'"},
		"TLS":                {hello, receiver.ReasonTLS, "set option 'thrift.tls-cert'"},
		"zlib":               {receivertest.Unhex(t, "789c ffffffffffffffff"), receiver.ReasonZlib, "never deflated"},
		"Avro":               {receivertest.Unhex(t, "00000001 00000002 00000030 86aadae2"), receiver.ReasonAvro, "option 'avro.listen'"},
		"Avro, later serial": {receivertest.Unhex(t, "00000107 00000002 0000000d 0016"), receiver.ReasonAvro, "option 'avro.listen'"},
		"unframed, compact":  {receivertest.Unhex(t, "822101"+name+"190c00"), receiver.ReasonThrift, "TFramedTransport"},
		"unframed, binary":   {receivertest.Unhex(t, "80010001 0000000b 617070656e64"), receiver.ReasonThrift, "TFramedTransport"},
		"Kerberos":           {receivertest.Unhex(t, "01 00000006 475353415049 05 00000010"), reasonSASL, "kerberos = false"},
		"PROXY v1":           {[]byte("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n"), receiver.ReasonProxy, "PROXY protocol"},
		"syslog":             {[]byte("<13>Oct 10 13:55:36 host app: hello\n"), receiver.ReasonText, "etl send"},
		"random bytes":       {receivertest.Unhex(t, "fe81a0037cc2b7f19d33e1"), receiver.ReasonUnknown, "no known protocol"},
		"JSON protocol":      {append([]byte{0, 0, 0, 40}, `[1,"append",1,1,{}]`...), receiver.ReasonUnknown, "no known protocol"},
		"an empty frame":     {receivertest.Unhex(t, "00000000 00000000"), receiver.ReasonMalformed, "a frame of 0 bytes"},
		"a short frame":      {receivertest.Unhex(t, "00000004 82210100"), receiver.ReasonMalformed, "a frame of 4 bytes"},
		"a huge frame":       {receivertest.Unhex(t, "7fffffff 82210100"), receiver.ReasonFrameBytes, "2147483647 bytes in a frame exceed the limit of 67108864"},
		"a negative frame":   {receivertest.Unhex(t, "ffffffff 82210100"), receiver.ReasonFrameBytes, "4294967295 bytes in a frame"},
		"a reply":            {receivertest.Unhex(t, "00000013 824101"+name+"05000000"), receiver.ReasonMalformed, "a message of type 2"},
		"a name that is cut": {receivertest.Unhex(t, "00000006 822101 7f6161"), receiver.ReasonMalformed, "cut short"},
		"a long name":        {append(receivertest.Unhex(t, "00000135 822101 ac02"), make([]byte, 0x135-5)...), receiver.ReasonMalformed, "a method's name of 300 bytes"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			g := start(t, &kafka{}, nil)
			good := g.client(thriftclient.Compact)
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

// A bad frame after a good one is malformed, and not taken for another protocol.
func TestReceiver_invalidFrameAfterAValidOne(t *testing.T) {
	t.Parallel()
	g := start(t, &kafka{}, nil)
	c := g.Dial()
	c.Send(append(call(t, thriftclient.Compact, 1, receivertest.Events("a")), "GET / HTTP/1.1\r\n"...))
	c.Expect(ok(t, thriftclient.Compact, 1))
	c.Closed()
	g.Rejected(receiver.ReasonMalformed, 1)
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

// A request that exceeds a limit is not produced and gets no reply.
func TestReceiver_limits(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 101)
	for name, tc := range map[string]struct {
		change func(*Config, *receiver.Runtime)
		es     []receiver.Event
		reason string
		says   string
	}{
		"frame":  {func(c *Config, _ *receiver.Runtime) { c.MaxFrameBytes = 100 }, receivertest.Events(long), receiver.ReasonFrameBytes, "option 'thrift.max-frame-bytes'"},
		"events": {func(c *Config, _ *receiver.Runtime) { c.MaxBatchEvents = 1 }, receivertest.Events("a", "b"), receiver.ReasonBatchEvents, "option 'thrift.max-batch-events'"},
	} {
		for _, p := range both {
			t.Run(name+"/"+string(p), func(t *testing.T) {
				t.Parallel()
				k := &kafka{}
				g := start(t, k, tc.change)
				c := g.Dial()
				c.Send(call(t, p, 1, tc.es))
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
}

// Half-received frames of many senders never hold more memory than what has arrived, whatever they announced.
func TestReceiver_framesAreChargedForReceivedBytes(t *testing.T) {
	t.Parallel()
	g := start(t, &kafka{}, nil)
	const senders = 20
	frame := binary.BigEndian.AppendUint32(nil, 60<<20)
	frame = append(frame, compactID, messageCall<<5|compactVersion)
	frame = append(frame, make([]byte, (4<<10)-1)...) // one byte more than fits the first buffer
	for range senders {
		g.Dial().Send(frame)
	}
	g.Until("each has its second buffer", func() bool { return g.Admission.Used() >= senders*(16<<10) })
	if used := g.Admission.Used(); used != senders*(16<<10) {
		t.Errorf("%d bytes in flight for %d bytes received, expected %v", used, senders*len(frame), senders*(16<<10))
	}
}

// A frame larger than any pooled buffer, and one that arrives byte by byte.
func TestReceiver_largeAndSlowFrames(t *testing.T) {
	t.Parallel()
	k := &kafka{}
	g := start(t, k, nil)
	large := strings.Repeat("0123456789abcdef", 600<<10) // 9.4 MiB
	c := g.Dial()
	var want []string
	for i, p := range both {
		c.Send(call(t, p, int32(i), receivertest.Events(large, "z")))
		c.Expect(ok(t, p, byte(i)))
		for _, b := range call(t, p, 9, receivertest.Events("small")) {
			c.Send([]byte{b})
		}
		c.Expect(ok(t, p, 9))
		want = append(want, large+"{}", "z{}", "small{}")
	}
	if d := cmp.Diff(want, k.Got()); d != "" {
		t.Errorf("%d characters of difference", len(d))
	}
	g.Until("memory was given back", func() bool { return g.Admission.Used() == 0 })
}

func TestReceiver_notProduced(t *testing.T) {
	t.Parallel()
	k := &kafka{OnAppend: func(ctx context.Context, r receiver.Request) error {
		r.Release()
		return fmt.Errorf("waiting for a place: %w", receiver.ErrNotProduced)
	}}
	g := start(t, k, nil)
	err := g.client(thriftclient.Binary).Append(t.Context(), receivertest.Events("a"))
	if err == nil || errors.Is(err, receiver.ErrRejected) {
		t.Errorf("error %v, expected a closed connection", err)
	}
	g.Until("counted as dropped", func() bool { return g.Metric("etl_receiver_requests_total", "dropped") == 1 })
	if n := g.Metric("etl_receiver_unanswered_events_total"); n != 0 {
		t.Errorf("%v events unanswered, expected 0", n)
	}
}

// One port accepts plain connections and TLS, in both protocols, and --ip-filter applies.
func TestReceiver_plainAndTLSOnOnePort(t *testing.T) {
	t.Parallel()
	cert, key := certificate(t)
	k := &kafka{}
	g := start(t, k, func(c *Config, _ *receiver.Runtime) { c.TLS = netserver.TLS{Cert: cert, Key: key} })
	for _, p := range both {
		for _, tls := range []bool{false, true} {
			cfg := thriftclient.DefaultConfig(g.Addr)
			cfg.Protocol = p
			if tls {
				cfg.Dialer = flumeclient.Dialer{TLS: true, CA: cert, ServerName: "etl.example"}
			}
			c, err := thriftclient.Dial(t.Context(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Append(t.Context(), receivertest.Events(string(p))); err != nil {
				t.Errorf("%s, TLS %v: %v", p, tls, err)
			}
			c.Close()
		}
	}
	if d := cmp.Diff([]string{"compact{}", "compact{}", "binary{}", "binary{}"}, k.Got()); d != "" {
		t.Error(d)
	}
	filter, err := receiver.ParseIPFilter("deny:ip:127.*")
	if err != nil {
		t.Fatal(err)
	}
	g = start(t, k, func(_ *Config, rt *receiver.Runtime) { rt.Filter = filter })
	g.Dial().Closed()
	g.Rejected(receiver.ReasonFiltered, 1)
}

// certificate writes a self-signed certificate for etl.example.
func certificate(t *testing.T) (cert, key string) {
	t.Helper()
	return certtest.Issue(t, nil, &x509.Certificate{
		Subject: pkix.Name{CommonName: "etl.example"}, DNSNames: []string{"etl.example"}, IsCA: true,
	}).Write(t, "")
}

func TestConfig_validate(t *testing.T) {
	t.Parallel()
	good := DefaultConfig()
	good.Listen = ":0"
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
	var bad Config
	bad.Config.Name, bad.Limits.Receiver = "thrift", "thrift"
	bad.MaxHeaders = -1
	bad.TLS = netserver.TLS{Key: "k"}
	err := bad.Validate()
	for _, want := range []string{
		"option 'thrift.listen' is empty", "option 'thrift.max-frame-bytes' is 0, must be from 64 to 1073741824",
		"option 'thrift.max-batch-events' is 0", "option 'thrift.max-headers' is -1", "option 'thrift.max-connections' is 0", `option 'thrift.tls-cert' is empty`,
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v\nlacks %q", err, want)
		}
	}
}
