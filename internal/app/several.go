package app

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/sluice-etl/sluice/internal/obs"
	"github.com/sluice-etl/sluice/internal/option"
	"github.com/sluice-etl/sluice/kafkaio"
	"github.com/sluice-etl/sluice/mysqlout/ledger"
	"github.com/sluice-etl/sluice/pool"
	"github.com/sluice-etl/sluice/status"
)

// leastMemory is the least memory of a topic.
const leastMemory = 16 << 20

// validateTopics reports what is wrong with several topics.
func (c *Config) validateTopics() error {
	if len(c.Topics) < 2 {
		return nil
	}
	var errs []error
	names := c.topicNames()
	all := strings.Join(names, ",")
	bad := func(want string, args ...any) {
		errs = append(errs, option.Error("kafka-topic", all, want, args...))
	}
	if c.Receive {
		bad("must be one topic, the one into which events are received: load several topics in a process that only loads")
	}
	if c.Sink.Replay {
		bad("must be one topic, because a replay has a range of offsets of one: replay each into a table of its own")
	}
	for i, name := range names[1:] {
		errs = append(errs, kafkaio.ValidateTopic(name))
		if slices.Contains(names[:i+1], name) {
			bad("must name each topic once")
		}
	}
	if c.Load && c.Batch.Memory/int64(len(names)) < leastMemory && c.Batch.Memory >= leastMemory {
		errs = append(errs, option.Error("memory", c.Batch.Memory, "must be at least %d, which is %d for each topic", leastMemory*len(names), leastMemory))
	}
	return errors.Join(errs...)
}

func (c *Config) topicNames() (names []string) {
	for _, t := range c.Topics {
		names = append(names, t.Topic)
	}
	return names
}

// perTopic returns a configuration for each topic, each with one plan. They share the limits of the process.
func (c Config) perTopic() []Config {
	if len(c.Topics) < 2 {
		return []Config{c}
	}
	n := int64(len(c.Topics))
	all := make([]Config, n)
	for i, t := range c.Topics {
		one := c
		one.Kafka.Topic, one.Plan = t.Topic, t.Plan
		one.Sink.Topic, one.Sink.Topics = t.Topic, c.topicNames()
		one.Batch.Memory /= n
		if c.Batch.DeadLetterRate > 0 {
			one.Batch.DeadLetterRate = max(c.Batch.DeadLetterRate/n, 1)
		}
		all[i] = one
	}
	return all
}

// loadings is the half from Kafka to MySQL: a loading for each topic, on one pool of connections. Each has an engine, a
// membership in the consumer group and checkpoints of its own, as if it were a process of the job that reads one topic. So
// the protocol between them is that of several processes: their transactions meet in the rows of the targets alone.
type loadings struct {
	cfg    Config
	log    *slog.Logger
	reg    *prometheus.Registry
	conns  *pool.Pool
	ledger *ledger.Ledger
	retain *retention // by the sink of the first topic, for the tables that all write
	topics []*loading
	// demands has a channel for each topic, by which it is asked to read its joined tables again.
	demands []chan struct{}
}

func newLoadings(cfg Config, log *slog.Logger, reg *prometheus.Registry) (*loadings, error) {
	conns := pool.New(cfg.Pool, log, reg) // does not dial yet
	l := &loadings{cfg: cfg, log: log, reg: reg, conns: conns, ledger: ledger.New(cfg.Sink.Job, conns)}
	for _, one := range cfg.perTopic() {
		if cfg.ReadJoined != nil {
			demand := make(chan struct{}, 1)
			l.demands, one.ReadJoined = append(l.demands, demand), demand
		}
		t, err := newLoading(one, conns, log, reg)
		if err != nil {
			return nil, errors.Join(err, conns.Close())
		}
		l.topics = append(l.topics, t)
	}
	l.retain = newRetention(log, l.topics[0].sink, cfg.Sink.Retain)
	return l, nil
}

// labelled adds the topic to log and metrics if there are several.
func labelled(one Config, log *slog.Logger, reg prometheus.Registerer) (*slog.Logger, prometheus.Registerer) {
	if len(one.Topics) < 2 {
		return log, reg
	}
	return log.With("topic", one.Kafka.Topic), prometheus.WrapRegistererWith(prometheus.Labels{"topic": one.Kafka.Topic}, reg)
}

// run prepares the tables, waits for the topics, checks whether the job may start, and loads until ctx ends. No topic is
// loaded before all may be. A condition that would harm data ends the process here; later it only stops partitions (P34).
func (l *loadings) run(ctx context.Context, topics *topics) error {
	if err := l.mayEvolve(ctx); err != nil {
		return err
	}
	for _, t := range l.topics {
		if err := t.prepare(ctx); err != nil {
			return err
		}
	}
	if !topics.wait(ctx) {
		return nil
	}
	for _, t := range l.topics {
		if err := t.begin(ctx, topics.data[t.cfg.Kafka.Topic]); err != nil {
			return err
		}
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { l.prune(ctx); return nil })
	g.Go(func() error { l.passDemands(ctx); return nil })
	if len(l.cfg.Sink.Retain) > 0 {
		g.Go(func() error { l.retain.run(ctx); return nil })
	}
	for _, t := range l.topics {
		g.Go(func() error { return t.run(ctx) })
	}
	return g.Wait()
}

// mayEvolve checks for every topic whether its query is that of its checkpoints, before the first topic adds columns, which
// stay although a later topic is refused.
func (l *loadings) mayEvolve(ctx context.Context) error {
	if !l.cfg.Sink.EvolveTable || len(l.topics) < 2 {
		return nil
	}
	for _, t := range l.topics {
		if err := t.retryMySQL(ctx, func() error {
			_, err := t.sink.Evolvable(ctx, t.cfg.Plan.Tables())
			return err
		}); err != nil {
			return err
		}
	}
	return nil
}

// passDemands passes each demand to read joined tables again to all topics.
func (l *loadings) passDemands(ctx context.Context) {
	for {
		select {
		case <-l.cfg.ReadJoined:
		case <-ctx.Done():
			return
		}
		for _, demand := range l.demands {
			select {
			case demand <- struct{}{}:
			default: // one is waiting already
			}
		}
	}
}

// prune removes dead letters that are older than DeadLetterKeep, at the start and then every pruneEvery.
func (l *loadings) prune(ctx context.Context) {
	if l.cfg.DeadLetterKeep == 0 {
		return
	}
	prune := func() {
		removed, err := l.ledger.PruneDeadLetters(ctx, l.cfg.DeadLetterKeep)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			l.log.Warn("Cannot remove old dead letters; retrying in an hour", "err", err)
		case removed > 0:
			l.log.Info("Removed old dead letters", "removed", removed, "older_than", l.cfg.DeadLetterKeep.String())
		}
	}
	prune()
	obs.Every(ctx, pruneEvery, prune)
}

// pruneEvery is how often old dead letters are removed.
const pruneEvery = time.Hour

// mayCreateTopic reports whether a topic may be created, which it must not if the job has a checkpoint of it (P26), or
// ranges.
func (l *loadings) mayCreateTopic(ctx context.Context, topic string) (bool, error) {
	if l.cfg.Sink.Replay {
		return false, nil
	}
	has, err := l.ledger.HasCheckpoint(ctx, topic)
	return !has, err
}

// close closes the pool, which is the last step of a stop.
func (l *loadings) close() {
	if err := l.conns.Close(); err != nil {
		l.log.Warn("Closing MySQL connections failed", "err", err)
	}
}

// conditions returns the conditions of all topics; with several, their names have the topic.
func (l *loadings) conditions() (all []status.Condition) {
	for _, t := range l.topics {
		for _, c := range t.conditions() {
			c.Name = t.cfg.named(c.Name)
			all = append(all, c)
		}
	}
	return all
}

// named adds the topic to a name if the process loads several.
func (c *Config) named(name string) string {
	if len(c.Topics) < 2 {
		return name
	}
	return name + " " + c.Kafka.Topic
}
