package avro

import (
	"bytes"
	"fmt"
	"unicode/utf8"
)

// sniff says what the first bytes of a connection look like, given that they cannot begin a frame: its listSize is 0 or
// beyond the limit. nil means nothing that is known; small numbers at both places are left to the limits.
func sniff(b []byte) error {
	what := func(reason, looks, hint string) error {
		return &refusal{reason, fmt.Errorf("the first bytes (% x) look like %s, expected are Flume's Avro RPC frames: %s", b[:8], looks, hint)}
	}
	switch {
	case isHTTP(b):
		return what(reasonHTTP, "an HTTP request", "point it at the right port; health and metrics are at --admin-listen")
	case b[0] == 0x16 && b[1] == 3 && b[5] == 1:
		return what(reasonTLS, "a TLS client hello", "this port takes plain connections; set ssl = false in the Avro sink")
	case b[0] == 0x78 && (int(b[0])<<8|int(b[1]))%31 == 0: // RFC 1950, section 2.2: CMF and FLG
		return what(reasonZlib, "a zlib stream", "set compression-type = none in the Avro sink")
	case b[0] == 0 && (b[4] == 0x82 || b[4] == 0x80 && b[5] == 1):
		return what(reasonThrift, "a framed Thrift call", "use Flume's Avro sink, or point the Thrift sink at --thrift-listen")
	case bytes.HasPrefix(b, []byte("PROXY ")) || bytes.HasPrefix(b, []byte("\r\n\r\n\x00\r\nQ")):
		return what(reasonProxy, "a PROXY protocol header", "turn the PROXY protocol off in the load balancer")
	case isText(b[:8]):
		return what(reasonText, "text", "use Flume's Avro sink, or etl send, to send lines")
	case b[0] != 0 || b[4] != 0:
		return what(reasonUnknown, "nothing known", "only Flume's Avro sink, or etl send, may talk to this port")
	}
	return nil
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
	for len(b) > 0 && b[len(b)-1] >= 0x80 { // a letter may be cut off at the end
		b = b[:len(b)-1]
	}
	return len(b) > 0 && utf8.Valid(b)
}
