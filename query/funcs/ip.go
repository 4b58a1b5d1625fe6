package funcs

import (
	"bytes"
	"encoding/binary"
	"strconv"
)

// ip is an IP address as MySQL stores it: 4 or 16 bytes.
type ip struct {
	room [16]byte
	size int
}

func (a *ip) bytes() []byte { return a.room[:a.size] }

// ipOf returns the address that has these bytes; ok is false if there are not 4 or 16 of them.
func ipOf(b []byte) (a ip, ok bool) {
	a.size = copy(a.room[:], b)
	return a, len(b) == 4 || len(b) == 16
}

// parseIP reads an IPv4 or IPv6 address, as INET6_ATON does.
func parseIP(b []byte) (a ip, ok bool) {
	if n, ok := parseIPv4(b); ok {
		binary.BigEndian.PutUint32(a.room[:], uint32(n))
		a.size = 4
		return a, true
	}
	return parseIPv6(b)
}

// parseIPv6 reads eight groups of one to four hexadecimal digits. One "::" can stand for one or more groups of zeros, and an
// IPv4 address for the last two groups.
func parseIPv6(b []byte) (a ip, ok bool) {
	const none = -1
	n, gap := 0, none // the bytes that were read, and at which of them :: stands
	group := func(v uint64) bool {
		if n == len(a.room) {
			return false
		}
		binary.BigEndian.PutUint16(a.room[n:], uint16(v))
		n += 2
		return true
	}
	if bytes.HasPrefix(b, colons) {
		gap, b = 0, b[2:]
	}
	for len(b) > 0 {
		i, v := 0, uint64(0)
		for i < len(b) && i < 5 {
			d, ok := digit(b[i])
			if !ok {
				break
			}
			v = v<<4 | uint64(d)
			i++
		}
		if i < len(b) && b[i] == '.' {
			v4, ok := parseIPv4(b)
			if !ok || !group(uint64(v4)>>16) || !group(uint64(v4)) {
				return a, false
			}
			break
		}
		if i == 0 || i > 4 || !group(v) {
			return a, false
		}
		b = b[i:]
		switch {
		case len(b) == 0:
		case bytes.HasPrefix(b, colons) && gap == none:
			gap, b = n, b[2:]
		case b[0] == ':' && len(b) > 1:
			b = b[1:]
		default:
			return a, false
		}
	}
	if gap == none {
		return ip{a.room, n}, n == len(a.room)
	}
	if n == len(a.room) {
		return a, false
	}
	var whole ip
	whole.size = len(whole.room)
	copy(whole.room[:], a.room[:gap])
	copy(whole.room[len(whole.room)-(n-gap):], a.room[gap:n])
	return whole, true
}

var colons = []byte("::")

// mappedPrefix begins the IPv6 address of an IPv4 address, ::ffff:1.2.3.4.
var mappedPrefix = []byte{10: 0xff, 11: 0xff}

func (a *ip) isMapped() bool { return a.size == 16 && bytes.HasPrefix(a.bytes(), mappedPrefix) }

// isCompatible reports whether the address is ::1.2.3.4, which IPv4 addresses were written as before mappedPrefix. As in
// MySQL, :: and ::1 are not.
func (a *ip) isCompatible() bool {
	return a.size == 16 && binary.BigEndian.Uint64(a.room[:]) == 0 && binary.BigEndian.Uint64(a.room[8:])-2 < 1<<32-2
}

// endsAsIPv4 reports whether the end of the address is written as an IPv4 address. Of the IPv4-compatible ones these are
// those with six groups of zeros, not seven.
func (a *ip) endsAsIPv4() bool {
	return a.isMapped() || a.isCompatible() && binary.BigEndian.Uint16(a.room[12:]) != 0
}

// appendIP writes an address as INET6_NTOA does: the longest run of groups of zeros, and the first of those as long, is
// "::".
func appendIP(dst []byte, a ip) []byte {
	if a.size == 4 {
		return appendIPv4(dst, a.room[:4])
	}
	groups := 8
	if a.endsAsIPv4() {
		groups = 6
	}
	from, to := zeroRun(a.room[:2*groups])
	for g := 0; g < groups; g++ {
		if g == from {
			dst = append(dst, ':', ':')
			g = to - 1
			continue
		}
		if g > 0 && g != to {
			dst = append(dst, ':')
		}
		dst = strconv.AppendUint(dst, uint64(binary.BigEndian.Uint16(a.room[2*g:])), 16)
	}
	if groups == 8 {
		return dst
	}
	if to != groups {
		dst = append(dst, ':')
	}
	return appendIPv4(dst, a.room[12:])
}

// zeroRun returns the longest run of groups of zeros; from is -1 if there is none.
func zeroRun(b []byte) (from, to int) {
	from, to = -1, -1
	for g := 0; g < len(b)/2; g++ {
		end := g
		for end < len(b)/2 && b[2*end] == 0 && b[2*end+1] == 0 {
			end++
		}
		if end > g && end-g > to-from {
			from, to = g, end
		}
		g = max(g, end)
	}
	return from, to
}

func appendIPv4(dst, b []byte) []byte {
	for i, octet := range b {
		if i > 0 {
			dst = append(dst, '.')
		}
		dst = strconv.AppendUint(dst, uint64(octet), 10)
	}
	return dst
}
