package http

import (
	"bytes"
	"hash/maphash"
	"slices"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/sluice-etl/sluice/internal/textfile"
	"github.com/sluice-etl/sluice/receiver"
)

// maxDepth bounds the nesting of ignored members.
const maxDepth = 64

// decoder makes one pass over a JSON text. Strings are unescaped in place, which never makes them longer, so all
// results are views of the text. A parser that builds a tree would take up to 30 bytes for each byte of "[{},{},…".
type decoder struct {
	b     []byte
	at    int
	event int // index of the event that is being read

	hashed bool       // seen is filled with the names of the event's headers
	seen   [64]uint64 // a bit for each hash
}

// decode decodes the events in f.Bytes, which it modifies. The error is a [receiver.RejectError], or that of waiting
// for memory.
func decode(f *receiver.Frame, limits *receiver.Limits) error {
	d := decoder{b: f.Bytes}
	if bytes.HasPrefix(d.b, []byte(textfile.BOM)) {
		d.at = len(textfile.BOM)
	}
	if d.next() != '[' {
		return d.wrong("an array of events")
	}
	d.at++
	if d.next() == ']' {
		d.at++
		return d.end()
	}
	for {
		if err := limits.CheckEvents(d.event + 1); err != nil {
			return err
		}
		if err := d.readEvent(f, limits); err != nil {
			return err
		}
		d.event++
		switch d.next() {
		case ',':
			d.at++
		case ']':
			d.at++
			return d.end()
		default:
			return d.wrong("',' or ']' after an event")
		}
	}
}

func (d *decoder) end() error {
	if d.next(); d.at < len(d.b) {
		return d.wrong("nothing after the array")
	}
	return nil
}

func (d *decoder) readEvent(f *receiver.Frame, limits *receiver.Limits) error {
	first, total, size := len(f.Headers), 0, 0
	var body []byte
	var hasHeaders, hasBody bool
	err := d.object("an event, {\"headers\":{…},\"body\":\"…\"}", func(name []byte) error {
		var err error
		switch string(name) {
		case "headers":
			if hasHeaders {
				return d.wrong("\"headers\" once")
			}
			hasHeaders = true
			total, size, err = d.headers(f, limits, first)
		case "body":
			if hasBody {
				return d.wrong("\"body\" once")
			}
			hasBody = true
			if d.next() == 'n' {
				return d.literal("null")
			}
			body, err = d.text("the body, a string")
		default:
			err = d.skip(0)
		}
		return err
	})
	if err != nil {
		return err
	}
	dead, err := limits.CheckEventSize(f, total, len(f.Headers)-first, size, len(body))
	if err != nil {
		return err
	}
	if err := f.GrowEvents(); err != nil {
		return err
	}
	f.Events = append(f.Events, receiver.Event{Headers: f.Headers[first:len(f.Headers):len(f.Headers)], Body: body, Dead: dead})
	return nil
}

// headers appends an event's headers to f.Headers, where they begin at first, as many as the limits allow. It returns
// the number and the bytes of all of them.
func (d *decoder) headers(f *receiver.Frame, limits *receiver.Limits, first int) (total, size int, err error) {
	if d.next() == 'n' {
		return 0, 0, d.literal("null")
	}
	d.hashed = false
	err = d.object("headers, {\"name\":\"value\"}", func(name []byte) error {
		if total <= limits.MaxHeaders && d.hasName(f.Headers[first:], name) { // above it the event is a dead letter anyway
			return d.wrong("each header once")
		}
		value, err := d.text("a header's value, a string")
		if err != nil {
			return err
		}
		total++
		size += len(name) + len(value)
		if size > limits.MaxHeaderBytes || total > limits.MaxHeaders { // omitted headers still count
			return nil
		}
		if err := f.GrowHeaders(1); err != nil {
			return err
		}
		f.Headers = append(f.Headers, receiver.Header{Key: name, Value: value})
		return nil
	})
	return total, size, err
}

// fewNames is the number of headers up to which each new header is compared with all others. Beyond it, names are
// looked up by their hash first, because comparing all pairs would cost 400 ns for each byte of an event of 256
// headers.
const fewNames = 16

// seed keeps senders from choosing names with equal hashes.
var seed = maphash.MakeSeed()

// hasName reports whether one of the headers has the name.
func (d *decoder) hasName(headers []receiver.Header, name []byte) bool {
	if len(headers) >= fewNames {
		if !d.hashed {
			d.seen, d.hashed = [64]uint64{}, true
			for _, h := range headers {
				d.addHash(h.Key)
			}
		}
		if d.addHash(name) {
			return false
		}
	}
	return slices.ContainsFunc(headers, func(h receiver.Header) bool { return bytes.Equal(h.Key, name) })
}

// addHash records the hash of a name, and reports whether it is new.
func (d *decoder) addHash(name []byte) bool {
	h := maphash.Bytes(seed, name)
	word, bit := &d.seen[h%64], uint64(1)<<(h>>6%64)
	was := *word
	*word |= bit
	return was&bit == 0
}

// object reads an object. member reads the value of each name, which begins at d.at after white space.
func (d *decoder) object(want string, member func(name []byte) error) error {
	if d.next() != '{' {
		return d.wrong(want)
	}
	d.at++
	if d.next() == '}' {
		d.at++
		return nil
	}
	for {
		if c := d.next(); c != '"' && c != '\'' {
			return d.wrong("a name in quotes")
		}
		name, err := d.str()
		if err != nil {
			return err
		}
		if d.next() != ':' {
			return d.wrong("':' after a name")
		}
		d.at++
		if err := member(name); err != nil {
			return err
		}
		switch d.next() {
		case ',':
			d.at++
		case '}':
			d.at++
			return nil
		default:
			return d.wrong("',' or '}' after a value")
		}
	}
}

// text reads a string, or a number or a boolean as its text.
func (d *decoder) text(want string) ([]byte, error) {
	c := d.next()
	from := d.at
	var err error
	switch {
	case c == '"' || c == '\'':
		return d.str()
	case c == 't':
		err = d.literal("true")
	case c == 'f':
		err = d.literal("false")
	case c == '-' || isDigit(c):
		err = d.number()
	default:
		err = d.wrong(want)
	}
	return d.b[from:d.at:d.at], err
}

// skip skips any value.
func (d *decoder) skip(depth int) error {
	if depth == maxDepth {
		return d.wrong("less than 64 levels")
	}
	switch d.next() {
	case '{':
		return d.object("", func([]byte) error { return d.skip(depth + 1) })
	case '[':
		d.at++
		if d.next() == ']' {
			d.at++
			return nil
		}
		for {
			if err := d.skip(depth + 1); err != nil {
				return err
			}
			switch d.next() {
			case ',':
				d.at++
			case ']':
				d.at++
				return nil
			default:
				return d.wrong("',' or ']' after a value")
			}
		}
	case 'n':
		return d.literal("null")
	}
	_, err := d.text("a value")
	return err
}

// next skips white space and returns the byte after it without consuming it; 0 at the end.
func (d *decoder) next() byte {
	for ; d.at < len(d.b); d.at++ {
		switch d.b[d.at] {
		case ' ', '\t', '\n', '\r':
		default:
			return d.b[d.at]
		}
	}
	return 0
}

// peek returns the byte at d.at; 0 at the end.
func (d *decoder) peek() byte {
	if d.at < len(d.b) {
		return d.b[d.at]
	}
	return 0
}

func (d *decoder) literal(want string) error {
	if !bytes.HasPrefix(d.b[d.at:], []byte(want)) {
		return d.wrong(want)
	}
	d.at += len(want)
	return nil
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func (d *decoder) digits() error {
	if !isDigit(d.peek()) {
		return d.wrong("a digit")
	}
	for isDigit(d.peek()) {
		d.at++
	}
	return nil
}

func (d *decoder) number() error {
	if d.peek() == '-' {
		d.at++
	}
	if d.peek() == '0' {
		d.at++
	} else if err := d.digits(); err != nil {
		return err
	}
	if d.peek() == '.' {
		d.at++
		if err := d.digits(); err != nil {
			return err
		}
	}
	if c := d.peek(); c == 'e' || c == 'E' {
		d.at++
		if c := d.peek(); c == '+' || c == '-' {
			d.at++
		}
		return d.digits()
	}
	return nil
}

// str reads a string, whose quote is at d.at, and unescapes it in place. Like Gson it accepts single quotes and
// unescaped control characters, because senders that were written for Flume rely on that.
func (d *decoder) str() ([]byte, error) {
	quote := d.b[d.at]
	d.at++
	from := d.at
	for ; d.at < len(d.b); d.at++ {
		switch d.b[d.at] {
		case quote:
			s := d.b[from:d.at:d.at]
			d.at++
			return s, nil
		case '\\':
			return d.unescape(from, quote)
		}
	}
	return nil, d.wrong("the string's closing quote")
}

// unescape reads the rest of a string that began at from, starting at its first backslash.
func (d *decoder) unescape(from int, quote byte) ([]byte, error) {
	out := d.at // the bytes before out are unescaped
	for d.at < len(d.b) {
		c := d.b[d.at]
		switch {
		case c == quote:
			d.at++
			return d.b[from:out:out], nil
		case c != '\\':
			d.b[out] = c
			out++
			d.at++
			continue
		}
		d.at++
		switch c := d.peek(); c {
		case '"', '\'', '\\', '/':
			d.b[out] = c
		case 'b':
			d.b[out] = '\b'
		case 'f':
			d.b[out] = '\f'
		case 'n':
			d.b[out] = '\n'
		case 'r':
			d.b[out] = '\r'
		case 't':
			d.b[out] = '\t'
		case 'u':
			r, err := d.unit()
			if err != nil {
				return nil, err
			}
			if utf16.IsSurrogate(r) { // the other half should follow
				whole := rune(utf8.RuneError)
				if bytes.HasPrefix(d.b[d.at:], []byte(`\u`)) {
					back := d.at
					d.at++
					low, err := d.unit()
					if err != nil {
						return nil, err
					}
					if whole = utf16.DecodeRune(r, low); whole == utf8.RuneError {
						d.at = back // not a pair: the second is decoded by itself
					}
				}
				r = whole
			}
			out += utf8.EncodeRune(d.b[out:d.at], r)
			continue
		default:
			return nil, d.wrong(`one of "'\/bfnrtu after a backslash`)
		}
		out++
		d.at++
	}
	return nil, d.wrong("the string's closing quote")
}

// unit reads the four hexadecimal digits after the u at d.at.
func (d *decoder) unit() (rune, error) {
	d.at++
	var r rune
	for range 4 {
		c := d.peek()
		switch {
		case isDigit(c):
			r = r<<4 | rune(c-'0')
		case c >= 'a' && c <= 'f':
			r = r<<4 | rune(c-'a'+10)
		case c >= 'A' && c <= 'F':
			r = r<<4 | rune(c-'A'+10)
		default:
			return 0, d.wrong(`four hexadecimal digits after \u`)
		}
		d.at++
	}
	return r, nil
}

// wrong returns an error with the position, what is there, and what was expected.
func (d *decoder) wrong(want string) error {
	if d.at >= len(d.b) {
		return receiver.Malformed("event %d: the body ends at byte %d, expected %s", d.event, len(d.b), want)
	}
	return receiver.Malformed("event %d, byte %d of %d: got %q, expected %s", d.event, d.at, len(d.b), d.b[d.at:min(d.at+1, len(d.b))], want)
}
