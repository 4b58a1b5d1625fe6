package cli

import (
	"context"
	"errors"

	"github.com/alecthomas/kong"

	"github.com/sluice-etl/sluice/internal/app"
)

type loadCmd struct {
	LoadOptions    `embed:""`
	KafkaOptions   `embed:""`
	ValueOptions   `embed:""`
	ProcessOptions `embed:""`
}

// Help shows examples.
func (loadCmd) Help() string {
	return `Loads records from Kafka into MySQL. It opens no port except the admin listener's. Any number of processes may run; they share the partitions.

Examples:

	etl load --kafka-brokers k1:9092 --mysql-dsn 'etl:secret@tcp(db:3306)/stats' --format combined --query-file hits.sql
	etl load --kafka-topic app,web --format 'json, web=combined' --query-file hits.sql --mysql-dsn-file /run/secrets/dsn
	etl load --job sizes --start latest --format json --query 'INSERT INTO sizes SELECT host, SUM(bytes) AS bytes FROM events GROUP BY host' --mysql-dsn-file /run/secrets/dsn`
}

// Run runs the loading half.
func (c *loadCmd) Run(ctx context.Context, k *kong.Context, s Streams) error {
	cfg, err := c.config(k)
	if err != nil {
		return err
	}
	return c.start(ctx, cfg, s)
}

func (c *loadCmd) config(k *kong.Context) (app.Config, error) {
	cfg := app.Config{ShutdownTimeout: c.ShutdownTimeout, Status: c.status(), FlumeValues: c.flume(), Kafka: c.KafkaOptions.config(), Topics: c.topics()}
	cfg.Dedup = c.WindowOptions.config(c.DedupOptions)
	err := c.load(k, &cfg, "")
	return cfg, errors.Join(err, optionErrors(k, cfg.Validate()))
}
