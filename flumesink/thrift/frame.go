package thrift

import (
	"bytes"
	"encoding/binary"
	"io"

	"github.com/sluice-etl/sluice/internal/option"
	"github.com/sluice-etl/sluice/receiver"
	"github.com/sluice-etl/sluice/receiver/netserver"
)

// reasonSASL is the protocol's own reason for closing a connection, in addition to receiver.Reasons.
const reasonSASL = "sasl" // the sender uses Kerberos

// leastMessage is the length of the shortest message: compact, with an empty name and no arguments.
const leastMessage = 5

// input reads frames from a connection: a length of four bytes and the message. It reads no byte of the next frame and
// has no buffer, so a frame's bytes go from the socket directly into the frame. It is not safe for concurrent use.
type input struct {
	conn   io.Reader
	limits *receiver.Limits
	head   [8]byte // the length and the message's first bytes, which show senders of other protocols
	have   int     // how many bytes of head were read
	any    bool    // a complete frame was read before
}

// wait blocks until the first byte of the next frame has arrived. io.EOF means that the connection ended between
// frames.
func (in *input) wait() error {
	n, err := in.conn.Read(in.head[:])
	in.have = n
	if n > 0 {
		return nil
	}
	return err
}

// read reads the message of the frame whose first byte wait has seen into f.
func (in *input) read(f *receiver.Frame) error {
	if _, err := io.ReadFull(in.conn, in.head[in.have:]); err != nil {
		return netserver.UnexpectedEOF(err)
	}
	length := int64(binary.BigEndian.Uint32(in.head[:]))
	if !isThrift(in.head[4:]) || length < leastMessage {
		return in.implausible(length)
	}
	if err := in.limits.CheckFrame(length); err != nil {
		return err
	}
	f.Bytes = append(f.Bytes, in.head[4:]...)
	for len(f.Bytes) < int(length) {
		have := len(f.Bytes)
		if have == cap(f.Bytes) {
			if err := f.Grow(); err != nil {
				return err
			}
		}
		n, err := in.conn.Read(f.Bytes[have:min(cap(f.Bytes), int(length))])
		f.Bytes = f.Bytes[:have+n]
		if err != nil && len(f.Bytes) < int(length) {
			return netserver.UnexpectedEOF(err)
		}
	}
	in.any = true
	return nil
}

// isThrift reports whether b begins a message of the compact or the strict binary protocol.
func isThrift(b []byte) bool {
	return b[0] == compactID && b[1]&versionMask == compactVersion || b[0] == 0x80 && b[1] == 1 && b[2] == 0
}

// hints say what to do, by the reason of SniffProtocol.
var hints = map[string]string{
	receiver.ReasonHTTP:    "use the right port; health and metrics are at " + option.Ref("admin-listen"),
	receiver.ReasonTLS:     "this port accepts plain connections only; set ssl = false in the Thrift sink, or set " + option.Ref("thrift.tls-cert"),
	receiver.ReasonZlib:    "Flume's Thrift is never deflated; use the Avro sink and " + option.Ref("avro.listen") + " to deflate",
	receiver.ReasonAvro:    "use Flume's Thrift sink, or point the Avro sink at " + option.Ref("avro.listen"),
	receiver.ReasonThrift:  "use TFramedTransport, as Flume's Thrift sink does",
	receiver.ReasonProxy:   "turn the PROXY protocol off in the load balancer",
	receiver.ReasonText:    "use Flume's Thrift sink, or etl send, to send lines",
	receiver.ReasonUnknown: "this port accepts only Flume's Thrift sink and etl send --to thrift://HOST:PORT",
}

// implausible returns why a head cannot be that of a frame: for the first bytes of a connection the protocol that they
// look like, and otherwise what was expected.
func (in *input) implausible(length int64) error {
	b := in.head[:]
	if !in.any {
		if b[0] == 1 && bytes.HasPrefix(b[5:], []byte("GSS")) { // TSaslTransport: START, a length, the mechanism GSSAPI
			return receiver.Reject(reasonSASL, "the first bytes (% x) look like a Kerberos handshake, which is not supported: set kerberos = false and ssl = true in the Thrift sink, and set %s and %s", b,
				option.Ref("thrift.tls-cert"), option.Ref("ip-filter"))
		}
		if reason, looks := netserver.SniffProtocol(b); hints[reason] != "" && !isThrift(b[4:]) {
			return receiver.Reject(reason, "the first bytes (% x) look like %s, expected Flume's framed Thrift calls: %s", b, looks, hints[reason])
		}
	}
	if length < leastMessage {
		return receiver.Malformed("a frame of %d bytes: must be at least %d", length, leastMessage)
	}
	return receiver.Malformed("a message begins with % x, expected 82 (compact protocol) or 80 01 (strict binary protocol)", b[4:])
}
