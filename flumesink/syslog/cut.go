package syslog

import (
	"bytes"
	"slices"
)

// cut finds the first message of a stream: one of counted octets (RFC 6587, "123 <34>…"), or a line. Flume knows lines
// alone. Of a line that is longer than most bytes the first most are a message, as in Flume; the rest is another one.
func cut(b []byte, most int) (body, rest []byte, ok bool) {
	if n, head := counted(b); head > 0 {
		switch {
		case n > most: // its count is not believed; it is cut as a line is
		case len(b) < head+n:
			return nil, b, false
		default:
			return trimmed(b[head : head+n]), b[head+n:], true
		}
	}
	at := bytes.IndexByte(b[:min(len(b), most+1)], '\n')
	switch {
	case at >= 0:
		return trimmed(b[:at]), b[at+1:], true
	case len(b) > most:
		return b[:most:most], b[most:], true
	}
	return nil, b, false
}

// counted reads the octet count at the head of a message, and how long it is with its space; 0 where there is none.
func counted(b []byte) (n, head int) {
	for i, c := range b[:min(len(b), 7)] {
		switch {
		case c >= '0' && c <= '9' && (i > 0 || c != '0'):
			n = n*10 + int(c-'0')
		case c == ' ' && i > 0 && i+1 < len(b) && b[i+1] == '<':
			return n, i + 1
		default:
			return 0, 0
		}
	}
	return 0, 0
}

// trimmed is b without the carriage return that some senders put before a line's end, its capacity ending with it.
func trimmed(b []byte) []byte {
	b = bytes.TrimSuffix(bytes.TrimSuffix(b, []byte{'\n'}), []byte{'\r'})
	return slices.Clip(b)
}
