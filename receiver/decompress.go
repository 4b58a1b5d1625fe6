package receiver

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"sync"

	"github.com/sluice-etl/sluice/internal/option"
)

// ReasonGzip is the label of dead letters whose body could not be decompressed.
const ReasonGzip = "gzip"

// headerLog4j is a header of every event of Log4j 2's Flume appender (FlumeEvent.GUID), and of no other sender's.
const headerLog4j = "guId"

// gzipBytes is the memory of a gzip reader, rounded up.
const gzipBytes = 64 << 10

// leastGzip is the shortest gzip member: head, an empty block, trailer.
const leastGzip = 20

var gzipReaders sync.Pool // of *gzip.Reader

// mostRatio is the maximum number of bytes that one deflated byte can expand to. A trailer that claims more does not
// contain the true length.
const mostRatio = 1032

var errWasted = errors.New("too much work was spent on bodies that cannot be decompressed")

var errTooLarge = errors.New("it decompresses to more than the limit")

// Decompress decompresses the bodies that Log4j 2's Flume appender compressed with gzip, which it does by default. Such an
// event has the header guId and a body that begins with gzip's magic number; no other body is changed. An event whose
// body cannot be decompressed, or decompresses to more than a limit, becomes a dead letter with the body as it arrived.
//
// The decompressed bytes are charged to the bytes in flight. A request's decompressed bodies together are bounded by
// MaxFrameBytes, and so is the work on bodies that turn out to be corrupt. The error is that of waiting for memory.
func (f *Frame) Decompress(l *Limits) error {
	if l.KeepCompressed {
		return nil
	}
	var reader *gzip.Reader
	var spare []byte          // memory of a body that could not be decompressed, already charged
	left := l.MaxFrameBytes   // how many bytes bodies may still decompress to
	wasted := l.MaxFrameBytes // how many bytes of corrupt bodies may still be decompressed
	for i := range f.Events {
		e := &f.Events[i]
		if e.Dead != nil || !isCompressed(e) {
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
			e.Dead.Reason = "the body is compressed with gzip and decompresses to more bytes than " + option.Ref(l.option("body-bytes")) + " or " + option.Ref(l.option("frame-bytes"))
		}
	}
	return nil
}

// isCompressed reports whether Log4j 2 compressed the body.
func isCompressed(e *Event) bool {
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

// memoryError is an error of waiting for memory, as opposed to one of the compressed bytes.
type memoryError struct{ error }

// gunzip decompresses b to at most limit bytes, into out as far as it has room. It returns out even with an error.
func (f *Frame) gunzip(reader *gzip.Reader, b, out []byte, limit int) ([]byte, error) {
	if len(b) >= 1<<10 {
		said := int64(binary.LittleEndian.Uint32(b[len(b)-4:]))
		if said > int64(limit) && said <= mostRatio*int64(len(b)) {
			return out, errTooLarge // according to its trailer, so nothing is decompressed
		}
	}
	if err := reader.Reset(bytes.NewReader(b)); err != nil {
		return out, err
	}
	// The trailer holds the length of the text. It is trusted only up to the size of a small buffer.
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
