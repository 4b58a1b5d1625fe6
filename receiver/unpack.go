package receiver

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"sync"
)

// ReasonGzip is the label of dead letters whose body could not be unpacked.
const ReasonGzip = "gzip"

// headerLog4j is in every event of Log4j 2's Flume appender (FlumeEvent.GUID), and in no other sender's.
const headerLog4j = "guId"

// gzipBytes is what a gzip reader takes in memory, rounded up.
const gzipBytes = 64 << 10

// leastGzip is the shortest gzip member: head, an empty block, trailer.
const leastGzip = 20

var gzipReaders sync.Pool // of *gzip.Reader

// mostRatio is the most bytes that come out of one deflated byte: what a trailer says above it is no length.
const mostRatio = 1032

var errWasted = errors.New("too much work was spent on bodies that cannot be decompressed")

var errTooLarge = errors.New("it decompresses to more than the limit")

// Unpack replaces the bodies that Log4j 2's Flume appender packed with gzip, which it does by default, by what is in
// them. Such an event has the header guId and a body that begins as gzip does; no other body is touched. One that cannot
// be unpacked, or unpacks to more than a limit, becomes a dead letter with its body as it came. What is unpacked is paid
// out of the bytes in flight, and a request's bodies together are bounded by MaxFrameBytes. The error is that of waiting
// for memory.
func (f *Frame) Unpack(l *Limits) error {
	if l.KeepPacked {
		return nil
	}
	var reader *gzip.Reader
	var spare []byte          // of a body that could not be unpacked, already paid for
	left := l.MaxFrameBytes   // bytes that bodies may still unpack to
	wasted := l.MaxFrameBytes // bytes that may still be unpacked in vain
	for i := range f.Events {
		e := &f.Events[i]
		if e.Dead != nil || !isPacked(e) {
			continue
		}
		if reader == nil {
			if err := f.Charge(gzipBytes); err != nil {
				return err
			}
			if reader, _ = gzipReaders.Get().(*gzip.Reader); reader == nil {
				reader = new(gzip.Reader)
			}
			defer gzipReaders.Put(reader)
		}
		body, err := spare[:0], errWasted
		if wasted > 0 {
			body, err = f.gunzip(reader, e.Body, spare[:0], min(l.MaxBodyBytes, left))
		}
		if memory := (*memoryError)(nil); errors.As(err, &memory) {
			return memory.error
		}
		if err == nil {
			e.Body, spare = slices.Clip(body), nil
			left -= len(body)
			continue
		}
		spare, wasted = body, wasted-len(body)
		if err := f.Charge(deadBytes); err != nil {
			return err
		}
		e.Dead = &Dead{Label: ReasonGzip, Reason: "the body is compressed with gzip and cannot be decompressed"}
		switch {
		case errors.Is(err, errWasted):
			e.Dead.Reason = "the body is compressed with gzip, and earlier bodies of its request that cannot be decompressed used up the work that a request may cause"
		case errors.Is(err, errTooLarge):
			e.Dead.Reason = "the body is compressed with gzip and decompresses to more bytes than " + l.Option + "body-bytes or " + l.Option + "frame-bytes"
		}
	}
	return nil
}

// isPacked reports whether Log4j 2 packed the body.
func isPacked(e *Event) bool {
	if b := e.Body; len(b) < 3 || b[0] != 0x1f || b[1] != 0x8b || b[2] != 8 {
		return false
	}
	for i := range e.Headers {
		if string(e.Headers[i].Key) == headerLog4j {
			return true
		}
	}
	return false
}

// memoryError is an error of waiting for memory, told apart from those of the packed bytes.
type memoryError struct{ error }

// gunzip unpacks b to at most limit bytes, into out while there is room in it. It returns out with an error too.
func (f *Frame) gunzip(reader *gzip.Reader, b, out []byte, limit int) ([]byte, error) {
	if len(b) >= 1<<10 {
		said := int64(binary.LittleEndian.Uint32(b[len(b)-4:]))
		if said > int64(limit) && said <= mostRatio*int64(len(b)) {
			return out, errTooLarge // so its trailer report: nothing is unpacked for it
		}
	}
	if err := reader.Reset(bytes.NewReader(b)); err != nil {
		return out, err
	}
	// The trailer says how long the text is; it is believed only as far as a small buffer goes.
	size := 512
	if len(b) >= leastGzip {
		size = int(min(binary.LittleEndian.Uint32(b[len(b)-4:]), 64<<10)) + 1
	}
	for {
		if len(out) == cap(out) {
			size = max(size, 2*cap(out))
			if err := f.Charge(size); err != nil {
				return out, &memoryError{err}
			}
			larger := make([]byte, len(out), size)
			copy(larger, out)
			out = larger
		}
		n, err := reader.Read(out[len(out):cap(out)])
		out = out[:len(out)+n]
		switch {
		case len(out) > limit:
			return out, errTooLarge
		case errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
			return out, nil
		case err != nil:
			return out, err
		}
	}
}
