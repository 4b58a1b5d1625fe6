package app

import (
	"context"
	"errors"
	"fmt"

	"github.com/sluice-etl/sluice/flumesink"
	"github.com/sluice-etl/sluice/kafkaio"
)

// appender makes Flume's events Kafka's records: the body is the value, headers stay headers.
type appender struct{ *kafkaio.Producer }

// Append implements flumesink.Appender.
func (a appender) Append(ctx context.Context, r flumesink.Request) error {
	b := a.NewBatch(len(r.Events))
	for i := range r.Events {
		b.Add(r.Events[i].Body)
		for _, h := range r.Events[i].Headers {
			b.Header(h.Key, h.Value)
		}
	}
	err := a.Produce(ctx, b, r.Gone, r.Release)
	if errors.Is(err, kafkaio.ErrNotProduced) {
		return fmt.Errorf("%w (%w)", err, flumesink.ErrNotProduced)
	}
	return err
}
