package query

import (
	"bytes"
	"fmt"
	"unicode"
	"unicode/utf8"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/fold/format"
	"github.com/sluice-etl/sluice/internal/avrobin"
)

// open finds the event in the record at hand: its body, and the headers that it has of its own beside Kafka's. The error
// is why the value is no event.
func (r *rec) open(flumeValues bool) error {
	if !flumeValues {
		r.event.Body = r.in.Value
		return nil
	}
	e, at, bad := avrobin.ReadEvent(r.in.Value, 0)
	if bad != "" || at != len(r.in.Value) {
		return notFlume(r.in.Value, at, bad)
	}
	r.event = e
	return nil
}

// notFlume says why a value is not exactly one of Flume's events, and what it looks like.
func notFlume(v []byte, at int, bad string) error {
	why := fmt.Sprintf("%d bytes follow the event, which ends at byte %d of %d", len(v)-at, at, len(v))
	if bad != "" {
		why = fmt.Sprintf("bad %s at byte %d of %d", bad, at, len(v))
	}
	return &format.Error{Reason: "--kafka-value flume: the value is not one Flume event in Avro's encoding; " + looksLike(v), Detail: why}
}

// looksLike guesses what a value is that is no event, for whoever chose the encoding.
func looksLike(v []byte) string {
	switch {
	case len(v) == 0:
		return "it is empty"
	case bytes.HasPrefix(v, []byte("Obj\x01")):
		return "it looks like an Avro container file, which Flume does not write to Kafka"
	case plainText(v):
		return "it looks like plain text: did you mean --kafka-value raw?"
	}
	return "it is neither text nor a container file: if the events' bodies look so, --kafka-value raw is meant"
}

// plainText judges by the first kilobyte, which may be cut within a letter.
func plainText(v []byte) bool {
	for v = v[:min(len(v), 1024)]; len(v) > 0; {
		c, n := utf8.DecodeRune(v)
		if c == utf8.RuneError && n == 1 {
			return !utf8.FullRune(v)
		}
		if !unicode.IsPrint(c) && !unicode.IsSpace(c) {
			return false
		}
		v = v[n:]
	}
	return true
}

// Header is a function that finds the header of that name in a record, as header('…') does in a query: first among the
// event's own where values are Flume's, then among Kafka's. It returns a view on the record; nil where there is no such
// header or the value is no event, and not nil where the header is empty. It allocates nothing and is safe for
// concurrent use.
func (p *Plan) Header(name string) func(*batch.Record) []byte {
	flumeValues := p.options.FlumeValues
	return func(in *batch.Record) []byte {
		r := rec{in: in}
		if flumeValues {
			e, at, bad := avrobin.ReadEvent(in.Value, 0)
			if bad != "" || at != len(in.Value) {
				return nil
			}
			r.event = e
		}
		return findHeader(&r, name).Bytes
	}
}
