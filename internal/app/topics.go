package app

import (
	"context"
	"log/slog"
	"time"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/kafkaio"
)

// minLeaveTimeout is the minimum grace period for leaving the group and closing the producer.
const minLeaveTimeout = time.Second

// topics creates the topics. Every component that uses Kafka waits for it.
type topics struct {
	cfgs  []Config // one for each topic of events
	load  *loadings
	log   *slog.Logger
	data  map[string]batch.Topic // the topics of the events by name, without offsets; set before ready is closed
	ready chan struct{}          // closed when the topics exist
}

func newTopics(cfg Config, load *loadings, log *slog.Logger) *topics {
	return &topics{cfgs: cfg.perTopic(), load: load, log: log, data: map[string]batch.Topic{}, ready: make(chan struct{})}
}

// run creates missing topics, and waits for Kafka without a time limit. A process that loads checks in MySQL that the job
// has no checkpoint of a topic before it creates that topic. A process that only receives has no MySQL; the loading
// processes refuse a topic other than the one that they have counted (P4, P26).
func (t *topics) run(ctx context.Context) error {
	for _, cfg := range t.cfgs {
		var mayCreate func(context.Context) (bool, error)
		if t.load != nil {
			mayCreate = func(ctx context.Context) (bool, error) { return t.load.mayCreateTopic(ctx, cfg.Kafka.Topic) }
		}
		reports, err := kafkaio.EnsureTopics(ctx, cfg.Kafka, cfg.use(), mayCreate, t.log)
		if err != nil {
			return err
		}
		for _, r := range reports {
			if r.Name == cfg.Kafka.Topic {
				t.data[r.Name] = batch.Topic{Name: r.Name, ID: r.ID}
			}
		}
	}
	close(t.ready)
	return nil
}

// wait blocks until the topics exist, and reports false if ctx ended first.
func (t *topics) wait(ctx context.Context) bool {
	select {
	case <-t.ready:
		return true
	case <-ctx.Done():
		return false
	}
}
