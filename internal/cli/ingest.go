package cli

import (
	"context"
	"errors"

	"github.com/alecthomas/kong"

	"github.com/sluice-etl/sluice/internal/app"
)

type ingestCmd struct {
	ReceiverOptions `embed:""`
	KafkaOptions    `embed:""`
	ValueOptions    `embed:""`
	ProcessOptions  `embed:""`
}

// Help shows examples.
func (ingestCmd) Help() string {
	return `Receives events from Flume and writes them to Kafka. It never connects to MySQL. Any number of processes may run.

Examples:

	etl ingest --kafka-brokers k1:9092,k2:9092
	etl ingest --avro-listen 10.0.0.5:41414 --kafka-key host`
}

// Run runs the receiving half.
func (c *ingestCmd) Run(ctx context.Context, k *kong.Context, s Streams) error {
	cfg, err := c.config(k)
	if err != nil {
		return err
	}
	return c.start(ctx, cfg, s)
}

func (c *ingestCmd) config(k *kong.Context) (app.Config, error) {
	cfg := app.Config{ShutdownTimeout: c.ShutdownTimeout, Status: c.status(), FlumeValues: c.flume()}
	cfg.Dedup.Header = c.DedupHeader
	cfg.Kafka, cfg.Topics = c.KafkaOptions.config(), c.topics()
	err := c.receive(&cfg)
	if !cfg.Receive {
		return cfg, errors.Join(err, errNothing)
	}
	return cfg, errors.Join(err, optionErrors(k, cfg.Validate()))
}
