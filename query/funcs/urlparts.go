package funcs

import (
	"bytes"
)

// urlParts holds the parts of a URL, unchanged. A part that the URL does not have is nil.
type urlParts struct {
	scheme, host, port, path, query, fragment []byte
}

// splitURL splits an absolute URL, or the path or query of one: a text that begins with / or ?, as in a request line. So
// //a/b is a path, not a host. ok is false if the text is something else, or if what stands after :// is not a host with
// or without a user and a port.
func splitURL(b []byte) (u urlParts, ok bool) {
	rest := b
	if n := schemeLength(b); n > 0 {
		u.scheme, rest = b[:n], b[n+1:]
		if after, found := bytes.CutPrefix(rest, doubleSlash); found {
			end := bytes.IndexAny(after, "/?#")
			if end < 0 {
				end = len(after)
			}
			if rest = after[end:]; !u.authority(after[:end]) {
				return u, false
			}
		}
	} else if len(b) == 0 || b[0] != '/' && b[0] != '?' {
		return u, false
	}
	rest, u.fragment = cutPart(rest, '#')
	u.path, u.query = cutPart(rest, '?')
	return u, true
}

var doubleSlash = []byte("//")

// cutPart cuts a text at a byte; after is nil if the text does not contain it.
func cutPart(b []byte, at byte) (before, after []byte) {
	if i := bytes.IndexByte(b, at); i >= 0 {
		return b[:i], b[i+1:]
	}
	return b, nil
}

// schemeLength returns the length of a scheme in front of a colon; 0 if there is none.
func schemeLength(b []byte) int {
	for i, c := range b {
		switch {
		case c|0x20-'a' < 26:
		case i == 0:
			return 0
		case c == ':':
			return i
		case c-'0' >= 10 && c != '+' && c != '-' && c != '.':
			return 0
		}
	}
	return 0
}

// authority reads user@host:port.
func (u *urlParts) authority(b []byte) bool {
	if i := bytes.LastIndexByte(b, '@'); i >= 0 {
		b = b[i+1:]
	}
	if len(b) > 0 && b[0] == '[' {
		end := bytes.IndexByte(b, ']')
		if end < 0 {
			return false
		}
		u.host, b = b[1:end], b[end+1:]
		if _, ok := parseIPv6(u.host); !ok || len(b) > 0 && b[0] != ':' {
			return false
		}
		b = bytes.TrimPrefix(b, colons[:1])
	} else {
		u.host, b = cutPart(b, ':')
		for _, c := range u.host {
			if !isHostByte(c) {
				return false
			}
		}
	}
	if len(u.host) == 0 {
		u.host = nil
	}
	if len(b) > 0 {
		u.port = b
		_, ok := portOf(b)
		return ok
	}
	return true
}

// isHostByte reports whether a byte can be part of a host: a letter, a digit, a byte of a character that is not ASCII, or
// one of those that RFC 3986 allows.
func isHostByte(c byte) bool {
	return alphanumeric(c) || c >= 0x80 || bytes.IndexByte(hostBytes, c) >= 0
}

var hostBytes = []byte("-._~%!$&'()*+,;=")

// portOf reads a port.
func portOf(b []byte) (n int64, ok bool) {
	for len(b) > 1 && b[0] == '0' {
		b = b[1:]
	}
	for _, c := range b {
		if c-'0' >= 10 || n > 65535 {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, len(b) > 0 && n <= 65535
}
