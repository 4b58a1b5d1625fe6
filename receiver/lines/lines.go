// Package lines reads what senders of text say over TCP: pieces of a stream, each an event, cut out of as many bytes as
// have arrived.
//
// A [Reader] waits for a byte, takes what has come with it into one frame, and cuts it by the receiver's function; what
// is not whole yet is kept for the next frame. So a sender that writes a line at a time has each line on its way at
// once, and one that writes much has many lines to a request. Nothing is read while Kafka is away (P23).
//
// Of a sender that never resends ([netserver.Policy]), what was read is kept: it waits for Kafka and for memory until the
// receiver's stop is over, and what is given up then counts as lost.
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

// readAhead is how much of a stream is taken at once. Every connection holds as much while it is open.
const readAhead = 16 << 10

// byteOrderMark may stand in front of a stream, and is passed over.
var byteOrderMark = []byte(textfile.BOM)

// SplitFunc finds the first piece of b: body is a view on b, and rest follows it. ok is false where no whole piece is there
// yet. An error ends the connection, after what was cut before it was made safe.
type SplitFunc func(b []byte) (body, rest []byte, ok bool, err error)

// More reports whether a piece may be whole, or too long, once arrived follows kept, of which SplitFunc found no whole piece. It
// must not go over kept again: a sender of single bytes would make the work the square of a line's length.
type More func(kept, arrived []byte) bool

// Reader cuts one connection's stream. It is unsafe for concurrent use.
type Reader struct {
	c      *netserver.Conn
	in     *bufio.Reader
	limits *receiver.Limits
	cut    SplitFunc
	more   More
	kept   []byte // what was read and is not in a frame yet: the beginning of a piece that is not whole, or more
	begun  bool   // the stream's first bytes were looked at
	keep   bool   // nothing that was read may be dropped
	full   bool   // the last frame had as many pieces as it may: kept may have whole ones
	failed error  // what ends the connection once the last frame is safe
}

// NewReader makes a reader; cut bounds how long a piece that is not whole may become, by its error.
func NewReader(c *netserver.Conn, limits *receiver.Limits, cut SplitFunc, more More) *Reader {
	return &Reader{c: c, in: bufio.NewReaderSize(c, readAhead), limits: limits, cut: cut, more: more, keep: c.Policy().PeerForgets}
}

// Next returns the next request with at least one event, whose bodies are views on it, and no headers. io.EOF means that
// the sender closed the connection. A [receiver.RejectError] of the cut's comes after the frame with what was cut before it.
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

// begin waits for something to cut, and begins a request for it.
func (r *Reader) begin() (netserver.Request, error) {
	if err := r.c.WaitReady(); err != nil {
		return netserver.Request{}, err
	}
	if err := r.first(); err != nil {
		return netserver.Request{}, r.c.Explain(err)
	}
	return r.c.Begin(time.Now(), readAhead)
}

// held is how many lines were read and are in no frame, one without its end among them.
func (r *Reader) held() (n int) {
	if !r.keep {
		return 0
	}
	arrived, _ := r.in.Peek(r.in.Buffered()) // it asks for no more than there is
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

// lose counts lines that will not be in Kafka, and returns err. At the stream's end the caller looks at what is
// unfinished.
func (r *Reader) lose(lines int, err error) error {
	if lines > 0 && !errors.Is(err, io.EOF) {
		r.c.Reporter().Lost(r.c.RemoteAddr(), lines, err)
	}
	return err
}

// first waits for what a frame may begin with. What arrives of a piece that is not whole by it is kept without a frame.
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

// Unfinished is how many bytes of a piece were read that never became whole.
func (r *Reader) Unfinished() int { return len(r.kept) }

// fill takes what has arrived and cuts it.
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

// Newline is a SplitFunc that splits at \n, which is not part of the body. A line of more than most bytes, its end among them, is the
// error tooLong.
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

// NewlineMore is the More of Newline.
func NewlineMore(most int) More {
	return func(kept, arrived []byte) bool {
		return len(kept)+len(arrived) >= most || bytes.IndexByte(arrived, '\n') >= 0
	}
}

// TooLong is the refusal of a line, which names the option.
func TooLong(option string, most int) error {
	return receiver.Reject(receiver.ReasonBodyBytes, "a line is longer than %d bytes, including its line end: send shorter lines, or raise %s", most, option)
}
