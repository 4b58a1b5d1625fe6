package kafkaio

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/checkpoint"
)

// Source is the job's member of its consumer group, and fetches the partitions that the engine positions. It implements
// batch.Source.
type Source struct {
	cfg   Config
	group string
	start startAt
	log   *slog.Logger
	met   *consumeMetrics

	inbox  inbox
	mirror mirror
	lags   lags
	dials  dials
	denial denial

	own     Identity              // set before Run; the zero ID for unknown
	foreign atomic.Pointer[error] // the last result of watchGroup; nil if no member counts into another database

	mu     sync.Mutex // guards member
	member *member    // nil before Run has made the group client
}

var _ batch.Source = (*Source)(nil)

// NewSource returns a Source for the named consumer group. It does nothing until Run.
func NewSource(cfg Config, group string, log *slog.Logger, reg prometheus.Registerer) (*Source, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if group == "" {
		return nil, errors.New("the consumer group's name is empty, must be the job's name")
	}
	start, err := parseStart(cfg.Start)
	if err != nil {
		return nil, err
	}
	s := &Source{
		cfg:   cfg,
		group: group,
		start: start,
		log:   orDiscard(log).With("component", "source", "group", group, "topic", cfg.Topic),
		met:   newConsumeMetrics(reg),
	}
	s.inbox.interrupt = func() {}
	s.mirror.wake = make(chan struct{}, 1)
	return s, nil
}

// Run waits for Kafka and the topic, joins the group and fetches until ctx is done. Then it stops fetching, leaves the
// group within Config.ShutdownTimeout, which gives the listener its last Revoked, and returns nil.
func (s *Source) Run(ctx context.Context, listener batch.RebalanceListener) error {
	if err := waitReachable(ctx, s.cfg, s.log); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	fetch, err := s.newFetchClient()
	if err != nil {
		return err
	}
	defer fetch.Close()
	adm := kadm.NewClient(fetch)
	if err := s.requireSoleDatabaseBeforeJoin(ctx, fetch); err != nil {
		return err
	}

	m := &member{s: s, adm: adm, listener: listener, owned: map[int32]bool{}, announced: map[int32]bool{}, changed: make(chan struct{}), wake: make(chan struct{}, 1)}
	if err := m.join(); err != nil {
		return err
	}
	s.mu.Lock()
	s.member = m
	s.mu.Unlock()

	g, gctx := errgroup.WithContext(ctx)
	f := newFetcher(gctx, g, s, fetch, adm, listener)
	g.Go(func() error { return f.run(gctx) })
	g.Go(func() error { return m.announceLoop(gctx) })
	g.Go(func() error { return m.watch(gctx) })
	g.Go(func() error { return s.mirror.run(gctx, m) })
	g.Go(func() error { return s.watchLag(gctx, adm) })
	g.Go(func() error { s.watchGroup(gctx, fetch); return nil })
	err = g.Wait()
	m.leave(ctx)
	if err != nil && ctx.Err() == nil {
		return err
	}
	return nil
}

// Position passes the positions to the fetching goroutine, which applies them in order, and Mirror ones to the mirror.
// It does not block. A position of any other topic is a bug and panics.
func (s *Source) Position(moves []batch.Position) {
	var now []batch.Position
	for _, m := range moves {
		if m.Topic != s.cfg.Topic {
			panic(fmt.Sprintf("BUG: position of %s in a source of topic %s", m.Partition, s.cfg.Topic))
		}
		if m.Action == batch.Mirror {
			s.mirror.put(m.ID, m.Next)
			continue
		}
		now = append(now, m)
	}
	if len(now) == 0 {
		return
	}
	s.inbox.put(func(f *fetcher) {
		for _, m := range now {
			f.apply(m)
		}
	})
}

// Confirm asks the group which of the partitions are still assigned to this process; see member.confirm. Before Run has
// joined the group, none is.
func (s *Source) Confirm(ctx context.Context, partitions []checkpoint.Partition) ([]checkpoint.Partition, error) {
	s.mu.Lock()
	m := s.member
	s.mu.Unlock()
	if m == nil {
		return nil, nil
	}
	return m.confirm(ctx, partitions)
}

// invalidateTopic makes the group's member report the topic again; see member.invalidateTopic.
func (s *Source) invalidateTopic() {
	s.mu.Lock()
	m := s.member
	s.mu.Unlock()
	if m != nil {
		m.invalidateTopic()
	}
}

func (s *Source) newFetchClient() (*kgo.Client, error) {
	opts := append(s.cfg.options(s.log, &s.dials),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{}),
		kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.KeepControlRecords(),
		kgo.FetchMaxBytes(s.cfg.FetchMaxBytes),
		kgo.FetchMaxPartitionBytes(s.cfg.FetchMaxPartitionBytes),
		kgo.FetchMaxWait(s.cfg.FetchMaxWait),
		kgo.MaxConcurrentFetches(s.cfg.MaxConcurrentFetches),
	)
	cl, err := kgo.NewClient(opts...)
	if err != nil {
		return nil, fmt.Errorf("create the fetching kafka client: %w", err)
	}
	return cl, nil
}

// inbox holds work for the fetching goroutine, in order. put interrupts a poll that is waiting for records. It is no
// mailbox.Mailbox, because the consumer waits in the client's poll and not for a channel, and take replaces interrupt
// under the lock under which it empties the inbox.
type inbox struct {
	mu        sync.Mutex
	todo      []func(*fetcher)
	interrupt func()
}

func (b *inbox) put(fn func(*fetcher)) {
	b.mu.Lock()
	b.todo = append(b.todo, fn)
	interrupt := b.interrupt
	b.mu.Unlock()
	interrupt()
}

// take empties the inbox. Every put after it calls interrupt.
func (b *inbox) take(interrupt func()) []func(*fetcher) {
	b.mu.Lock()
	defer b.mu.Unlock()
	todo := b.todo
	b.todo, b.interrupt = nil, interrupt
	return todo
}
