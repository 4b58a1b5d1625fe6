package avro

import (
	"testing"

	oracle "github.com/twmb/avro"

	"github.com/sluice-etl/sluice/internal/flumeavro"
	"github.com/sluice-etl/sluice/internal/receivertest"
)

const eventSchema = `{"type":"record","name":"AvroFlumeEvent","namespace":"org.apache.flume.source.avro","fields":[
	{"name":"headers","type":{"type":"map","values":"string"}},{"name":"body","type":"bytes"}]}`

// oracleEvent is AvroFlumeEvent as twmb/avro decodes it.
type oracleEvent struct {
	Headers map[string]string `avro:"headers"`
	Body    []byte            `avro:"body"`
}

// benchBatch returns receivertest.BenchEvents in Flume's encoding.
func benchBatch() []byte { return flumeavro.AppendEvents(nil, receivertest.BenchEvents()) }

// BenchmarkDecode compares the decoder with twmb/avro on the same bytes, and with the minimum that any decoder does:
// walking the lengths without checks and without results.
func BenchmarkDecode(b *testing.B) {
	frame := benchBatch()
	const events = 1000
	var body, header int
	for _, e := range mustDecode(b, frame) {
		body += len(e.Body)
		for _, h := range e.Headers {
			header += len(h.Key) + len(h.Value)
		}
	}
	report := func(b *testing.B) {
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/events, "ns/event")
		b.ReportMetric(0, "ns/op")
	}
	b.Run("views", func(b *testing.B) {
		b.SetBytes(int64(len(frame)))
		b.ReportAllocs()
		d := testDecoder(b)
		for b.Loop() {
			if err := d.batch(frame); err != nil {
				b.Fatal(err)
			}
		}
		report(b)
		got := 0
		for i := range d.Events {
			got += len(d.Events[i].Body)
		}
		if len(d.Events) != events || got != body {
			b.Fatalf("%d events with %d bytes, expected %d with %d", len(d.Events), got, events, body)
		}
	})
	schema := oracle.MustParse(`{"type":"array","items":` + eventSchema + `}`)
	for name, opts := range map[string][]oracle.Opt{"twmb": nil, "twmb-alias": {oracle.AliasInput()}} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(frame)))
			b.ReportAllocs()
			var into []oracleEvent
			for b.Loop() {
				into = into[:0]
				if _, err := schema.Decode(frame, &into, opts...); err != nil {
					b.Fatal(err)
				}
			}
			report(b)
			if len(into) != events {
				b.Fatalf("%d events, expected %d", len(into), events)
			}
		})
	}
	b.Run("ceiling", func(b *testing.B) {
		b.SetBytes(int64(len(frame)))
		var sum int
		for b.Loop() {
			sum = walk(frame)
		}
		report(b)
		if sum != body+header {
			b.Fatalf("walked %d bytes, expected %d", sum, body+header)
		}
	})
}

// walk sums the lengths in a batch that is known to be well formed.
func walk(b []byte) (sum int) {
	at := 0
	next := func() int {
		u, shift := 0, 0
		for {
			c := b[at]
			at++
			u |= int(c&0x7f) << shift
			if c < 0x80 {
				return u >> 1
			}
			shift += 7
		}
	}
	for {
		events := next()
		if events == 0 {
			return sum
		}
		for range events {
			for {
				headers := next()
				if headers == 0 {
					break
				}
				for range headers {
					for range 2 {
						n := next()
						at += n
						sum += n
					}
				}
			}
			n := next()
			at += n
			sum += n
		}
	}
}
