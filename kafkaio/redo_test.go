package kafkaio

import (
	"context"
	"errors"
	"testing"
	"time"
)

// Kafka refused a batch for one record of it, and the others are produced again one by one. That takes its time: a
// request whose sender was given up meanwhile, and sends again, is not produced after that.
func TestP23_AnAbandonedRequestIsNotProducedAgain(t *testing.T) {
	t.Parallel()
	c := broker(t)
	makeTopics(t, c, 1, nil)
	p, _ := producer(t, testConfig(c))
	if err := p.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	b, released, release := request(p, "late", 5)
	b.release = release
	b.prepare("logs", 1<<20)
	for _, r := range b.ptrs {
		b.refused = append(b.refused, refusal{rec: r})
	}
	b.state.Store(abandoned)
	p.gate.add(5)
	p.mu.Lock()
	p.inWork++
	p.mu.Unlock()
	p.redo.push(b)
	eventually(t, "the release", func() bool { return released.Load() == 1 })
	if err := p.Ready(t.Context()); err != nil {
		t.Error(err)
	}
	if n := len(readAll(t, c, "logs")); n != 0 {
		t.Errorf("%d records were produced after their request's end", n)
	}
}

func TestP23_WhatWasNotProducedSaysSo(t *testing.T) {
	t.Parallel()
	c := broker(t)
	makeTopics(t, c, 1, nil)
	p, stop := producer(t, testConfig(c))
	b, _, release := request(p, "gone", 1)
	if err := p.Produce(t.Context(), b, func() bool { return true }, release); !errors.Is(err, ErrNotProduced) || !errors.Is(err, ErrGone) {
		t.Errorf("gone: %v", err)
	}
	stop()
	b, _, release = request(p, "closed", 1)
	if err := p.Produce(t.Context(), b, nil, release); !errors.Is(err, ErrNotProduced) || !errors.Is(err, ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}

// thawed is a context whose deadline has passed while the process was frozen: its timer has not run yet.
type thawed struct{ context.Context }

func (thawed) Deadline() (time.Time, bool) { return time.Now().Add(-time.Second), true }

func TestP23_ARequestThatWasFrozenIsNotProduced(t *testing.T) {
	t.Parallel()
	c := broker(t)
	makeTopics(t, c, 1, nil)
	p, _ := producer(t, testConfig(c))
	b, released, release := request(p, "old", 1)
	if err := p.Produce(thawed{t.Context()}, b, nil, release); !errors.Is(err, ErrNotProduced) || released.Load() != 1 {
		t.Errorf("error is %v, released %d times", err, released.Load())
	}
}
