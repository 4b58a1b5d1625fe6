package receivertest

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

// Raw is a connection for sending and expecting raw bytes.
type Raw struct {
	T *testing.T
	net.Conn
}

// Dial connects. The connection is closed at the end of the test.
func (g *Fixture) Dial() Raw { return g.dial("tcp") }

// DialUDP is Dial for a UDP receiver. Each Send is one datagram.
func (g *Fixture) DialUDP() Raw { return g.dial("udp") }

func (g *Fixture) dial(network string) Raw {
	g.T.Helper()
	c, err := net.Dial(network, g.Addr)
	if err != nil {
		g.T.Fatal(err)
	}
	g.T.Cleanup(func() { c.Close() })
	return Raw{g.T, c}
}

// Send writes b.
func (c Raw) Send(b []byte) {
	c.T.Helper()
	if _, err := c.Write(b); err != nil {
		c.T.Fatal(err)
	}
}

// Expect reads as many bytes as want has, and fails unless they are equal.
func (c Raw) Expect(want []byte) {
	c.T.Helper()
	got := make([]byte, len(want))
	_ = c.SetReadDeadline(time.Now().Add(Timeout))
	n, err := io.ReadFull(c, got)
	if err != nil || !bytes.Equal(got, want) {
		c.T.Fatalf("answer %x (%v)\nwant   %x", got[:n], err, want)
	}
}

// Closed expects that the receiver closes the connection without sending another byte.
func (c Raw) Closed() {
	c.T.Helper()
	_ = c.SetReadDeadline(time.Now().Add(Timeout))
	n, err := c.Read(make([]byte, 1))
	if n != 0 || errors.Is(err, os.ErrDeadlineExceeded) {
		c.T.Fatalf("read %d bytes, %v: expected a closed connection", n, err)
	}
}

// Open expects that the connection stays open and silent for d.
func (c Raw) Open(d time.Duration) {
	c.T.Helper()
	_ = c.SetReadDeadline(time.Now().Add(d))
	if n, err := c.Read(make([]byte, 1)); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		c.T.Fatalf("read %d bytes, %v: expected an open and silent connection", n, err)
	}
}

// Unhex decodes hexadecimal digits with white space between them.
func Unhex(tb testing.TB, s string) []byte {
	tb.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		tb.Fatal(err)
	}
	return b
}
