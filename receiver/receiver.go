// Package receiver holds what all receivers share: the [Event], the [Receiver] and the [Runtime] that a process gives
// to each of them, the [Appender] that writes events to Kafka, limits, and the budget of bytes in flight. Each
// sub-package is one receiver, or a server that several of them share; flumesink has the receivers of Flume's own
// RPC.
//
// A receiver replies OK only after Append returned nil, that is, after Kafka acknowledged every event of the request
// (acks=all). Any other request gets no OK, and Flume resends it. A frame belongs to the Appender from the call of
// Append until the Appender calls Release, even if the request timed out before (P29).
package receiver

import (
	"context"
	"errors"
)

// ErrNotProduced is wrapped by every error of an Appender that guarantees that no event of the request was handed to
// Kafka, so a resent request is no duplicate. Its events do not count as unanswered.
var ErrNotProduced = errors.New("nothing was produced")

// ErrRejected is wrapped by the error of a client's Append if the server replied with anything but OK.
var ErrRejected = errors.New("rejected by the server")

// Event is one Flume event as views of the frame that it arrived in, valid until the request's Release.
type Event struct {
	Headers []Header
	Body    []byte
	// Dead is set if the event exceeds a limit of its receiver. Such an event goes to the dead-letter topic, and the
	// other events of its request are not affected. Headers then holds only as many headers as the limits allow.
	Dead *Dead
}

// Dead is the reason why an event becomes a dead letter although its request was read. Its memory is charged with the
// frame.
type Dead struct {
	Label   string // the reason as a value of the label reason in metrics
	Reason  string // constant for a receiver and a limit
	Dropped int    // how many of the event's headers are not in Headers
}

// Header is one header of an event. Both slices are views of the frame.
type Header struct {
	Key, Value []byte
}

// Request is the events of one append or appendBatch call.
type Request struct {
	Events []Event
	// Release must be called exactly once, when the frame is not read any more, possibly long after Append returned.
	Release func()
	// Memory returns an empty buffer of n bytes for the Appender's own use until Release. It is charged to the bytes in
	// flight and may wait for them. It may be called once. If it is nil, the Appender allocates for itself.
	Memory func(n int) ([]byte, error)
	// PeerClosed reports whether the sender is known to have closed the connection (FIN or RST, where the system
	// reports them). Its request is then dropped and never produced (P23). It may be nil.
	PeerClosed func() bool
}

// Appender writes events to Kafka. It is safe for concurrent use.
type Appender interface {
	// Append returns nil when Kafka has acknowledged every event. ctx carries the deadline of the request, counted from
	// its first byte; without a deadline Append waits for Kafka until ctx is done. After an error no OK may be sent. If
	// ctx ends after the records were handed to the producer, they may still be written.
	Append(ctx context.Context, r Request) error
	// Ready blocks while nothing more may be read, because a record of an unanswered request is neither acknowledged
	// nor failed yet (P23), or until ctx is done.
	Ready(ctx context.Context) error
}
