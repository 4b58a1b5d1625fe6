//go:build integration

package flume

import (
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/sluice-etl/sluice/internal/etltest"
	"github.com/sluice-etl/sluice/internal/jvmtest"
)

// thriftOK reads one framed Thrift call, compact or binary, and replies OK.
func thriftOK(r io.Reader) (request, answer []byte, err error) {
	request = make([]byte, 4)
	if _, err := io.ReadFull(r, request); err != nil {
		return nil, nil, err
	}
	request = append(request, make([]byte, binary.BigEndian.Uint32(request))...)
	if _, err := io.ReadFull(r, request[4:]); err != nil {
		return nil, nil, err
	}
	call := request[4:]
	var reply []byte
	switch {
	case call[0] == 0x82 && call[1] == 0x21: // protocol, call; sequence, name
		_, n := binary.Uvarint(call[2:])
		length, m := binary.Uvarint(call[2+n:])
		reply = append([]byte{0x82, 0x41}, call[2:2+n+m+int(length)]...)
		reply = append(reply, 0x05, 0x00, 0x00, 0x00) // field 0 is the i32 0; end
	case call[0] == 0x80 && call[3] == 1: // protocol, call; name, sequence
		length := binary.BigEndian.Uint32(call[4:])
		reply = append([]byte{0x80, 0x01, 0x00, 0x02}, call[4:4+4+length+4]...)
		reply = append(reply, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00)
	default:
		return nil, nil, errors.New("neither compact nor binary")
	}
	return request, append(binary.BigEndian.AppendUint32(nil, uint32(len(reply))), reply...), nil
}

// TestReal_ThriftBytes records what a real agent's Thrift sinks send in both protocols, and that under TLS they send
// the same to a server whose certificate is for another host name, because they do not verify names.
func TestReal_ThriftBytes(t *testing.T) {
	jvmtest.Need(t, versions...)
	for _, version := range versions {
		t.Run(string(version), func(t *testing.T) {
			t.Parallel()
			captureThrift(t, version)
		})
	}
}

func captureThrift(t *testing.T, version jvmtest.Set) {
	ctx := etltest.Bounded(t, time.Minute)
	listen := func() net.Listener {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	c := newCerts(t, "elsewhere.example")
	compact, binary := etltest.NewCapture(t, listen(), thriftOK), etltest.NewCapture(t, listen(), thriftOK)
	secure := etltest.NewCapture(t, tls.NewListener(listen(), &tls.Config{Certificates: []tls.Certificate{c.pair}}), thriftOK)
	in := etltest.NewSpool(t)
	lines := []string{
		"sources=s", "channels=c1 c2 c3", "sinks=k1 k2 k3",
		"sources.s.type=spooldir", "sources.s.spoolDir={dir}/in", "sources.s.channels=c1 c2 c3", "sources.s.pollDelay=100",
		"sources.s.basenameHeader=true", "sources.s.deserializer.maxLineLength=20000",
		"sources.s.interceptors=i", "sources.s.interceptors.i.type=static", "sources.s.interceptors.i.key=origin", "sources.s.interceptors.i.value=caf\\u00e9",
	}
	for i, server := range []*etltest.Capture{compact, binary, secure} {
		n := fmt.Sprint(i + 1)
		lines = append(lines, "channels.c"+n+".type=memory", "sinks.k"+n+".type=thrift", "sinks.k"+n+".channel=c"+n,
			"sinks.k"+n+".hostname=127.0.0.1", "sinks.k"+n+".port="+server.Port())
	}
	lines = append(lines, "sinks.k2.protocol=binary", "sinks.k3.ssl=true", "sinks.k3.truststore="+c.truststore, "sinks.k3.truststore-password="+truststorePassword)
	jvmtest.StartAgent(t, version, in.Properties(lines...))
	all := func(n int) func() bool {
		return func() bool {
			return compact.First().Requests() == n && binary.First().Requests() == n && secure.First().Requests() == n
		}
	}
	in.Put(t, "first.log", []byte("hi\n\ncafé \"quoted\"\n"+strings.Repeat("x", 9000)+"\n"))
	etltest.Await(ctx, t, "the first file", all(1))
	in.Put(t, "second.log", []byte("yo\n"))
	etltest.Await(ctx, t, "the second file", all(2))
	if got := secure.First().Text(); got != compact.First().Text() {
		t.Errorf("under TLS, expected %v:\n%s", compact.First().Text(), got)
	}
	etltest.Golden(t, *rewrite, "../../flumesink/thrift/testdata/"+string(version)+".txt", fmt.Sprintf(`# What the Thrift sinks of a Flume agent (%s) sent to a receiver (>) and its replies (<), each on one
# connection. 78*9000 is the byte 78, 9,000 times. With ssl = true the same is sent inside TLS; the sink needs a
# truststore that contains the certificate, and does not verify its host name. Made by
#   go test -tags integration -run '^TestReal_ThriftBytes$' ./integration/flume -rewrite

== compact
%s
== protocol = binary
%s`, version, compact.First().Text(), binary.First().Text()))
}
