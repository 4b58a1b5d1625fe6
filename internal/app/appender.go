package app

import (
	"context"
	"errors"
	"fmt"

	"github.com/sluice-etl/sluice/internal/avrobin"
	"github.com/sluice-etl/sluice/kafkaio"
	"github.com/sluice-etl/sluice/receiver"
)

// appender makes Flume's events Kafka's records.
type appender struct {
	*kafkaio.Producer
	kafka *kafkaio.Monitor
	// flumeValues says that the whole event is the value, in Flume's own encoding; else the body is the value, and headers
	// stay headers.
	flumeValues bool
}

// Append implements receiver.Appender.
func (a appender) Append(ctx context.Context, r receiver.Request) error {
	var b *kafkaio.Batch
	if a.flumeValues {
		memory, err := room(&r)
		if err != nil {
			r.Release()
			return fmt.Errorf("%w; %w", err, receiver.ErrNotProduced)
		}
		b = a.NewBatch(len(r.Events))
		addEvents(b, r.Events, memory)
	} else {
		b = a.NewBatch(len(r.Events))
		addBodies(b, r.Events)
	}
	_, limited := ctx.Deadline()
	b.Unlimited = !limited
	err := a.Produce(ctx, b, r.PeerClosed, r.Release)
	if errors.Is(err, kafkaio.ErrNotProduced) {
		return notProduced{a.explain(err)}
	}
	return a.explain(err)
}

// notProduced wraps receiver.ErrNotProduced as well, and leaves the text unchanged: kafkaio's error has the same words.
type notProduced struct{ error }

func (e notProduced) Unwrap() []error { return []error{e.error, receiver.ErrNotProduced} }

// Ready implements receiver.Appender.
func (a appender) Ready(ctx context.Context) error { return a.explain(a.Producer.Ready(ctx)) }

// explain adds what the monitor knows to be wrong with Kafka to a timeout or a missing permission.
func (a appender) explain(err error) error {
	if !errors.Is(err, context.DeadlineExceeded) && !kafkaio.IsDenied(err) {
		return err
	}
	if why, _ := a.kafka.State(); why != "" {
		return fmt.Errorf("%w; %s", err, why)
	}
	return err
}

// addBodies adds records as KafkaSink writes them, with the headers beside the body.
func addBodies(b *kafkaio.Batch, events []receiver.Event) {
	for i := range events {
		addBody(b, &events[i])
	}
}

func addBody(b *kafkaio.Batch, e *receiver.Event) {
	b.Add(e.Body)
	for _, h := range e.Headers {
		b.Header(h.Key, h.Value)
	}
	if d := e.Dead; d != nil {
		b.Dead(d.Label, d.Reason, d.Dropped)
	}
}

// addEvents adds records as KafkaChannel writes them, and KafkaSink with useFlumeEventFormat: the event is the value, and
// Kafka gets no headers. memory holds all values; it has room for them, so that it never moves. A dead letter keeps body
// and headers apart, since its headers are not all there.
func addEvents(b *kafkaio.Batch, events []receiver.Event, memory []byte) {
	for i := range events {
		e := &events[i]
		if e.Dead != nil {
			addBody(b, e)
			continue
		}
		from := len(memory)
		memory = avrobin.AppendEventHead(memory, len(e.Headers))
		for _, h := range e.Headers {
			memory = avrobin.AppendBytes(avrobin.AppendBytes(memory, h.Key), h.Value)
		}
		memory = avrobin.AppendEventBody(memory, e.Body)
		b.Add(memory[from:len(memory):len(memory)])
		for _, h := range e.Headers {
			b.Key(h.Key, h.Value)
		}
	}
}

// room returns memory for the request's events in Flume's encoding. It is valid as long as the request's frame (P29).
func room(r *receiver.Request) ([]byte, error) {
	n := 0
	for i := range r.Events {
		if r.Events[i].Dead == nil {
			n += eventSize(&r.Events[i])
		}
	}
	if r.Memory == nil {
		return make([]byte, 0, n), nil
	}
	return r.Memory(n)
}

func eventSize(e *receiver.Event) int {
	headers := 0
	for i := range e.Headers {
		headers += avrobin.BytesSize(len(e.Headers[i].Key)) + avrobin.BytesSize(len(e.Headers[i].Value))
	}
	return avrobin.EventSize(len(e.Headers), headers, len(e.Body))
}
