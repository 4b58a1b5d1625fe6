package netserver

import (
	"bytes"
	"unicode/utf8"

	"github.com/sluice-etl/sluice/receiver"
)

// SniffProtocol returns which protocol the first bytes of a connection look like, as one of the reasons and as a text.
// b has at least 8 bytes, and they must be known not to begin a frame of the receiver's own protocol. The reason is
// empty if they look like a frame of it.
func SniffProtocol(b []byte) (reason, looks string) {
	switch {
	case isHTTP(b):
		return receiver.ReasonHTTP, "an HTTP request"
	case b[0] == 0x16 && b[1] == 3 && b[5] == 1:
		return receiver.ReasonTLS, "a TLS client hello"
	case b[0] == 0x78 && (int(b[0])<<8|int(b[1]))%31 == 0: // RFC 1950, section 2.2: CMF and FLG
		return receiver.ReasonZlib, "a zlib stream"
	case b[0] == 0 && (b[4] == 0x82 || b[4] == 0x80 && b[5] == 1):
		return receiver.ReasonThrift, "a framed Thrift call"
	case b[0] == 0x82 && b[1] == 0x21 || b[0] == 0x80 && b[1] == 1 && b[2] == 0:
		return receiver.ReasonThrift, "a Thrift call without frames"
	case b[0] == 0 && b[4] == 0 && b[5] == 0 && (b[6] != 0 || b[7] != 0):
		return receiver.ReasonAvro, "an Avro RPC frame"
	case bytes.HasPrefix(b, []byte("PROXY ")) || bytes.HasPrefix(b, []byte("\r\n\r\n\x00\r\nQ")):
		return receiver.ReasonProxy, "a PROXY protocol header"
	case isText(b[:8]):
		return receiver.ReasonText, "text"
	case b[0] != 0 || b[4] != 0:
		return receiver.ReasonUnknown, "no known protocol"
	}
	return "", ""
}

func isHTTP(b []byte) bool {
	for _, method := range []string{"GET ", "POST ", "HEAD ", "PUT ", "OPTIONS ", "DELETE ", "CONNECT ", "PATCH ", "TRACE ", "PRI * "} {
		if bytes.HasPrefix(b, []byte(method)[:min(len(method), len(b))]) {
			return true
		}
	}
	return false
}

func isText(b []byte) bool {
	for _, c := range b {
		if c != '\t' && c != '\n' && c != '\r' && (c < 0x20 || c == 0x7f) {
			return false
		}
	}
	for len(b) > 0 && b[len(b)-1] >= 0x80 { // the last character may be incomplete
		b = b[:len(b)-1]
	}
	return len(b) > 0 && utf8.Valid(b)
}
