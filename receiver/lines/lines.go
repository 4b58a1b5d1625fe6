// Package lines reads text over TCP: it splits a stream into tokens, such as lines, each of which is an event.
//
// A [Reader] waits for a byte, takes everything that has arrived with it into one frame, and splits that by the
// receiver's [SplitFunc]. An incomplete token is kept for the next frame. So a single line is sent to Kafka at
// once, and many lines of a fast sender form one request. Nothing is read while Kafka is
// unavailable (P23).
//
// If the sender never resends ([netserver.Policy]), what was read is kept: it waits for Kafka and for memory until the
// grace period of a stop ends, and what is abandoned then counts as lost.
package lines

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"time"

	"github.com/sluice-etl/sluice/internal/textfile"
	"github.com/sluice-etl/sluice/receiver"
	"github.com/sluice-etl/sluice/receiver/netserver"
)

// readAhead is how many bytes of a stream are read at once. Each open connection holds a buffer of this size.
const readAhead = 16 << 10

// byteOrderMark is skipped at the beginning of a stream.
var byteOrderMark = []byte(textfile.BOM)

// SplitFunc returns the first token of b: body is a view of b, and rest is what follows the token. ok is false if b
// holds no complete token. An error ends the connection, once Kafka has the tokens before it.
type SplitFunc func(b []byte) (body, rest []byte, ok bool, err error)

// More reports whether kept, in which SplitFunc found no complete token, may hold a complete or an overlong token once
// arrived follows it. It must not scan kept again: if a sender writes single bytes, the work would grow with the
// square of a line's length.
type More func(kept, arrived []byte) bool

// Reader splits one connection's stream. It is not safe for concurrent use.
type Reader struct {
	c      *netserver.Conn
	in     *bufio.Reader
	limits *receiver.Limits
	cut    SplitFunc
	more   More
	kept   []byte // what was read and is in no frame yet: the beginning of an incomplete token, or more
	begun  bool   // the beginning of the stream was checked for a byte order mark
	keep   bool   // the sender never resends, so what was read and cannot be produced counts as lost
	full   bool   // the last frame had the maximum number of tokens, so kept may hold complete ones
	failed error  // ends the connection once Kafka has the last frame
}

// NewReader returns a reader. cut must bound the length of an incomplete token, by an error.
func NewReader(c *netserver.Conn, limits *receiver.Limits, cut SplitFunc, more More) *Reader {
	return &Reader{c: c, in: bufio.NewReaderSize(c, readAhead), limits: limits, cut: cut, more: more, keep: c.Policy().NeverResends}
}

// Next returns the next request with at least one event, without headers. io.EOF means that the sender closed the
// connection. An error of cut is returned after the request with the tokens before it.
func (r *Reader) Next() (netserver.Request, error) {
	for r.failed == nil {
		f, err := r.begin()
		if err != nil {
			return netserver.Request{}, r.lose(r.held(), err)
		}
		held := r.held()
		if err := r.fill(f.Frame); err != nil {
			f.Release()
			return netserver.Request{}, r.lose(held, err)
		}
		if len(f.Events) > 0 {
			r.c.Metrics().Received(len(f.Bytes))
			return f, nil
		}
		f.Release()
	}
	return netserver.Request{}, r.failed
}

// begin waits for something to split, and begins a request for it.
func (r *Reader) begin() (netserver.Request, error) {
	if err := r.c.WaitReady(); err != nil {
		return netserver.Request{}, err
	}
	if err := r.first(); err != nil {
		return netserver.Request{}, r.c.Explain(err)
	}
	return r.c.Begin(time.Now(), readAhead)
}

// held returns how many lines were read and are in no frame, an unterminated one included; 0 if the sender resends.
func (r *Reader) held() (n int) {
	if !r.keep {
		return 0
	}
	arrived, _ := r.in.Peek(r.in.Buffered()) // cannot fail: it requests no more than is buffered
	last := byte('\n')
	for _, piece := range [][]byte{r.kept, arrived} {
		n += bytes.Count(piece, []byte{'\n'})
		if len(piece) > 0 {
			last = piece[len(piece)-1]
		}
	}
	if last != '\n' {
		n++
	}
	return n
}

// lose counts lines that will not be in Kafka, and returns err. At the end of the stream it counts nothing: the caller
// handles the unterminated line.
func (r *Reader) lose(lines int, err error) error {
	if lines > 0 && !errors.Is(err, io.EOF) {
		r.c.Reporter().Lost(r.c.RemoteAddr(), lines, err)
	}
	return err
}

// first waits until there may be a complete token. Bytes that do not complete one are kept without a frame.
func (r *Reader) first() error {
	if r.full {
		return nil
	}
	for {
		if _, err := r.in.Peek(1); err != nil {
			return err
		}
		arrived, err := r.in.Peek(r.in.Buffered())
		if err != nil || len(r.kept) == 0 || r.more(r.kept, arrived) {
			return err
		}
		r.kept = append(r.kept, arrived...)
		if _, err := r.in.Discard(len(arrived)); err != nil {
			return err
		}
	}
}

// Unfinished returns the number of bytes of an incomplete token at the end of the stream.
func (r *Reader) Unfinished() int { return len(r.kept) }

// fill moves what has arrived into the frame and splits it.
func (r *Reader) fill(f *receiver.Frame) error {
	arrived, err := r.in.Peek(r.in.Buffered())
	if err != nil {
		return err
	}
	for _, piece := range [][]byte{r.kept, arrived} {
		for len(piece) > 0 {
			if len(f.Bytes) == cap(f.Bytes) {
				if err := f.Grow(); err != nil {
					return err
				}
			}
			n := copy(f.Bytes[len(f.Bytes):cap(f.Bytes)], piece)
			f.Bytes, piece = f.Bytes[:len(f.Bytes)+n], piece[n:]
		}
	}
	if _, err := r.in.Discard(len(arrived)); err != nil {
		return err
	}
	rest := f.Bytes
	if !r.begun {
		r.begun = len(rest) >= len(byteOrderMark) || !bytes.HasPrefix(byteOrderMark, rest)
		rest = bytes.TrimPrefix(rest, byteOrderMark)
	}
	r.full = true
	for len(f.Events) < r.limits.MaxBatchEvents {
		body, after, ok, err := r.cut(rest)
		if err != nil || !ok {
			r.failed, r.full = err, false
			break
		}
		rest = after
		if err := f.GrowEvents(); err != nil {
			return err
		}
		f.Events = append(f.Events, receiver.Event{Body: body})
	}
	r.kept = append(r.kept[:0], rest...)
	return nil
}

// Newline returns a SplitFunc that splits at \n, which is not part of the body. For a line of more than most bytes,
// including its end, it returns the error tooLong.
func Newline(most int, tooLong error) SplitFunc {
	return func(b []byte) (body, rest []byte, ok bool, err error) {
		at := bytes.IndexByte(b, '\n')
		switch {
		case at >= most || at < 0 && len(b) >= most:
			return nil, nil, false, tooLong
		case at < 0:
			return nil, b, false, nil
		}
		return b[:at:at], b[at+1:], true, nil
	}
}

// NewlineMore returns the More of Newline.
func NewlineMore(most int) More {
	return func(kept, arrived []byte) bool {
		return len(kept)+len(arrived) >= most || bytes.IndexByte(arrived, '\n') >= 0
	}
}

// TooLong returns the rejection of a line that is too long, which names the limit.
func TooLong(limit string, most int) error {
	return receiver.Reject(receiver.ReasonBodyBytes, "a line is longer than %d bytes, including its line end: send shorter lines, or raise %s", most, limit)
}
