package query

import (
	"bytes"
	"fmt"
	"unicode"
	"unicode/utf8"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/fold"
	"github.com/sluice-etl/sluice/fold/format"
	"github.com/sluice-etl/sluice/internal/avrobin"
	"github.com/sluice-etl/sluice/internal/option"
)

// flumeOpener returns a function that sets the body and the headers of a record whose value is one of Flume's events.
// The function belongs to one fold. Its error says why the value is not an event.
func flumeOpener() func(*fold.Env) error {
	headers := new(avrobin.Headers)
	return func(env *fold.Env) error {
		v := env.Record.Value
		e, at, bad := avrobin.ReadEvent(v, 0)
		if bad != "" || at != len(v) {
			return notFlume(v, at, bad)
		}
		*headers = e.Headers
		env.Body, env.Headers = e.Body, headers
		return nil
	}
}

// notFlume returns the error for a value that is not exactly one of Flume's events: why it is not, and what it looks
// like.
func notFlume(v []byte, at int, bad string) error {
	why := fmt.Sprintf("%d bytes follow the event, which ends at byte %d of %d", len(v)-at, at, len(v))
	if bad != "" {
		why = fmt.Sprintf("bad %s at byte %d of %d", bad, at, len(v))
	}
	return &format.Error{Reason: option.Ref("kafka-value") + " flume: the value is not one Flume event in Avro's encoding; " + looksLike(v), Detail: why}
}

// looksLike guesses the content of a value that is not an event, to help the person who configured the encoding.
func looksLike(v []byte) string {
	switch {
	case len(v) == 0:
		return "it is empty"
	case bytes.HasPrefix(v, []byte("Obj\x01")):
		return "it looks like an Avro container file, which Flume does not write to Kafka"
	case plainText(v):
		return "it looks like plain text: did you mean " + option.Ref("kafka-value") + " raw?"
	}
	return "it is neither text nor a container file: if the events' bodies look so, " + option.Ref("kafka-value") + " raw is meant"
}

// plainText reports whether a value looks like text. It reads the first kilobyte, which may end within a character.
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

// Header returns a function that returns a record's header of that name, as header('…') does in a query: if values are
// Flume's events, first from the event's own headers, then from the record's. The result is a view of the record. It is
// nil if there is no such header or the value is not an event, and not nil if the header is empty. The function
// allocates nothing and is safe for concurrent use.
func (p *Plan) Header(name string) func(*batch.Record) []byte {
	flumeValues := p.options.FlumeValues
	return func(in *batch.Record) []byte {
		if flumeValues {
			e, at, bad := avrobin.ReadEvent(in.Value, 0)
			if bad != "" || at != len(in.Value) {
				return nil
			}
			if v := e.Headers.Get(name); v != nil {
				return v
			}
		}
		return fold.RecordHeader(in, name).Bytes
	}
}
