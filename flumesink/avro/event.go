package avro

import (
	"github.com/sluice-etl/sluice/internal/avrobin"
	"github.com/sluice-etl/sluice/receiver"
)

// Events are decoded from Avro's binary encoding of flume.avdl's AvroFlumeEvent, record{headers: map<string>, body:
// bytes}, as views of the bytes. The frame's slices grow with the decoded events, and not with announced numbers.
// Strings are not checked for UTF-8, since Java does not check them; a header name that occurs twice is kept twice.

// decodeEvents decodes array<AvroFlumeEvent>, all of b, into f.Events.
func decodeEvents(f *receiver.Frame, limits *receiver.Limits, b []byte) error {
	at, err := DecodeEvents(f, limits, b, 0)
	if err != nil {
		return err
	}
	return end(b, at)
}

// decodeEvent decodes one AvroFlumeEvent, all of b, into f.Events.
func decodeEvent(f *receiver.Frame, limits *receiver.Limits, b []byte) error {
	f.Reset()
	at, err := event(f, limits, b, 0)
	if err != nil {
		return err
	}
	return end(b, at)
}

func end(b []byte, at int) error {
	if at != len(b) {
		return receiver.Malformed("%d bytes follow the arguments", len(b)-at)
	}
	return nil
}

// DecodeEvents decodes array<record{headers: map<string>, body: bytes}> at b[at:] into f.Events, which it replaces, and
// returns the offset after the array. The events are views of b. It allocates only if f's slices must grow. The
// error is a [receiver.RejectError], or that of waiting for memory.
func DecodeEvents(f *receiver.Frame, limits *receiver.Limits, b []byte, at int) (next int, err error) {
	f.Reset()
	for {
		n, next := avrobin.ReadBlock(b, at, 2)
		if next < 0 {
			return 0, receiver.Malformed("events: bad block at byte %d of %d", at, len(b))
		}
		at = next
		if n == 0 {
			return at, nil
		}
		if err := limits.CheckEvents(len(f.Events) + n); err != nil {
			return 0, err
		}
		for range n {
			if at, err = event(f, limits, b, at); err != nil {
				return 0, err
			}
		}
	}
}

// event decodes one event at b[at:] and returns the offset after it.
func event(f *receiver.Frame, limits *receiver.Limits, b []byte, at int) (int, error) {
	first, total, size := len(f.Headers), 0, 0
	headers := f.Headers
	for {
		n, next := avrobin.ReadBlock(b, at, 2)
		if next < 0 {
			return 0, receiver.Malformed("event %d: bad block of headers at byte %d of %d", len(f.Events), at, len(b))
		}
		at = next
		if n == 0 {
			break
		}
		total += n
		if keep := min(n, limits.MaxHeaders-(len(headers)-first)); len(headers)+keep > cap(headers) {
			f.Headers = headers
			if err := f.GrowHeaders(keep); err != nil {
				return 0, err
			}
			headers = f.Headers
		}
		for range n {
			key, next := avrobin.ReadBytes(b, at)
			if next < 0 {
				return 0, receiver.Malformed("event %d: bad header name at byte %d of %d", len(f.Events), at, len(b))
			}
			at = next
			value, next := avrobin.ReadBytes(b, at)
			if next < 0 {
				return 0, receiver.Malformed("event %d: bad header value at byte %d of %d", len(f.Events), at, len(b))
			}
			at = next
			size += len(key) + len(value)
			if size <= limits.MaxHeaderBytes && len(headers)-first < limits.MaxHeaders { // omitted headers still count
				headers = append(headers, receiver.Header{Key: key, Value: value})
			}
		}
	}
	body, next := avrobin.ReadBytes(b, at)
	if next < 0 {
		return 0, receiver.Malformed("event %d: bad body at byte %d of %d", len(f.Events), at, len(b))
	}
	var dead *receiver.Dead
	if !limits.Fits(total, size, len(body)) {
		var err error
		if dead, err = limits.CheckEventSize(f, total, len(headers)-first, size, len(body)); err != nil {
			return 0, err
		}
	}
	if err := f.GrowEvents(); err != nil {
		return 0, err
	}
	f.Headers = headers
	f.Events = append(f.Events, receiver.Event{Headers: headers[first:len(headers):len(headers)], Body: body, Dead: dead})
	return next, nil
}
