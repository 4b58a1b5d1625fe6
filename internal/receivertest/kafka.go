package receivertest

import (
	"context"
	"strings"
	"sync"

	"github.com/sluice-etl/sluice/flumesink"
)

// Kafka is an Appender that keeps what it is given. Its hooks may be nil; OnAppend then does the keeping, and the
// releasing. It is safe for concurrent use.
type Kafka struct {
	OnAppend func(ctx context.Context, r flumesink.Request) error
	OnReady  func(ctx context.Context) error

	mu   sync.Mutex
	seen []string // an event is body{k=v,k=v}
}

// Append implements flumesink.Appender.
func (k *Kafka) Append(ctx context.Context, r flumesink.Request) error {
	if k.OnAppend != nil {
		return k.OnAppend(ctx, r)
	}
	k.Keep(r)
	r.Release()
	return nil
}

// Keep notes the events of r, which stays the caller's.
func (k *Kafka) Keep(r flumesink.Request) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, e := range r.Events {
		k.seen = append(k.seen, Show(e))
	}
}

// Ready implements flumesink.Appender.
func (k *Kafka) Ready(ctx context.Context) error {
	if k.OnReady != nil {
		return k.OnReady(ctx)
	}
	return nil
}

// Got is what was kept, each event as [Show] has it.
func (k *Kafka) Got() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return append([]string(nil), k.seen...)
}

// Show is an event as body{k=v,k=v}.
func Show(e flumesink.Event) string {
	var headers []string
	for _, h := range e.Headers {
		headers = append(headers, string(h.Key)+"="+string(h.Value))
	}
	return string(e.Body) + "{" + strings.Join(headers, ",") + "}"
}

// Events are events without headers.
func Events(bodies ...string) []flumesink.Event {
	var es []flumesink.Event
	for _, b := range bodies {
		es = append(es, flumesink.Event{Body: []byte(b)})
	}
	return es
}

// Held is an Appender whose requests wait for the test.
type Held struct {
	Kafka
	Came chan flumesink.Request // a request has arrived
	Ack  chan error             // what its Append returns
}

// Hold makes one.
func Hold() *Held {
	h := &Held{Came: make(chan flumesink.Request, 10), Ack: make(chan error, 10)}
	h.OnAppend = func(ctx context.Context, r flumesink.Request) error {
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
