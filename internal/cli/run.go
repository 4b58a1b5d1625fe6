package cli

import (
	"context"
	"errors"
	"time"

	"github.com/alecthomas/kong"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluice-etl/sluice/internal/app"
	"github.com/sluice-etl/sluice/query"
)

// RunOptions are all options of etl run and of standalone.
type RunOptions struct {
	LoadOptions     `embed:""`
	ReceiverOptions `embed:""`
	KafkaOptions    `embed:""`
	ValueOptions    `embed:""`
	ProcessOptions  `embed:""`
}

// LoadOptions are the options of loading, except those of Kafka and of the process.
type LoadOptions struct {
	QueryOptions    `embed:""`
	JobOptions      `embed:""`
	LookupOptions   `embed:""`
	RegistryOptions `embed:""`
	MySQLOptions    `embed:""`
	ConsumeOptions  `embed:""`
	BatchOptions    `embed:""`
	WindowOptions   `embed:""`
}

type runCmd struct {
	RunOptions `embed:""`
}

// Help shows examples.
func (runCmd) Help() string {
	return `Examples:

	etl run --mysql-dsn 'etl:secret@tcp(db:3306)/stats' --format words --query 'INSERT INTO word_count SELECT word, COUNT(*) AS n FROM events GROUP BY word'
	etl run --kafka-brokers k1:9092,k2:9092 --mysql-host db --mysql-user etl --mysql-password-file /run/secrets/mysql --mysql-database stats --format combined --query-file hits.sql`
}

// Run runs both halves.
func (c *runCmd) Run(ctx context.Context, k *kong.Context, s Streams) error {
	cfg, err := c.Config(k, "")
	if err != nil {
		return err
	}
	return c.start(ctx, cfg, s)
}

// Config returns the configuration that the options select. If no query is given, fallback is used.
func (o *RunOptions) Config(k *kong.Context, fallback string) (app.Config, error) {
	return o.halves(k, true, true, fallback)
}

// halves returns the configuration of etl run, or of one half of it.
func (o *RunOptions) halves(k *kong.Context, receive, load bool, fallback string) (app.Config, error) {
	cfg := app.Config{ShutdownTimeout: o.ShutdownTimeout, Status: o.status(), FlumeValues: o.flume()}
	cfg.Kafka, cfg.Topics, cfg.Dedup = o.KafkaOptions.config(), o.topics(), o.WindowOptions.config(o.DedupOptions)
	var err error
	if receive {
		err = o.receive(&cfg)
	}
	if load {
		err = errors.Join(err, o.load(k, &cfg, fallback))
	}
	if !cfg.Receive && !load {
		return cfg, errors.Join(err, errNothing)
	}
	return cfg, errors.Join(err, optionErrors(k, cfg.Validate()))
}

func (o *LoadOptions) load(k *kong.Context, cfg *app.Config, fallback string) error {
	cfg.Load = true
	o.ConsumeOptions.apply(&cfg.Kafka)
	cfg.Kafka.ShutdownTimeout = cfg.ShutdownTimeout
	cfg.Batch = o.BatchOptions.config(cfg.ShutdownTimeout)
	cfg.Pool = o.MySQLOptions.config(o.KafkaRebalanceTimeout)
	cfg.Sink = o.JobOptions.config()
	cfg.Joined, cfg.Registry = o.LookupOptions.config(), o.RegistryOptions.config()
	var err error
	cfg.DeadLetterKeep = time.Duration(o.DeadLetterKeep)
	if cfg.Topics == nil {
		cfg.Topics = []query.TopicPlan{{Topic: cfg.Kafka.Topic}}
	}
	err = o.compile(cfg.Topics, fallback, query.Options{
		DeadLetterMaxBytes: int(o.DeadLetterMaxBytes), FlumeValues: cfg.FlumeValues, DedupHeader: cfg.Dedup.Header,
	})
	if err != nil {
		return err
	}
	cfg.Plan = cfg.Topics[0].Plan
	cfg.Sink.Retain, err = cfg.Plan.Retained(o.Retain)
	return optionErrors(k, err)
}

// start runs a process until a signal or an error.
func (o ProcessOptions) start(ctx context.Context, cfg app.Config, s Streams) error {
	log := o.Logger(s.Err)
	if cfg.Plan != nil && len(cfg.Plan.Joined()) > 0 {
		demand, end := onHangup()
		defer end()
		cfg.ReadJoined = demand
	}
	log.Info("Starting", "version", Version(), "receive", cfg.Receive, "load", cfg.Load)
	if err := app.Run(ctx, cfg, log, prometheus.NewRegistry()); err != nil {
		return err
	}
	log.Info("Stopped")
	return nil
}
