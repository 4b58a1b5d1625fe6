// Package receiver is what Flume's senders talk to. Each sub-package speaks one protocol; this one holds what they
// share: the [Event], the [Appender] that makes events safe, and the bytes in flight over all receivers.
//
// A receiver answers OK only after Append returned nil, which is after Kafka acknowledged every event of the request
// (acks=all). Anything else is left unanswered, and Flume sends it again. A frame belongs to the Appender from the
// call of Append until it calls Release, time-out or not (P29).
package receiver

import (
	"context"
	"errors"
)

// ErrNotProduced is what an Appender wraps when it gave nothing of a request to Kafka: what the sender sends again is
// then no duplicate, and the request is not counted among the unanswered events.
var ErrNotProduced = errors.New("nothing was produced")

// ErrRejected is what a client's Append wraps when the server answered, and the answer was not OK.
var ErrRejected = errors.New("refused by the server")

// Event is one Flume event as views on the frame that it came in: valid until the request's Release.
type Event struct {
	Headers []Header
	Body    []byte
	// Dead is set where the event exceeds a limit of its receiver: it goes to the dead-letter topic and its neighbours
	// are not affected. Headers then holds only as many as the limits allow.
	Dead *Dead
}

// Dead is why an event becomes a dead letter although its request was read. It is paid for as its frame is.
type Dead struct {
	Label   string // the reason as a value of the label reason in metrics
	Reason  string // constant for a receiver and a limit
	Dropped int    // how many headers Headers leaves out
}

// Header is one header of an event. Both are views on the frame.
type Header struct {
	Key, Value []byte
}

// Request is the events of one append or appendBatch call.
type Request struct {
	Events []Event
	// Release is called exactly once, when nobody will read the frame any more; perhaps long after Append returned.
	Release func()
	// Memory gives the Appender so many bytes of room of its own until Release, paid out of the bytes in flight; it may
	// wait for them. It is called at most once. Where it is nil the Appender makes its own.
	Memory func(n int) ([]byte, error)
	// PeerClosed reports whether the sender is known to have gone (FIN or RST, where the system tells); its request is then
	// dropped and never produced (P23). It may be nil.
	PeerClosed func() bool
}

// Appender makes events safe. It is safe for concurrent use.
type Appender interface {
	// Append returns nil when Kafka has acknowledged every event. ctx carries the deadline of the request, counted
	// from its first byte; without a deadline Append waits for Kafka until ctx is done. Any error means that no OK may be sent: the connection is closed unanswered. An error of
	// ctx after the records were given to the producer leaves them with it: they may still be written.
	Append(ctx context.Context, r Request) error
	// Ready blocks while nothing more may be read, because a record of an unanswered request has no final word from
	// Kafka yet (P23); or until ctx ends.
	Ready(ctx context.Context) error
}
