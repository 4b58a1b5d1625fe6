//go:build integration

package integration

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/internal/jvmtest"
	"github.com/sluice-etl/sluice/kafkaio"
)

// realConfig has short intervals, and the broker's address.
func realConfig(b *jvmtest.Broker, topic string, partitions int32) kafkaio.Config {
	cfg := kafkaio.DefaultConfig()
	cfg.Brokers = []string{b.Addr()}
	cfg.Topic, cfg.Partitions = topic, partitions
	cfg.SessionTimeout, cfg.Heartbeat = 6*time.Second, 200*time.Millisecond
	cfg.MetadataMaxAge = 500 * time.Millisecond
	cfg.FetchMaxWait = 50 * time.Millisecond
	cfg.LagInterval = 100 * time.Millisecond
	cfg.AckTimeout = 10 * time.Second
	cfg.ShutdownTimeout = 10 * time.Second
	return cfg
}

// ledger replaces MySQL: it stores each partition's position and owner. Sources that share one are the processes of one
// job.
type ledger struct {
	t *testing.T

	mu    sync.Mutex
	parts map[int32]*account
}

// account is one partition's entry.
type account struct {
	owner   *member // who claimed it last
	fetchID uint64
	claimed int // how often
	next    int64
	epoch   int32              // leader epoch of the record before next
	topic   checkpoint.TopicID // zero: whatever is assigned
	values  []string
	gaps    []checkpoint.Range
	err     error // why it stopped
}

func newLedger(t *testing.T) *ledger {
	return &ledger{t: t, parts: map[int32]*account{}}
}

// at returns a copy of a partition's entry.
func (l *ledger) at(p int32) account {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.parts[p] == nil {
		return account{}
	}
	return *l.parts[p]
}

// holding returns how many partitions the member was the last to claim.
func (l *ledger) holding(m *member) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, a := range l.parts {
		if a.owner == m {
			n++
		}
	}
	return n
}

// values returns how often each value was delivered, over all partitions.
func (l *ledger) values() map[string]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := map[string]int{}
	for _, a := range l.parts {
		for _, v := range a.values {
			all[v]++
		}
	}
	return all
}

// member is one source of the job with a minimal engine: it claims assigned partitions, and accepts fetched records
// while no other member has claimed the partition.
type member struct {
	ledger *ledger
	source *kafkaio.Source
	stop   func() // leaves the group; it may be called again
}

// join runs a source for the named job until it is stopped or the test ends.
func (l *ledger) join(cfg kafkaio.Config, job string) *member {
	l.t.Helper()
	log := slog.New(slog.NewTextHandler(l.t.Output(), &slog.HandlerOptions{Level: slog.LevelInfo}))
	s, err := kafkaio.NewSource(cfg, job, log, nil)
	if err != nil {
		l.t.Fatal(err)
	}
	m := &member{ledger: l, source: s}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, m) }()
	m.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			l.t.Errorf("the source ended with %v, expected no error", err)
		}
	})
	l.t.Cleanup(m.stop)
	return m
}

func (m *member) Assigned(topic batch.Topic, ps []int32) {
	l := m.ledger
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range ps {
		a := l.parts[p]
		if a == nil {
			a = &account{next: topic.Starts[p], epoch: -1}
			l.parts[p] = a
		}
		if a.topic == (checkpoint.TopicID{}) {
			a.topic = topic.ID
		}
		a.owner = m
		m.claim(topic.Name, p, a)
	}
}

// claim fetches under a new fetch ID from the ledger's position. The ledger must be locked.
func (m *member) claim(topic string, p int32, a *account) {
	a.fetchID++
	a.claimed++
	a.err = nil
	m.source.Position([]batch.Position{{
		Partition: checkpoint.Partition{Topic: topic, ID: p}, Action: batch.Fetch,
		FetchID: a.fetchID, Next: a.next, LeaderEpoch: a.epoch, TopicID: a.topic,
	}})
}

func (m *member) Revoked(_ context.Context, ps []checkpoint.Partition, _ bool) {
	m.ledger.mu.Lock()
	defer m.ledger.mu.Unlock()
	for _, p := range ps {
		if a := m.ledger.parts[p.ID]; a != nil && a.owner == m {
			a.owner = nil
		}
	}
}

func (m *member) Fetched(f batch.Fetched) {
	l := m.ledger
	l.mu.Lock()
	defer l.mu.Unlock()
	if f.Release != nil {
		defer f.Release()
	}
	a := l.parts[f.ID]
	if a == nil || a.owner != m || a.fetchID != f.FetchID {
		return // fenced
	}
	if f.First != a.next {
		l.t.Errorf("fetched %s, expected it to begin at %d", f.Range, a.next)
	}
	if f.Err != nil {
		a.err = f.Err
		return
	}
	accounted := int64(len(f.Records))
	for _, g := range f.Gaps {
		accounted += g.Len()
	}
	if accounted != f.Len() {
		l.t.Errorf("fetched %s: %d records and gaps %v do not account for %d offsets", f.Range, len(f.Records), f.Gaps, f.Len())
	}
	for _, r := range f.Records {
		a.values = append(a.values, string(r.Value))
	}
	a.gaps = append(a.gaps, f.Gaps...)
	a.next, a.epoch = f.Next, f.LeaderEpoch
}

// gapped returns how many offsets of the entry hold no record.
func (a account) gapped() (n int64) {
	for _, g := range a.gaps {
		n += g.Len()
	}
	return n
}
