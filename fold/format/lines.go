package format

import (
	"bytes"
	"net/netip"
	"unsafe"

	"github.com/sluice-etl/sluice/fold/value"
)

// nextLine removes the next line that is not blank from rest, and returns it without its line ending: LF, CRLF, or CR
// at the end of rest. ok is false if there is none.
func nextLine(rest *[]byte) (line []byte, ok bool) {
	for b := *rest; len(b) > 0; b = *rest {
		line = b
		if i := bytes.IndexByte(b, '\n'); i >= 0 {
			line, *rest = b[:i], b[i+1:]
		} else {
			*rest = nil
		}
		for len(line) > 0 && line[len(line)-1] == '\r' {
			line = line[:len(line)-1]
		}
		line = value.TrimBOM(line) // concatenated files have several
		if len(line) > 0 && (line[0] > ' ' || len(value.TrimSpace(line)) > 0) {
			return line, true
		}
	}
	return nil, false
}

// The classes of bytes that a host can be checked by; 0 is a byte of host names and IPv4 addresses.
const (
	notHost = 1
	colon   = 2
)

// byteClass is the class of each byte: of host names, of addresses of both families and their zones, and of nginx's
// "unix:".
var byteClass = func() (class [256]uint8) {
	for c := range class {
		if c < 0x80 && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			class[c] = notHost
		}
	}
	for _, c := range []byte(".-_%[]") {
		class[c] = 0
	}
	class[':'] = colon
	return class
}()

// isHost reports whether b, which is not empty, can be a host: the name or address of one. Only an address holds a
// colon (alone, in brackets or with a port), and nginx's "unix:".
func isHost(b []byte) bool {
	classes := uint8(0)
	for _, c := range b {
		classes |= byteClass[c]
	}
	if classes&notHost != 0 {
		return false
	}
	return classes == 0 || isPlainIPv6(b) || isAddress(b) || string(b) == "unix:"
}

// isPlainIPv6 recognizes nearly all addresses of IPv6 in one pass: groups of hexadecimal digits and colons, nothing
// else.
func isPlainIPv6(b []byte) bool {
	groups, digits, short := 0, 0, false
	for i, c := range b {
		switch {
		case c-'0' <= 9 || c|0x20-'a' <= 5:
			if digits == 0 {
				groups++
			}
			if digits++; digits > 4 {
				return false
			}
		case c != ':' || i == 0:
			return false // an address that begins with :: is not plain
		case digits == 0 && short:
			return false
		default:
			short = short || digits == 0
			digits = 0
		}
	}
	return (digits > 0 || b[len(b)-2] == ':') && (groups == 8 && !short || groups < 8 && short)
}

// isAddress reports whether b is an IP address, with or without brackets and a port. It allocates for texts that are
// almost an IPv6 address.
func isAddress(b []byte) bool {
	if len(b) < 2 || len(b) > 80 {
		return false
	}
	colons, points := 0, 0
	for i, c := range b {
		switch {
		case c == ':':
			colons++
		case c == '.':
			points++
		case c == '%' && colons > 1:
			return isParsed(b, netip.ParseAddr)
		case c == '[' && i == 0:
			if b[len(b)-1] == ']' {
				return isParsed(b[1:len(b)-1], netip.ParseAddr)
			}
			return isParsed(b, netip.ParseAddrPort)
		case c-'0' > 9 && c|0x20-'a' > 5:
			return false
		}
	}
	switch colons {
	case 0:
		return points == 3 && isIPv4(b)
	case 1:
		return points == 3 && isParsed(b, netip.ParseAddrPort)
	}
	return isParsed(b, netip.ParseAddr)
}

// isIPv4 reports whether b is four numbers up to 255, separated by points and without leading zeros.
func isIPv4(b []byte) bool {
	groups, digits, n := 1, 0, 0
	for _, c := range b {
		switch {
		case c == '.' && digits > 0:
			groups, digits, n = groups+1, 0, 0
		case c-'0' > 9 || digits > 0 && n == 0:
			return false
		default:
			if digits, n = digits+1, 10*n+int(c-'0'); n > 255 {
				return false
			}
		}
	}
	return groups == 4 && digits > 0
}

func isParsed[T any](b []byte, parse func(string) (T, error)) bool {
	_, err := parse(unsafe.String(unsafe.SliceData(b), len(b))) //nolint:gosec // G103: nothing of the text is kept
	return err == nil
}

// isIdent reports whether b can be an identity that identd gave, rather than a field that was shifted there because the
// line has something in front of the host.
func isIdent(b []byte) bool {
	return len(b) > 0 && !bytes.ContainsAny(b, ":,|\"[]{}<>") && !isAddress(b)
}

// isUser reports whether b can be a user's name, which may contain spaces, rather than fields that were shifted there
// because the line has something in front of the host: these contain a hyphen, an address or a syslog tag as a word.
func isUser(b []byte) bool {
	if string(b) == "-" {
		return true
	}
	if len(b) == 0 || bytes.ContainsAny(b, "\"[{") && string(b) != `""` {
		return false
	}
	for len(b) > 0 {
		word := b
		if i := bytes.IndexByte(b, ' '); i >= 0 {
			word, b = b[:i], b[i+1:]
		} else {
			b = nil
		}
		if n := len(word); n > 0 && (string(word) == "-" || word[n-1] == ':' || word[n-1] == ',' || isAddress(word)) {
			return false
		}
	}
	return true
}
