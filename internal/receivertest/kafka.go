package receivertest

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/sluice-etl/sluice/receiver"
)

// Kafka is an Appender that records events. Its hooks may be nil. It is safe for concurrent use.
type Kafka struct {
	// Before runs before a request is recorded. If it fails, Append returns its error and nothing is recorded. The
	// request is released in both cases.
	Before func(ctx context.Context, r receiver.Request) error
	// OnAppend replaces all of Append, including the recording and the releasing.
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

// Keep records the events of r, which the caller still owns.
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

// Events returns the recorded events in their order.
func (k *Kafka) Events() []receiver.Event {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.seen)
}

// Got returns the recorded events as [Show] formats them.
func (k *Kafka) Got() []string { return each(k.Events(), Show) }

// Bodies returns the bodies of the recorded events.
func (k *Kafka) Bodies() []string {
	return each(k.Events(), func(e receiver.Event) string { return string(e.Body) })
}

func each(events []receiver.Event, show func(receiver.Event) string) (all []string) {
	for _, e := range events {
		all = append(all, show(e))
	}
	return all
}

// Show formats an event as body{k=v,k=v}, followed by dead:LABEL if it is a dead letter.
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

// Events returns events without headers.
func Events(bodies ...string) []receiver.Event {
	var es []receiver.Event
	for _, b := range bodies {
		es = append(es, receiver.Event{Body: []byte(b)})
	}
	return es
}

// Wait returns a Before that waits for Kafka's acknowledgement on ack. A closed channel acknowledges everything.
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
	Came chan receiver.Request // receives each request
	Ack  chan error            // what its Append returns
}

// Hold returns a Held.
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
