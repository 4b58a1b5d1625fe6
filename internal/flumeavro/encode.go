package flumeavro

import (
	"github.com/sluice-etl/sluice/internal/avrobin"
	"github.com/sluice-etl/sluice/receiver"
)

// AppendEvents appends array<AvroFlumeEvent> to dst, in one block.
func AppendEvents(dst []byte, events []receiver.Event) []byte {
	if len(events) > 0 {
		dst = avrobin.AppendLong(dst, int64(len(events)))
		for i := range events {
			dst = appendEvent(dst, &events[i])
		}
	}
	return append(dst, 0)
}

// appendEvent appends AvroFlumeEvent.
func appendEvent(dst []byte, e *receiver.Event) []byte {
	dst = avrobin.AppendEventHead(dst, len(e.Headers))
	for i := range e.Headers {
		dst = avrobin.AppendBytes(dst, e.Headers[i].Key)
		dst = avrobin.AppendBytes(dst, e.Headers[i].Value)
	}
	return avrobin.AppendEventBody(dst, e.Body)
}
