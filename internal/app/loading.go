package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/dedup"
	"github.com/sluice-etl/sluice/internal/obs"
	"github.com/sluice-etl/sluice/kafkaio"
	"github.com/sluice-etl/sluice/mysqlout"
	"github.com/sluice-etl/sluice/mysqlout/joined"
	"github.com/sluice-etl/sluice/mysqlout/ledger"
	"github.com/sluice-etl/sluice/mysqlout/schema"
	"github.com/sluice-etl/sluice/pool"
	"github.com/sluice-etl/sluice/query"
	"github.com/sluice-etl/sluice/registry"
	"github.com/sluice-etl/sluice/row"
	"github.com/sluice-etl/sluice/status"
)

// waitLogInterval is how often a wait for MySQL at start is logged.
const waitLogInterval = 10 * time.Second

// pruneIDsEvery is how often expired event IDs are removed: rarely enough to cost little, and often enough that their
// table holds not much more than the window.
const pruneIDsEvery = 2 * time.Minute

// loading is the half from Kafka to MySQL, for one topic.
type loading struct {
	cfg     Config
	log     *slog.Logger
	reg     prometheus.Registerer
	conns   *pool.Pool
	sink    *mysqlout.Sink
	ledger  *ledger.Ledger
	source  *kafkaio.Source
	joined  *joined.Reader
	schemas *registry.Reader                        // nil if the topic's format reads none
	engine  atomic.Pointer[batch.Engine[row.Delta]] // nil until tables and topics exist
	mysql   *health
}

func newLoading(cfg Config, conns *pool.Pool, log *slog.Logger, reg prometheus.Registerer) (*loading, error) {
	if cfg.Plan == nil {
		return nil, errors.New("BUG: loading without a compiled query")
	}
	cfg.Sink.QueryHash, cfg.Sink.QueryText = cfg.Plan.Fingerprint()
	cfg.Sink.Dedup, cfg.Sink.Joined = cfg.Dedup.Enabled(), cfg.Plan.Joined()
	plain := log // the source adds the topic itself
	log, reg = labelled(cfg, log, reg)
	source, err := kafkaio.NewSource(cfg.Kafka, cfg.Sink.Job, plain, reg)
	if err != nil {
		return nil, err
	}
	l := &loading{
		cfg: cfg, log: log, reg: reg, conns: conns, source: source,
		sink:   mysqlout.New(cfg.Sink, conns, log, reg),
		ledger: ledger.New(cfg.Sink.Job, conns),
		joined: joined.New(cfg.Joined, cfg.Plan.Joined(), conns, log, reg),
		mysql:  newHealth(status.Degraded, "not contacted yet"),
	}
	if cfg.Plan.ReadsRegistry() {
		if l.schemas, err = registry.New(cfg.Registry, log, reg); err != nil {
			return nil, err
		}
		cfg.Plan.UseSchemas(l.schemas)
	}
	return l, nil
}

// prepare creates and checks the tables, and binds the plan to them.
func (l *loading) prepare(ctx context.Context) error {
	var actual []row.Table
	if err := l.retryMySQL(ctx, func() (err error) {
		actual, err = l.sink.Prepare(ctx, l.cfg.Plan.Tables())
		return err
	}); err != nil {
		return err
	}
	if err := bind(l.cfg.Plan, actual); err != nil {
		return err
	}
	l.sink.OnAltered(l.cfg.Plan.Bind)
	return nil
}

// begin checks whether the job may start with the topic, and reads what it needs before it does.
func (l *loading) begin(ctx context.Context, topic batch.Topic) error {
	if err := l.retryMySQL(ctx, func() error { return l.sink.CheckStart(ctx, topic) }); err != nil {
		return err
	}
	if err := l.retryMySQL(ctx, func() error {
		id, err := l.ledger.Identity(ctx)
		if err != nil {
			return err
		}
		server, err := schema.New(l.cfg.Sink.Schema(), l.conns, l.log).ServerName(ctx)
		l.source.Identify(kafkaio.Identity{ID: id, Address: l.cfg.Pool.Address(), Server: server})
		return err
	}); err != nil {
		return err
	}
	if err := l.retryMySQL(ctx, func() error { return l.joined.Read(ctx) }); err != nil {
		return err
	}
	l.mysql.set(status.OK, "")
	return nil
}

// run loads until ctx ends.
func (l *loading) run(ctx context.Context) error {
	engine := batch.New(l.cfg.Batch, l.source, l.sink, l.newFold(), l.log, l.reg)
	l.engine.Store(engine)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return engine.Run(ctx) })
	g.Go(func() error { l.joined.Run(ctx, l.cfg.ReadJoined); return nil })
	if l.cfg.Dedup.Enabled() {
		g.Go(func() error { l.pruneIDs(ctx); return nil })
	}
	if l.cfg.Sink.Replay {
		g.Go(func() error { return l.watchReplay(ctx, engine) })
	}
	return g.Wait()
}

// newFold returns the constructor of a task's fold: the query's, behind one that drops duplicates if that is enabled.
func (l *loading) newFold() func() batch.Fold[row.Delta] {
	if !l.cfg.Dedup.Enabled() {
		return l.cfg.Plan.NewFold
	}
	header := l.cfg.Plan.Header(l.cfg.Dedup.Header)
	d := dedup.New(l.cfg.Dedup, l.cfg.Sink.Job, ledger.DedupTable(), l.ledger, header, l.reg)
	return func() batch.Fold[row.Delta] { return d.NewFold(l.cfg.Plan.NewFold()) }
}

// pruneIDs removes expired event IDs at the start and then every pruneIDsEvery.
func (l *loading) pruneIDs(ctx context.Context) {
	prune := func() {
		removed, err := l.ledger.PruneIDs(ctx, l.cfg.Kafka.Topic, l.cfg.Dedup.Window, l.cfg.Dedup.Records)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			l.log.Warn("Cannot remove expired event IDs; retrying later", "err", err)
		case removed > 0:
			l.log.Debug("Removed expired event IDs", "removed", removed)
		}
	}
	prune()
	obs.Every(ctx, pruneIDsEvery, prune)
}

// retryMySQL calls do until it succeeds. Errors of the classes checkpoint.ErrRetry and checkpoint.ErrBlocked are retried
// without a time limit, because receiving continues meanwhile, and logged every waitLogInterval. Any other error is
// returned.
func (l *loading) retryMySQL(ctx context.Context, do func() error) error {
	pause, throttle := obs.NewBackoff(200*time.Millisecond, 5*time.Second), obs.NewThrottle(waitLogInterval)
	for {
		err := do()
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if !errors.Is(err, checkpoint.ErrRetry) && !errors.Is(err, checkpoint.ErrBlocked) {
			return err
		}
		l.mysql.set(status.Degraded, err.Error())
		if ok, _ := throttle.Allow("", time.Now()); ok {
			l.log.Warn("Cannot start the job in MySQL yet; retrying", "err", err)
		}
		pause.Wait(ctx)
	}
}

// bind binds the plan to the real tables. A table that cannot hold what the query writes is refused.
func bind(plan *query.Plan, actual []row.Table) error {
	if err := plan.Bind(actual); err != nil {
		return &checkpoint.Error{Class: checkpoint.ErrRefused, Err: fmt.Errorf("the query does not match its tables: %w", err)}
	}
	return nil
}

// conditions returns the conditions of loading. It is ready once the group has assigned partitions, even none. An
// unreachable MySQL is only degraded, because receiving must continue.
func (l *loading) conditions() []status.Condition {
	group := status.Condition{Name: "group", Func: func() (status.State, string) {
		if err := l.source.ForeignDatabase(); err != nil {
			return status.Degraded, err.Error()
		}
		if e := l.engine.Load(); e != nil && e.Joined() {
			return status.OK, ""
		}
		if l.cfg.Receive {
			return status.Degraded, "consumer group not joined yet"
		}
		return status.Down, "consumer group not joined yet"
	}}
	list := []status.Condition{group, mysqlCondition(l.mysql, l.health), partitionsCondition(l.health)}
	if len(l.cfg.Plan.Joined()) > 0 {
		list = append(list, status.Condition{Name: "joined", Func: func() (status.State, string) {
			if err := l.joined.Failure(); err != nil {
				return status.Degraded, err.Error()
			}
			return status.OK, ""
		}})
	}
	if l.schemas != nil {
		list = append(list, status.Condition{Name: "schemas", Func: func() (status.State, string) {
			if err := l.schemas.Failure(); err != nil {
				return status.Degraded, err.Error()
			}
			return status.OK, ""
		}})
	}
	return list
}

func (l *loading) health() batch.Health {
	if e := l.engine.Load(); e != nil {
		return e.Health()
	}
	return batch.Health{}
}
