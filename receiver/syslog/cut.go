package syslog

import (
	"bytes"
	"slices"
)

// cutter splits one stream into messages: counted octets (RFC 6587, "123 <34>…") and lines. Flume supports only lines.
// A message longer than most bytes is split into several of up to most bytes, as in Flume.
type cutter struct {
	most int
	left int // how many bytes of a counted message longer than most are still to come
}

// cut returns the first message of b.
func (c *cutter) cut(b []byte) (body, rest []byte, ok bool) {
	if c.left == 0 {
		n, head := counted(b)
		if head == 0 {
			return c.line(b)
		}
		piece := min(n, c.most)
		if len(b) < head+piece {
			return nil, b, false
		}
		c.left = n - piece
		return c.piece(b[head:], piece)
	}
	piece := min(c.left, c.most)
	if len(b) < piece {
		return nil, b, false
	}
	c.left -= piece
	return c.piece(b, piece)
}

// longestHead bounds what counted reads.
const longestHead = 8

// more implements lines.More for cut.
func (c *cutter) more(kept, arrived []byte) bool {
	have := len(kept) + len(arrived)
	if c.left > 0 {
		return have >= min(c.left, c.most)
	}
	if len(kept) < longestHead { // still undecided between a line and a count
		return true
	}
	if n, head := counted(kept); head > 0 {
		return have >= head+min(n, c.most)
	}
	return have > c.most || bytes.IndexByte(arrived, '\n') >= 0
}

func (c *cutter) piece(b []byte, n int) (body, rest []byte, ok bool) {
	if c.left > 0 {
		return b[:n:n], b[n:], true
	}
	return trimmed(b[:n]), b[n:], true
}

func (c *cutter) line(b []byte) (body, rest []byte, ok bool) {
	at := bytes.IndexByte(b[:min(len(b), c.most+1)], '\n')
	switch {
	case at >= 0:
		return trimmed(b[:at]), b[at+1:], true
	case len(b) > c.most:
		return b[:c.most:c.most], b[c.most:], true
	}
	return nil, b, false
}

// counted returns the octet count at the head of a message, and the length of the count with its space; 0 if there is
// none.
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

// trimmed returns b without the carriage return that some senders put before a line's end. Its capacity ends with it.
func trimmed(b []byte) []byte {
	b = bytes.TrimSuffix(bytes.TrimSuffix(b, []byte{'\n'}), []byte{'\r'})
	return slices.Clip(b)
}
