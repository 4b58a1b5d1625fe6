package app

import (
	"context"
	"errors"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/sync/errgroup"

	"github.com/sluice-etl/sluice/internal/option"
	"github.com/sluice-etl/sluice/kafkaio"
	"github.com/sluice-etl/sluice/receiver/netserver"
	"github.com/sluice-etl/sluice/status"
)

// Run runs the process. It builds the components bottom up, runs them until ctx ends or one of them fails permanently,
// and stops them in order (P33):
//
//  1. ctx ends. /readyz returns 503.
//  2. The front stops: receivers accept and read no more, reply to the requests that Kafka acknowledges within
//     ShutdownTimeout, and close the other connections without a reply; batches are committed or rolled back, and the
//     process leaves the consumer group.
//  3. The rear stops: the producer, then the pool. The admin listener serves requests until then.
//
// A crash at any point costs duplicates of unacknowledged requests and nothing else, because rows and checkpoints are
// committed together, and no reply is sent before Kafka has acknowledged.
//
// It returns nil if ctx ended. An error that wraps checkpoint.ErrRefused is a start that would have harmed data.
func Run(ctx context.Context, cfg Config, log *slog.Logger, reg *prometheus.Registry) error {
	if err := cfg.Validate(); err != nil {
		return err
	}
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	// A stop takes at most ShutdownTimeout; what comes after receivers and batches, leaving Kafka, has a quarter of it.
	cfg.Batch.ShutdownTimeout, cfg.Kafka.ShutdownTimeout = cfg.ShutdownTimeout, max(cfg.ShutdownTimeout/4, minLeaveTimeout)
	if w := cfg.Kafka.TLS.Warning(); w != "" {
		log.Warn("Broker certificates are verified without host names", "why", w)
	}

	shown := status.Sources{Metrics: reg, Conditions: []status.Condition{running(ctx)}, Sections: cfg.Sections}
	var monitors []*kafkaio.Monitor // one for each topic of events
	for _, one := range cfg.perTopic() {
		log, labelled := labelled(one, log, reg)
		monitor := kafkaio.NewMonitor(one.Kafka, one.use(), log, labelled)
		monitors = append(monitors, monitor)
		condition := reached(monitor)
		condition.Name = one.named(condition.Name)
		shown.Conditions = append(shown.Conditions, condition)
	}
	var producer *kafkaio.Producer
	var receivers *receiving
	var load *loadings
	var err error
	if cfg.Receive {
		if producer, err = kafkaio.NewProducer(cfg.Kafka, log, reg); err != nil {
			return err
		}
		receivers = newReceiving(&cfg, appender{producer, monitors[0], cfg.FlumeValues}, log, reg)
		defer receivers.close()
		monitors[0].FollowProducer(producer) // a process that receives has one topic
		shown.Conditions = append(shown.Conditions, producing(producer.Ready))
		shown.Sections = append(shown.Sections, totals("receivers", "etl_receiver_", reg), totals("producer", "etl_produce_", reg))
		shown.Sections = append(shown.Sections, receivers.sections...)
	}
	if cfg.Load {
		if load, err = newLoadings(cfg, log, reg); err != nil {
			return err
		}
		defer load.close()
		for i, t := range load.topics {
			monitors[i].FollowSource(t.source)
		}
		shown.Conditions = append(shown.Conditions, load.conditions()...)
		shown.Sections = append(shown.Sections, load.sections()...)
	}

	// A port that is in use must fail the start before anything else is done.
	admin := status.New(cfg.Status, shown, log)
	defer admin.Close()
	if err := cfg.listen(ctx, admin, receivers); err != nil {
		return err
	}

	front, stopFront := context.WithCancelCause(ctx)
	defer stopFront(nil)
	rear, stopRear := context.WithCancel(context.WithoutCancel(ctx))
	defer stopRear()
	topics := newTopics(cfg, load, log)

	var behind errgroup.Group
	keep := func(run func(context.Context) error) {
		behind.Go(func() error {
			err := run(rear)
			if err != nil {
				stopFront(err)
			}
			return err
		})
	}
	keep(admin.Run) // pages and probes
	ahead, aheadCtx := errgroup.WithContext(front)
	for _, monitor := range monitors { // permissions in Kafka, and its brokers
		ahead.Go(func() error { return monitor.Run(aheadCtx) })
	}
	ahead.Go(func() error { return topics.run(aheadCtx) }) // creates topics once Kafka is reachable
	if producer != nil {
		keep(func(rear context.Context) error { // events into Kafka, once the topic exists
			if !topics.wait(aheadCtx) {
				return nil
			}
			return producer.Run(rear)
		})
		ahead.Go(func() error { return receivers.run(aheadCtx) }) // Flume's events
	}
	if load != nil {
		ahead.Go(func() error { return load.run(aheadCtx, topics) }) // Kafka's records into MySQL
	}
	err = ended(ctx, ahead.Wait())
	stopRear()
	return errors.Join(err, ended(ctx, behind.Wait()))
}

// use returns what the process does with Kafka, which determines the permissions that it needs.
func (c *Config) use() kafkaio.Use {
	use := kafkaio.Use{Receive: c.Receive}
	if c.Load {
		use.Group = c.Sink.Job
	}
	return use
}

func (c *Config) listen(ctx context.Context, admin *status.Server, receivers *receiving) error {
	if err := admin.Listen(ctx); err != nil {
		return netserver.ListenError(option.Ref("admin-listen"), c.Status.Listen, err)
	}
	at := Addresses{Admin: admin.Addr()}
	if receivers != nil {
		if err := receivers.open(ctx, &at); err != nil {
			return err
		}
	}
	if c.Listening != nil {
		c.Listening(at)
	}
	return nil
}

// ended returns nil if the components ended because ctx did, else err.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil && (errors.Is(err, context.Canceled) || errors.Is(err, context.Cause(ctx))) {
		return nil
	}
	return err
}
