package app

import (
	"context"
	"log/slog"
	"time"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/kafkaio"
)

// minGoodbye is the least that leaving the group and ending the producer get.
const minGoodbye = time.Second

// topics is the step that everything which speaks to Kafka waits for: the topics are there.
type topics struct {
	cfg   kafkaio.Config
	use   kafkaio.Use
	load  *loading
	log   *slog.Logger
	data  batch.Topic   // the topic of the events, without offsets; set before ready is closed
	ready chan struct{} // closed when the topics are there
}

func newTopics(cfg kafkaio.Config, use kafkaio.Use, load *loading, log *slog.Logger) *topics {
	return &topics{cfg: cfg, use: use, load: load, log: log, ready: make(chan struct{})}
}

// run makes what is missing, waiting for Kafka as long as it takes. A process that loads asks MySQL before it makes a
// topic; one that only receives must not, and its loaders refuse a topic that is not the one they counted (P4, P26).
func (t *topics) run(ctx context.Context) error {
	var mayCreate func(context.Context) (bool, error)
	if t.load != nil {
		mayCreate = t.load.mayCreateTopic
	}
	reports, err := kafkaio.EnsureTopics(ctx, t.cfg, t.use, mayCreate, t.log)
	if err != nil {
		return err
	}
	for _, r := range reports {
		if r.Name == t.cfg.Topic {
			t.data = batch.Topic{Name: r.Name, ID: r.ID}
		}
	}
	close(t.ready)
	return nil
}

// wait reports whether the topics came to be there before ctx ended.
func (t *topics) wait(ctx context.Context) bool {
	select {
	case <-t.ready:
		return true
	case <-ctx.Done():
		return false
	}
}
