package app

import (
	"context"
	"errors"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/sync/errgroup"

	"github.com/sluice-etl/sluice/kafkaio"
	"github.com/sluice-etl/sluice/receiver/netserver"
	"github.com/sluice-etl/sluice/status"
)

// Run is the process: it builds the parts bottom up, runs them until ctx ends or one of them cannot go on, and stops
// them in order (P33):
//
//  1. ctx ends. /readyz says 503.
//  2. The front stops: receivers accept and read nothing more, answer what Kafka acknowledges within ShutdownTimeout,
//     and close the rest unanswered; batches are finished or rolled back, and the group is left.
//  3. The rear stops: the producer, then the pool. The admin listener answers until then.
//
// A death anywhere in here costs duplicates of what was not answered, and nothing else: rows and checkpoints move
// together, and nothing was answered that Kafka does not have.
//
// It returns nil where it was told to stop. A checkpoint.ErrRefused is a start that would have harmed data.
func Run(ctx context.Context, cfg Config, log *slog.Logger, reg *prometheus.Registry) error {
	if err := cfg.Validate(); err != nil {
		return err
	}
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	cfg.share()
	if w := cfg.Kafka.TLS.Warning(); w != "" {
		log.Warn("Brokers are verified by their certificates' chain alone", "why", w)
	}

	parts := status.Parts{Metrics: reg, Conditions: []status.Condition{running(ctx)}, Sections: cfg.Sections}
	monitor := kafkaio.NewMonitor(cfg.Kafka, cfg.use(), log, reg)
	parts.Conditions = append(parts.Conditions, reached(monitor))
	var producer *kafkaio.Producer
	var receivers *receiving
	var load *loading
	var err error
	if cfg.Receive {
		if producer, err = kafkaio.NewProducer(cfg.Kafka, log, reg); err != nil {
			return err
		}
		receivers = newReceiving(&cfg, appender{producer, monitor, cfg.FlumeValues}, log, reg)
		defer receivers.close()
		monitor.FollowProducer(producer)
		parts.Conditions = append(parts.Conditions, producing(producer.Ready))
		parts.Sections = append(parts.Sections, totals("receivers", "etl_receiver_", reg), totals("producer", "etl_produce_", reg))
		parts.Sections = append(parts.Sections, receivers.sections...)
	}
	if cfg.Load {
		if load, err = newLoading(cfg, log, reg); err != nil {
			return err
		}
		defer load.close()
		monitor.FollowSource(load.source)
		parts.Conditions = append(parts.Conditions, load.conditions()...)
		parts.Sections = append(parts.Sections, load.sections()...)
	}

	// A port that is taken ends the start before anything else is done.
	admin := status.New(cfg.Status, parts, log)
	defer admin.Close()
	if err := cfg.listen(ctx, admin, receivers); err != nil {
		return err
	}

	front, stopFront := context.WithCancelCause(ctx)
	defer stopFront(nil)
	rear, stopRear := context.WithCancel(context.WithoutCancel(ctx))
	defer stopRear()
	topics := newTopics(cfg.Kafka, cfg.use(), load, log)

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
	ahead.Go(func() error { return monitor.Run(aheadCtx) }) // what Kafka allows, and its brokers
	ahead.Go(func() error { return topics.run(aheadCtx) })  // makes topics, once Kafka answers
	if producer != nil {
		keep(func(rear context.Context) error { // events into Kafka, once there is a topic
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

// share gives every part its piece of the time to stop: the receivers and batches all of it, and what comes after them,
// the goodbyes to Kafka, a quarter.
func (c *Config) share() {
	c.Avro.ShutdownTimeout, c.Spark.ShutdownTimeout, c.Batch.ShutdownTimeout = c.ShutdownTimeout, c.ShutdownTimeout, c.ShutdownTimeout
	c.Thrift.ShutdownTimeout = c.ShutdownTimeout
	c.Netcat.ShutdownTimeout, c.NetcatUDP.ShutdownTimeout = c.ShutdownTimeout, c.ShutdownTimeout
	c.Syslog.ShutdownTimeout, c.SyslogUDP.ShutdownTimeout = c.ShutdownTimeout, c.ShutdownTimeout
	c.HTTP.ShutdownTimeout = c.ShutdownTimeout
	c.Socket.ShutdownTimeout, c.Watch.ShutdownTimeout = c.ShutdownTimeout, c.ShutdownTimeout
	c.Kafka.ShutdownTimeout = max(c.ShutdownTimeout/4, minGoodbye)
}

// use is what the process does with Kafka.
func (c *Config) use() kafkaio.Use {
	use := kafkaio.Use{Receive: c.Receive}
	if c.Load {
		use.Group = c.Sink.Job
	}
	return use
}

func (c *Config) listen(ctx context.Context, admin *status.Server, receivers *receiving) error {
	if err := admin.Listen(ctx); err != nil {
		return netserver.NotListening("--admin-listen", c.Status.Listen, err)
	}
	at := Addresses{Admin: admin.Addr()}
	if receivers != nil {
		if err := receivers.listen(ctx, &at); err != nil {
			return err
		}
	}
	if c.Listening != nil {
		c.Listening(at)
	}
	return nil
}

// ended is nil where the parts ended because they were told to.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil && (errors.Is(err, context.Canceled) || errors.Is(err, context.Cause(ctx))) {
		return nil
	}
	return err
}
