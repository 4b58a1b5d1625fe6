package thrift

import (
	"encoding/binary"

	"github.com/sluice-etl/sluice/receiver"
)

// What messages of the two protocols begin with (thrift/doc/specs, "Thrift Compact protocol" and "Thrift Binary
// protocol").
const (
	compactID      = 0x82
	compactVersion = 1
	versionMask    = 0x1f

	messageCall      = 1
	messageReply     = 2
	messageException = 3

	nameAppend = "append"
	nameBatch  = "appendBatch"

	// maxName bounds a method's name, which replies repeat.
	maxName = 256
	// maxDepth bounds the nesting of values that are skipped, as in Apache's library.
	maxDepth = 64
)

// kind is a value's type, by the binary protocol's numbers. Those of the compact protocol are converted.
type kind byte

const (
	kindStop   kind = 0
	kindBool   kind = 2
	kindByte   kind = 3
	kindDouble kind = 4
	kindI16    kind = 6
	kindI32    kind = 8
	kindI64    kind = 10
	kindString kind = 11
	kindStruct kind = 12
	kindMap    kind = 13
	kindSet    kind = 14
	kindList   kind = 15
	kindUUID   kind = 16
	// kindInHeader is a bool whose value is in its field's header: the compact protocol's true and false.
	kindInHeader kind = 254
	kindBad      kind = 255
)

// compactKinds are the types of the compact protocol by their numbers, as for elements of containers.
var compactKinds = [16]kind{
	kindStop, kindBool, kindBool, kindByte, kindI16, kindI32, kindI64, kindDouble, kindString, kindList, kindSet, kindMap,
	kindStruct, kindUUID, kindBad, kindBad,
}

// binaryKind returns the type that a byte of the binary protocol stands for.
func binaryKind(b byte) kind {
	if k := kind(b); k <= kindUUID {
		return k
	}
	return kindBad
}

// reader reads a message of either protocol from b, starting at at. Its methods return false for bytes that the
// protocol does not allow. Lengths and counts are checked against the remaining bytes. It does not allocate.
type reader struct {
	b       []byte
	at      int
	compact bool
}

// message is the head of a call. Its name is a view.
type message struct {
	compact bool
	name    []byte
	seqid   uint32
}

// message reads the message's head.
func (r *reader) message() (m message, err error) {
	if len(r.b) < leastMessage || !isThrift(r.b) {
		return m, receiver.Malformed("no message of the compact or the strict binary protocol")
	}
	r.compact = r.b[0] == compactID
	var typ byte
	var named, numbered bool
	if r.compact {
		r.at, typ = 2, r.b[1]>>5
		m.seqid, numbered = r.varint()
		m.name, named = r.bytes()
	} else {
		r.at, typ = 4, r.b[3]
		m.name, named = r.bytes()
		m.seqid, numbered = r.uint32()
	}
	m.compact = r.compact
	switch {
	case !named || !numbered:
		return m, receiver.Malformed("the message's name or number is cut short")
	case typ != messageCall:
		return m, receiver.Malformed("a message of type %d: expected is a call, %d", typ, messageCall)
	case len(m.name) > maxName:
		return m, receiver.Malformed("a method's name of %d bytes: the most is %d", len(m.name), maxName)
	}
	return m, nil
}

// left returns how many bytes are left.
func (r *reader) left() int { return len(r.b) - r.at }

func (r *reader) byte() (byte, bool) {
	if r.at >= len(r.b) {
		return 0, false
	}
	r.at++
	return r.b[r.at-1], true
}

func (r *reader) uint32() (uint32, bool) {
	if r.left() < 4 {
		return 0, false
	}
	r.at += 4
	return binary.BigEndian.Uint32(r.b[r.at-4:]), true
}

// varint reads the compact protocol's 32 bits, in five bytes at most.
func (r *reader) varint() (uint32, bool) {
	u := uint32(0)
	for i := range min(5, r.left()) {
		c := r.b[r.at+i]
		u |= uint32(c&0x7f) << (7 * i)
		if c < 0x80 {
			r.at += i + 1
			return u, i < 4 || c < 0x10
		}
	}
	return 0, false
}

// skipVarint passes over a number of 64 bits, in ten bytes at most.
func (r *reader) skipVarint() bool {
	for i := range min(10, r.left()) {
		if r.b[r.at+i] < 0x80 {
			r.at += i + 1
			return true
		}
	}
	return false
}

// size reads a length or a count. Everything that is counted has at least one byte.
func (r *reader) size() (int, bool) {
	var n uint32
	var ok bool
	if r.compact {
		n, ok = r.varint()
	} else {
		n, ok = r.uint32()
	}
	return int(n), ok && int64(n) <= int64(r.left())
}

// bytes reads a string or binary: a view.
func (r *reader) bytes() ([]byte, bool) {
	n, at := 0, r.at
	if r.compact && at < len(r.b) && r.b[at] < 0x80 { // most have fewer than 128 bytes
		n, at = int(r.b[at]), at+1
		if n > len(r.b)-at {
			return nil, false
		}
	} else {
		var ok bool
		if n, ok = r.size(); !ok {
			return nil, false
		}
		at = r.at
	}
	r.at = at + n
	return r.b[at:r.at:r.at], true
}

// field reads a field's header; last is the number of the one before it in the same struct, 0 at its beginning. At the
// struct's end it is kindStop.
func (r *reader) field(last int16) (k kind, id int16, ok bool) {
	head, ok := r.byte()
	if !ok {
		return kindBad, 0, false
	}
	if !r.compact {
		if k = binaryKind(head); k == kindStop {
			return kindStop, 0, true
		}
		if r.left() < 2 {
			return kindBad, 0, false
		}
		r.at += 2
		return k, int16(binary.BigEndian.Uint16(r.b[r.at-2:])), true
	}
	switch k = compactKinds[head&15]; k {
	case kindStop:
		return kindStop, 0, true
	case kindBool:
		k = kindInHeader
	}
	if delta := int16(head >> 4); delta != 0 {
		return k, last + delta, true
	}
	n, ok := r.varint() // zig-zag
	return k, int16(n>>1) ^ -int16(n&1), ok
}

// list reads a list's or set's header.
func (r *reader) list() (element kind, n int, ok bool) {
	head, ok := r.byte()
	if !ok {
		return kindBad, 0, false
	}
	if !r.compact {
		n, ok = r.size()
		return binaryKind(head), n, ok
	}
	if n = int(head >> 4); n == 15 {
		n, ok = r.size()
	}
	element = compactKinds[head&15]
	return element, n, ok && n <= r.left() && element != kindBad
}

// pairs reads a map's header.
func (r *reader) pairs() (key, value kind, n int, ok bool) {
	if r.compact {
		if n, ok = r.size(); !ok || n == 0 {
			return kindStop, kindStop, 0, ok
		}
		head, ok := r.byte()
		return compactKinds[head>>4], compactKinds[head&15], n, ok && 2*n <= r.left()
	}
	if r.left() < 2 {
		return kindBad, kindBad, 0, false
	}
	key, value = binaryKind(r.b[r.at]), binaryKind(r.b[r.at+1])
	r.at += 2
	n, ok = r.size()
	return key, value, n, ok && 2*n <= r.left()
}

// skip passes over a value of a field that is not Flume's.
func (r *reader) skip(k kind, depth int) bool {
	if depth <= 0 {
		return false
	}
	n := 0
	switch k {
	case kindInHeader:
	case kindBool, kindByte:
		n = 1
	case kindI16, kindI32, kindI64:
		if r.compact {
			return r.skipVarint()
		}
		n = 2 << ((k - kindI16) / 2) // their numbers are 6, 8 and 10
	case kindDouble:
		n = 8
	case kindUUID:
		n = 16
	case kindString:
		_, ok := r.bytes()
		return ok
	case kindStruct:
		return r.skipStruct(depth)
	case kindList, kindSet:
		element, count, ok := r.list()
		for i := 0; i < count && ok; i++ {
			ok = r.skip(element, depth-1)
		}
		return ok
	case kindMap:
		key, value, count, ok := r.pairs()
		for i := 0; i < count && ok; i++ {
			ok = r.skip(key, depth-1) && r.skip(value, depth-1)
		}
		return ok
	default:
		return false
	}
	if n > r.left() {
		return false
	}
	r.at += n
	return true
}

func (r *reader) skipStruct(depth int) bool {
	last := int16(0)
	for {
		k, id, ok := r.field(last)
		if !ok || k == kindStop {
			return ok
		}
		if !r.skip(k, depth-1) {
			return false
		}
		last = id
	}
}
