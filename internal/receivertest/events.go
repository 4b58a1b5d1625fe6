package receivertest

import (
	"fmt"
	"strings"

	"github.com/sluice-etl/sluice/receiver"
)

// BenchEvents returns 1,000 events with three headers, about 210 KB: an access log as a Flume agent sends it.
func BenchEvents() []receiver.Event {
	events := make([]receiver.Event, 1000)
	for i := range events {
		events[i] = receiver.Event{
			Headers: []receiver.Header{
				{Key: []byte("timestamp"), Value: fmt.Appendf(nil, "%d", 1700000000000+i)},
				{Key: []byte("host"), Value: fmt.Appendf(nil, "web-%02d.example", i%20)},
				{Key: []byte("basename"), Value: []byte("access.log")},
			},
			Body: fmt.Appendf(nil, `192.0.2.%d - - [10/Oct/2024:13:55:%02d +0000] "GET /a/%04d HTTP/1.1" 200 2326 "-" "%s"`, i%250, i%60, i, strings.Repeat("m", 62)),
		}
	}
	return events
}

// Header returns a header.
func Header(key, value string) receiver.Header {
	return receiver.Header{Key: []byte(key), Value: []byte(value)}
}
