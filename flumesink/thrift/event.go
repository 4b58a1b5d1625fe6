package thrift

import "github.com/sluice-etl/sluice/receiver"

// Events are decoded as views of the frame. The frame's slices grow with the decoded events, and not with announced
// numbers. Strings are not checked for UTF-8, since Java does not check them; a header name that occurs twice is kept
// twice. A field that is not Flume's is skipped, as by Thrift's own readers; if a field occurs twice, the last one
// counts.

// arguments decodes the arguments of append or appendBatch, which are the rest of r, into f.Events. It allocates only
// where f's slices must grow. The error is a [receiver.RejectError], or that of waiting for memory.
func arguments(f *receiver.Frame, limits *receiver.Limits, r reader, batch bool) error {
	f.Reset()
	found, last := false, int16(0)
	for {
		k, id, ok := r.field(last)
		switch {
		case !ok:
			return receiver.Malformed("arguments: bad field at byte %d of %d", r.at, len(r.b))
		case k == kindStop && !found:
			return receiver.Malformed("arguments: field 1, the events, is missing")
		case k == kindStop && r.left() > 0:
			return receiver.Malformed("%d bytes follow the arguments", r.left())
		case k == kindStop:
			return nil
		case id == 1 && batch && k == kindList:
			found = true
			f.Reset()
			if err := decodeEvents(f, limits, &r); err != nil {
				return err
			}
		case id == 1 && !batch && k == kindStruct:
			found = true
			f.Reset()
			if err := decodeEvent(f, limits, &r); err != nil {
				return err
			}
		default:
			if !r.skip(k, maxDepth) {
				return receiver.Malformed("arguments: field %d cannot be skipped, at byte %d of %d", id, r.at, len(r.b))
			}
		}
		last = id
	}
}

// decodeEvents decodes list<ThriftFlumeEvent>.
func decodeEvents(f *receiver.Frame, limits *receiver.Limits, r *reader) error {
	element, n, ok := r.list()
	if !ok || n > 0 && element != kindStruct {
		return receiver.Malformed("events: bad list, or not a list of structs, at byte %d of %d", r.at, len(r.b))
	}
	if err := limits.CheckEvents(n); err != nil {
		return err
	}
	for range n {
		if err := decodeEvent(f, limits, r); err != nil {
			return err
		}
	}
	return nil
}

// decodeEvent decodes one ThriftFlumeEvent.
func decodeEvent(f *receiver.Frame, limits *receiver.Limits, r *reader) error {
	first, total, size := len(f.Headers), 0, 0
	var body []byte
	hasHeaders, hasBody, last := false, false, int16(0)
	for {
		k, id, ok := r.field(last)
		if !ok {
			return receiver.Malformed("event %d: bad field at byte %d of %d", len(f.Events), r.at, len(r.b))
		}
		if k == kindStop {
			break
		}
		last = id
		switch {
		case id == 1 && k == kindMap:
			hasHeaders = true
			f.Headers = f.Headers[:first]
			var err error
			if total, size, err = decodeHeaders(f, limits, r); err != nil {
				return err
			}
		case id == 2 && k == kindString:
			hasBody = true
			if body, ok = r.bytes(); !ok {
				return receiver.Malformed("event %d: bad body at byte %d of %d", len(f.Events), r.at, len(r.b))
			}
		default:
			if !r.skip(k, maxDepth) {
				return receiver.Malformed("event %d: field %d cannot be skipped, at byte %d of %d", len(f.Events), id, r.at, len(r.b))
			}
		}
	}
	switch {
	case !hasHeaders:
		return receiver.Malformed("event %d: required field 'headers' was not present", len(f.Events))
	case !hasBody:
		return receiver.Malformed("event %d: required field 'body' was not present", len(f.Events))
	}
	var dead *receiver.Dead
	if !limits.Fits(total, size, len(body)) {
		var err error
		if dead, err = limits.CheckEventSize(f, total, len(f.Headers)-first, size, len(body)); err != nil {
			return err
		}
	}
	if err := f.GrowEvents(); err != nil {
		return err
	}
	f.Events = append(f.Events, receiver.Event{Headers: f.Headers[first:len(f.Headers):len(f.Headers)], Body: body, Dead: dead})
	return nil
}

// decodeHeaders decodes map<string, string> into f.Headers, as many as the limits allow, and returns the number and the
// bytes of all of them.
func decodeHeaders(f *receiver.Frame, limits *receiver.Limits, r *reader) (total, size int, err error) {
	key, value, n, ok := r.pairs()
	if !ok || n > 0 && (key != kindString || value != kindString) {
		return 0, 0, receiver.Malformed("event %d: bad headers, or not a map of strings to strings, at byte %d of %d", len(f.Events), r.at, len(r.b))
	}
	if err := f.GrowHeaders(min(n, limits.MaxHeaders)); err != nil {
		return 0, 0, err
	}
	first := len(f.Headers)
	all := f.Headers
	for range n {
		name, ok := r.bytes()
		if !ok {
			return 0, 0, receiver.Malformed("event %d: bad header name at byte %d of %d", len(f.Events), r.at, len(r.b))
		}
		text, ok := r.bytes()
		if !ok {
			return 0, 0, receiver.Malformed("event %d: bad header value at byte %d of %d", len(f.Events), r.at, len(r.b))
		}
		size += len(name) + len(text)
		if size <= limits.MaxHeaderBytes && len(all)-first < limits.MaxHeaders { // omitted headers still count
			all = append(all, receiver.Header{Key: name, Value: text})
		}
	}
	f.Headers = all
	return n, size, nil
}
