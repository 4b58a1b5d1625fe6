package avro

import (
	"unsafe"

	"github.com/sluice-etl/sluice/flumesink"
	"github.com/sluice-etl/sluice/internal/avrobin"
)

const (
	eventSize  = int(unsafe.Sizeof(flumesink.Event{}))
	headerSize = int(unsafe.Sizeof(flumesink.Header{}))
)

// decoder finds the events of a request: views on the frame, in slices that are used again for the next frame. The
// slices grow with what was found, not with announced numbers; before they do, charge is asked for the memory. It is
// unsafe for concurrent use.
//
// The bytes are Avro's binary encoding of flume.avdl's AvroFlumeEvent, record{headers: map<string>, body: bytes}.
// Strings are not checked for UTF-8, as Java does not; a header name that comes twice is kept twice.
type decoder struct {
	cfg     *Config
	charge  func(bytes int) error
	events  []flumesink.Event
	headers []flumesink.Header
}

// batch decodes array<AvroFlumeEvent>, all of b, into d.events.
func (d *decoder) batch(b []byte) error {
	d.events, d.headers = d.events[:0], d.headers[:0]
	at := 0
	for {
		n, next := avrobin.ReadBlock(b, at, 2)
		if next < 0 {
			return malformed("events: bad block at byte %d of %d", at, len(b))
		}
		at = next
		if n == 0 {
			return d.end(b, at)
		}
		if n > d.cfg.MaxBatchEvents-len(d.events) {
			return tooMuch(reasonBatchEvents, "events in a batch", "--avro-max-batch-events", int64(len(d.events)+n), d.cfg.MaxBatchEvents)
		}
		for range n {
			var err error
			if at, err = d.event(b, at); err != nil {
				return err
			}
		}
	}
}

// single decodes one AvroFlumeEvent, all of b, into d.events.
func (d *decoder) single(b []byte) error {
	d.events, d.headers = d.events[:0], d.headers[:0]
	at, err := d.event(b, 0)
	if err != nil {
		return err
	}
	return d.end(b, at)
}

func (d *decoder) end(b []byte, at int) error {
	if at != len(b) {
		return malformed("%d bytes follow the arguments", len(b)-at)
	}
	return nil
}

// event decodes one event at b[at:] and returns the offset after it.
func (d *decoder) event(b []byte, at int) (int, error) {
	first, size := len(d.headers), 0
	headers := d.headers
	for {
		n, next := avrobin.ReadBlock(b, at, 2)
		if next < 0 {
			return 0, malformed("event %d: bad block of headers at byte %d of %d", len(d.events), at, len(b))
		}
		at = next
		if n == 0 {
			break
		}
		if n > d.cfg.MaxHeaders-(len(headers)-first) {
			return 0, tooMuch(reasonHeaders, "headers of an event", "--avro-max-headers", int64(len(headers)-first+n), d.cfg.MaxHeaders)
		}
		if len(headers)+n > cap(headers) {
			var err error
			if headers, err = grow(headers, n, headerSize, d.charge); err != nil {
				return 0, err
			}
		}
		for range n {
			key, next := avrobin.ReadBytes(b, at)
			if next < 0 {
				return 0, malformed("event %d: bad header name at byte %d of %d", len(d.events), at, len(b))
			}
			at = next
			value, next := avrobin.ReadBytes(b, at)
			if next < 0 {
				return 0, malformed("event %d: bad header value at byte %d of %d", len(d.events), at, len(b))
			}
			at = next
			size += len(key) + len(value)
			headers = append(headers, flumesink.Header{Key: key, Value: value})
		}
	}
	body, next := avrobin.ReadBytes(b, at)
	if next < 0 {
		return 0, malformed("event %d: bad body at byte %d of %d", len(d.events), at, len(b))
	}
	if size > d.cfg.MaxHeaderBytes {
		return 0, tooMuch(reasonHeaderBytes, "bytes of headers in an event", "--avro-max-header-bytes", int64(size), d.cfg.MaxHeaderBytes)
	}
	if len(body) > d.cfg.MaxBodyBytes {
		return 0, tooMuch(reasonBodyBytes, "bytes of body in an event", "--avro-max-body-bytes", int64(len(body)), d.cfg.MaxBodyBytes)
	}
	if len(d.events) == cap(d.events) {
		var err error
		if d.events, err = grow(d.events, 1, eventSize, d.charge); err != nil {
			return 0, err
		}
	}
	d.headers = headers
	d.events = append(d.events, flumesink.Event{Headers: headers[first:len(headers):len(headers)], Body: body})
	return next, nil
}

// grow makes room for n more items, and for as many again as there are. n is at most a limit of Config, and at most
// half the bytes that were received.
func grow[T any](s []T, n, size int, charge func(int) error) ([]T, error) {
	more := max(n, cap(s), 64)
	if err := charge(more * size); err != nil {
		return s, err
	}
	larger := make([]T, len(s), cap(s)+more) // exactly what was charged, which slices.Grow would not keep to
	copy(larger, s)
	return larger, nil
}
