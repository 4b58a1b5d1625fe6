package thrift

import (
	"bytes"
	"context"
	"encoding/binary"
	"testing"

	oracle "github.com/apache/thrift/lib/go/thrift"

	thriftclient "github.com/sluice-etl/sluice/flumeclient/thrift"
	"github.com/sluice-etl/sluice/internal/receivertest"
)

// BenchmarkDecode compares the decoder with apache/thrift on the same bytes, and with the minimum that any decoder
// does: walking the lengths without checks and without results.
func BenchmarkDecode(b *testing.B) {
	es := receivertest.BenchEvents()
	body, header := 0, 0
	for _, e := range es {
		body += len(e.Body)
		for _, h := range e.Headers {
			header += len(h.Key) + len(h.Value)
		}
	}
	report := func(b *testing.B) {
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(es)), "ns/event")
		b.ReportMetric(0, "ns/op")
	}
	for _, p := range both {
		arguments := written(b, p, es)
		b.Run(string(p)+"/views", func(b *testing.B) {
			b.SetBytes(int64(len(arguments)))
			b.ReportAllocs()
			d := testDecoder(b)
			for b.Loop() {
				if err := d.batch(p, arguments); err != nil {
					b.Fatal(err)
				}
			}
			report(b)
			got := 0
			for i := range d.Events {
				got += len(d.Events[i].Body)
			}
			if len(d.Events) != len(es) || got != body {
				b.Fatalf("%d events with %d bytes, expected %d with %d", len(d.Events), got, len(es), body)
			}
		})
		b.Run(string(p)+"/apache", func(b *testing.B) {
			b.SetBytes(int64(len(arguments)))
			b.ReportAllocs()
			var o theirs
			for b.Loop() {
				o = theirs{events: o.events, in: &oracle.TMemoryBuffer{Buffer: bytes.NewBuffer(arguments)}}
				if err := o.read(context.Background(), protocolOn(p, o.in)); err != nil {
					b.Fatal(err)
				}
			}
			report(b)
			if len(o.events) != len(es) {
				b.Fatalf("%d events, expected %d", len(o.events), len(es))
			}
		})
		b.Run(string(p)+"/ceiling", func(b *testing.B) {
			b.SetBytes(int64(len(arguments)))
			sum := 0
			for b.Loop() {
				sum = walk(p, arguments)
			}
			report(b)
			if sum != body+header {
				b.Fatalf("walked %d bytes, expected %d", sum, body+header)
			}
		})
	}
}

// walk sums the lengths in a batch of events with three headers that is known to be well formed.
func walk(p thriftclient.Protocol, b []byte) (sum int) {
	at := 0
	next := func() int {
		if p == thriftclient.Binary {
			at += 4
			return int(binary.BigEndian.Uint32(b[at-4:]))
		}
		n, size := binary.Uvarint(b[at:])
		at += size
		return int(n)
	}
	pass := func() {
		n := next()
		at += n
		sum += n
	}
	field, types := 1, 1 // bytes of a field's header, and of what a map's types are
	if p == thriftclient.Binary {
		field, types = 3, 2
	}
	at += field + 1 // the list's type, and in the compact protocol that its count follows
	for range next() {
		at += field
		if p == thriftclient.Binary {
			at += types
		}
		headers := next()
		if p == thriftclient.Compact {
			at += types
		}
		for range 2 * headers {
			pass()
		}
		at += field
		pass()
		at++
	}
	return sum
}
