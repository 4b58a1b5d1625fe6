package receivertest

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/sluice-etl/sluice/receiver"
)

// Kafka is an Appender that keeps what it is given. Its hooks may be nil. It is safe for concurrent use.
type Kafka struct {
	// Before runs before a request is kept; its error is Append's, and nothing is kept then. The request is released
	// either way.
	Before func(ctx context.Context, r receiver.Request) error
	// OnAppend stands for all of Append, the keeping and the releasing included.
	OnAppend func(ctx context.Context, r receiver.Request) error
	OnReady  func(ctx context.Context) error

	mu   sync.Mutex
	seen []receiver.Event // clones
}

// Append implements receiver.Appender.
func (k *Kafka) Append(ctx context.Context, r receiver.Request) error {
	if k.OnAppend != nil {
		return k.OnAppend(ctx, r)
	}
	defer r.Release()
	if k.Before != nil {
		if err := k.Before(ctx, r); err != nil {
			return err
		}
	}
	k.Keep(r)
	return nil
}

// Keep notes the events of r, which stays the caller's.
func (k *Kafka) Keep(r receiver.Request) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, e := range r.Events {
		kept := receiver.Event{Body: bytes.Clone(e.Body), Dead: e.Dead}
		for _, h := range e.Headers {
			kept.Headers = append(kept.Headers, receiver.Header{Key: bytes.Clone(h.Key), Value: bytes.Clone(h.Value)})
		}
		k.seen = append(k.seen, kept)
	}
}

// Ready implements receiver.Appender.
func (k *Kafka) Ready(ctx context.Context) error {
	if k.OnReady != nil {
		return k.OnReady(ctx)
	}
	return nil
}

// Events are those that were kept, in their order.
func (k *Kafka) Events() []receiver.Event {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.seen)
}

// Got is what was kept, each event as [Show] has it.
func (k *Kafka) Got() []string { return each(k.Events(), Show) }

// Bodies are the bodies of what was kept.
func (k *Kafka) Bodies() []string {
	return each(k.Events(), func(e receiver.Event) string { return string(e.Body) })
}

func each(events []receiver.Event, show func(receiver.Event) string) (all []string) {
	for _, e := range events {
		all = append(all, show(e))
	}
	return all
}

// Show is an event as body{k=v,k=v}, and dead:LABEL behind it where it is a dead letter.
func Show(e receiver.Event) string {
	var headers []string
	for _, h := range e.Headers {
		headers = append(headers, string(h.Key)+"="+string(h.Value))
	}
	shown := string(e.Body) + "{" + strings.Join(headers, ",") + "}"
	if e.Dead != nil {
		shown += "dead:" + e.Dead.Label
	}
	return shown
}

// Events are events without headers.
func Events(bodies ...string) []receiver.Event {
	var es []receiver.Event
	for _, b := range bodies {
		es = append(es, receiver.Event{Body: []byte(b)})
	}
	return es
}

// Wait is a Before that waits for Kafka's word on ack; a closed channel always takes.
func Wait(ack <-chan error) func(context.Context, receiver.Request) error {
	return func(ctx context.Context, _ receiver.Request) error {
		select {
		case err := <-ack:
			return err
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// Held is an Appender whose requests wait for the test.
type Held struct {
	Kafka
	Came chan receiver.Request // a request has arrived
	Ack  chan error            // what its Append returns
}

// Hold makes one.
func Hold() *Held {
	h := &Held{Came: make(chan receiver.Request, 10), Ack: make(chan error, 10)}
	h.OnAppend = func(ctx context.Context, r receiver.Request) error {
		h.Came <- r
		select {
		case err := <-h.Ack:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return h
}
