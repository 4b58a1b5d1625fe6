package filewatch

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/sluice-etl/sluice/internal/obs"
	"github.com/sluice-etl/sluice/internal/option"
	"github.com/sluice-etl/sluice/internal/textfile"
	"github.com/sluice-etl/sluice/receiver"
	"github.com/sluice-etl/sluice/receiver/lines"
)

// batchBytes bounds the bytes of a batch, unless a single line is longer.
const batchBytes = 1 << 20

// idBytes is the maximum length of a line's ID: the file's ID, a hyphen, the offset.
const idBytes = 24 + 1 + 19

var (
	byteOrderMark = []byte(textfile.BOM)
	headerFile    = []byte("file")
	headerBase    = []byte("basename")
	headerLine    = []byte("sluice.line")
)

// batch reads up to Config.Batch lines at known.Offset, produces them, and writes the new offset to disk once Kafka has
// acknowledged all of them. An error of h is an fs.PathError with its name.
func (f *folder) batch(ctx, work context.Context, h *os.File, known *file) error {
	if err := f.w.rt.Appender.Ready(ctx); err != nil {
		return err
	}
	now := time.Now()
	fr, err := f.w.rt.Frames.Begin(ctx, now, now.Add(f.w.rt.AckTimeout), 0)
	if err != nil {
		return f.noRoom(err)
	}
	next, err := f.read(fr, h, known)
	if err != nil || len(fr.Events) == 0 {
		fr.Release()
		if err != nil {
			return f.noRoom(err)
		}
		return f.advance(ctx, work, known, next) // a byte order mark, or a skipped line
	}
	events, size := len(fr.Events), next-known.Offset
	// No deadline: no sender waits for a reply, and waiting for Kafka makes no duplicates.
	err = f.w.rt.Appender.Append(work, fr.Request(nil))
	if err != nil {
		if errors.Is(err, receiver.ErrNotProduced) {
			f.w.metrics.Dropped()
		} else {
			f.w.metrics.Unanswered(events)
			f.warn("unanswered", "No acknowledgement from Kafka; the lines will be read again with the same sluice.line", "file", string(known.Name), "offset", known.Offset, "events", events, "err", err)
		}
		return err
	}
	f.w.metrics.Received(int(size))
	f.w.metrics.Acknowledged(events, time.Since(now))
	f.seen.change(func(s *Status) { s.Events += int64(events) })
	return f.advance(ctx, work, known, next)
}

func (f *folder) noRoom(err error) error {
	if rejected, ok := errors.AsType[*receiver.RejectError](err); ok {
		f.w.metrics.Rejected(rejected.Reason)
	}
	return err
}

// advance writes the new offset to disk. It retries until that succeeds, so that a crash never repeats more than one
// batch, or until the receiver stops.
func (f *folder) advance(ctx, work context.Context, known *file, next int64) error {
	known.Offset = next
	for {
		err := f.store.save(f.state)
		if err == nil {
			return nil
		}
		f.seen.failed(err)
		f.warn("progress", "Progress cannot be written; reading of this directory is blocked, and a crash now repeats the last batch", "file", string(known.Name), "offset", next, "err", err)
		if !obs.Wait(ctx, f.w.cfg.Interval) {
			return errors.Join(err, context.Cause(work))
		}
	}
}

// read fills the frame with complete lines at known.Offset, and returns where the next batch begins.
func (f *folder) read(fr *receiver.Frame, h *os.File, known *file) (next int64, err error) {
	want := int64(batchBytes)
	for {
		last, err := f.fill(fr, h, known, want)
		if err != nil {
			return 0, err
		}
		b := fr.Bytes
		from := 0
		if known.Offset == 0 && bytes.HasPrefix(b, byteOrderMark) {
			from = len(byteOrderMark)
		}
		used, err := f.lines(fr, known, from, last)
		if err != nil {
			return 0, err
		}
		if used > 0 || last {
			return known.Offset + int64(used), nil
		}
		if len(b) > f.w.cfg.MaxLineBytes+len(byteOrderMark)+1 {
			return f.skip(fr, h, known)
		}
		want = min(2*want, int64(f.w.cfg.MaxLineBytes)+int64(len(byteOrderMark))+2)
	}
}

// fill reads into fr.Bytes until it holds want bytes at known.Offset; last means that the file ends there. A file that
// was truncated is read to its new end.
func (f *folder) fill(fr *receiver.Frame, h *os.File, known *file, want int64) (last bool, err error) {
	left := known.Size - known.Offset
	for int64(len(fr.Bytes)) < min(want, left) {
		if len(fr.Bytes) == cap(fr.Bytes) {
			if err := fr.Grow(); err != nil {
				return false, err
			}
		}
		to := int(min(int64(cap(fr.Bytes)), want, left))
		n, err := h.ReadAt(fr.Bytes[len(fr.Bytes):to], known.Offset+int64(len(fr.Bytes)))
		fr.Bytes = fr.Bytes[:len(fr.Bytes)+n]
		if errors.Is(err, io.EOF) && len(fr.Bytes) < to {
			f.shorter(known, known.Offset+int64(len(fr.Bytes)))
			return true, nil
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return false, err
		}
	}
	return int64(len(fr.Bytes)) == left, nil
}

// lines adds an event for each line in fr.Bytes[from:], and returns how many bytes of fr.Bytes were used.
func (f *folder) lines(fr *receiver.Frame, known *file, from int, last bool) (used int, err error) {
	b := fr.Bytes
	path, base := []byte(filepath.Join(f.dir, string(known.Name))), []byte(known.Name)
	count := 0
	for at := from; at < len(b) && count < f.w.cfg.Batch; count++ {
		_, next, ok := lines.CutLine(b[at:])
		if !ok {
			break
		}
		at += next
	}
	count++ // the last line of a file may be unterminated
	if err := fr.GrowHeaders(3 * count); err != nil {
		return 0, err
	}
	if err := fr.Charge(idBytes * count); err != nil {
		return 0, err
	}
	ids := make([]byte, 0, idBytes*count)
	for at := from; at < len(b) && len(fr.Events) < f.w.cfg.Batch; used = at {
		end, next, ok := lines.CutLine(b[at:])
		switch {
		case !ok && !last:
			return used, nil
		case !ok:
			end, next = len(b)-at, len(b)-at
		case !last && at+next == len(b) && lines.EndsWithCR(b):
			return used, nil // a \n may follow
		}
		if end > f.w.cfg.MaxLineBytes {
			f.tooLong(known, known.Offset+int64(at))
			at += next
			continue
		}
		if err := fr.GrowEvents(); err != nil {
			return 0, err
		}
		id := len(ids)
		ids = append(append(ids, known.ID...), '-')
		ids = strconv.AppendInt(ids, known.Offset+int64(at), 10)
		first := len(fr.Headers)
		fr.Headers = append(fr.Headers,
			receiver.Header{Key: headerFile, Value: path},
			receiver.Header{Key: headerBase, Value: base},
			receiver.Header{Key: headerLine, Value: ids[id:len(ids):len(ids)]})
		fr.Events = append(fr.Events, receiver.Event{Headers: fr.Headers[first:len(fr.Headers):len(fr.Headers)], Body: b[at : at+end : at+end]})
		at += next
	}
	return max(used, from), nil
}

// shorter records that a file was truncated to size.
func (f *folder) shorter(known *file, size int64) {
	f.warn("truncated", "File truncated while it was read", "file", string(known.Name), "was", known.Size, "size", size)
	known.end(size)
}

func (f *folder) tooLong(known *file, offset int64) {
	f.warn("long", "Line exceeds "+option.Ref("watch-max-line-bytes")+"; skipped", "file", string(known.Name), "offset", offset, "limit", f.w.cfg.MaxLineBytes)
	f.w.metrics.Rejected(receiver.ReasonBodyBytes)
}

// skip returns the offset after a line that is too long. fr.Bytes holds the beginning of that line.
func (f *folder) skip(fr *receiver.Frame, h *os.File, known *file) (next int64, err error) {
	f.tooLong(known, known.Offset)
	at := known.Offset + int64(len(fr.Bytes))
	if lines.EndsWithCR(fr.Bytes) {
		at-- // the end may be \r\n
	}
	b := fr.Bytes[:cap(fr.Bytes)]
	for at < known.Size {
		n, err := h.ReadAt(b[:min(int64(len(b)), known.Size-at)], at)
		if _, next, ok := lines.CutLine(b[:n]); ok {
			if next == n && lines.EndsWithCR(b[:n]) && n > 1 && at+int64(n) < known.Size {
				at += int64(n) - 1 // read the \r again, with what follows it
				continue
			}
			return at + int64(next), nil
		}
		at += int64(n)
		if errors.Is(err, io.EOF) && at < known.Size {
			f.shorter(known, at)
		} else if err != nil && !errors.Is(err, io.EOF) {
			return 0, err
		}
	}
	return known.Size, nil
}
