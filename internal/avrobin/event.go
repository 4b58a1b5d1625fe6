package avrobin

import "math/bits"

// Event is one of Flume's events as views on its encoding: flume.avdl's AvroFlumeEvent, record{headers: map<string>,
// body: bytes}. So it stands in the Avro RPC, and bare (no magic, no container) as the value of the records of
// KafkaChannel and of KafkaSink with useFlumeEventFormat.
type Event struct {
	Headers Headers
	Body    []byte
}

// Headers is a map of strings in its encoding, which was checked when the event was read. Nil is no headers.
type Headers []byte

// ReadEvent reads the event at b[at:]. Where bad is empty, next is the offset after the event. Else bad says which part
// of it is malformed or cut short, and next is that part's offset. Any number of blocks is taken, and counts may be
// negative. Strings are not checked for UTF-8.
func ReadEvent(b []byte, at int) (e Event, next int, bad string) {
	from := at
	for {
		n, next := ReadBlock(b, at, 2)
		if next < 0 {
			return Event{}, at, "number of headers"
		}
		at = next
		if n == 0 {
			break
		}
		for range n {
			if _, next = ReadBytes(b, at); next < 0 {
				return Event{}, at, "header name"
			}
			at = next
			if _, next = ReadBytes(b, at); next < 0 {
				return Event{}, at, "header value"
			}
			at = next
		}
	}
	body, next := ReadBytes(b, at)
	if next < 0 {
		return Event{}, at, "body"
	}
	return Event{Headers: Headers(b[from:at:at]), Body: body}, next, ""
}

// Get returns the value of the header of that name as a view; nil if there is none, and not nil if the value is empty.
// Of a name that occurs twice the first counts.
func (h Headers) Get(name string) []byte {
	w := h.Walk()
	for w.Next() {
		if string(w.Name) == name {
			return w.Value
		}
	}
	return nil
}

// Walk returns an iterator over the headers, in the order in which they are written.
func (h Headers) Walk() Walk { return Walk{rest: h} }

// Walk iterates over headers. It is not safe for concurrent use.
type Walk struct {
	Name, Value []byte // views
	rest        Headers
	left        int // of the block
}

// Next advances to the next header and reports whether there is one.
func (w *Walk) Next() bool {
	at := 0
	if w.left == 0 {
		if len(w.rest) == 0 {
			return false
		}
		if w.left, at = ReadBlock(w.rest, 0, 2); w.left == 0 {
			w.rest = nil
			return false
		}
	}
	w.left--
	w.Name, at = ReadBytes(w.rest, at)
	w.Value, at = ReadBytes(w.rest, at)
	w.rest = w.rest[at:]
	return true
}

// AppendEventHead begins an event with this number of headers. The name and value of each must follow by [AppendBytes],
// and then [AppendEventBody].
func AppendEventHead(dst []byte, headers int) []byte {
	if headers == 0 {
		return dst
	}
	return AppendLong(dst, int64(headers))
}

// AppendEventBody ends the headers and the event.
func AppendEventBody(dst, body []byte) []byte { return AppendBytes(append(dst, 0), body) }

// EventSize returns the bytes of an event, given the number of its headers, the sum of [BytesSize] of their names and
// values, and the body's length.
func EventSize(headers, headerBytes, body int) int {
	n := headerBytes + 1 + BytesSize(body)
	if headers > 0 {
		n += longSize(headers)
	}
	return n
}

// BytesSize returns the size of n bytes with their length in front.
func BytesSize(n int) int { return longSize(n) + n }

// longSize returns the size of a number that is not negative.
func longSize(n int) int { return (bits.Len64(uint64(n)<<1|1) + 6) / 7 }
