package app

import (
	"context"
	"errors"
	"testing"

	"github.com/sluice-etl/sluice/kafkaio"
	"github.com/sluice-etl/sluice/receiver"
)

// A request that never reached Kafka cannot cause a duplicate, so it must not be in the upper bound of duplicates.
func TestP23_WhatWasNotProducedIsNotUnanswered(t *testing.T) {
	t.Parallel()
	p, err := kafkaio.NewProducer(kafkaio.DefaultConfig(), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	released := 0
	err = appender{p, unasked(), false}.Append(ctx, receiver.Request{Events: make([]receiver.Event, 1), Release: func() { released++ }})
	if !errors.Is(err, receiver.ErrNotProduced) {
		t.Errorf("error is %v, expected ErrNotProduced", err)
	}
	if released != 1 {
		t.Errorf("released %d times, expected 1", released)
	}
}

// unasked returns a Monitor that has not sent a request yet.
func unasked() *kafkaio.Monitor {
	return kafkaio.NewMonitor(kafkaio.DefaultConfig(), kafkaio.Use{Receive: true}, nil, nil)
}
