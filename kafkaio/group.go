package kafkaio

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/checkpoint"
)

// member is our place in the group. Its client never gets a fetch position: AdjustFetchOffsetsFn takes them all away,
// so it fetches nothing, and nothing that the group has stored can move us (P6). The callbacks hand on and wait for no
// claim, so that MySQL being away causes no rebalance.
//
// Lock order: tell before mu.
type member struct {
	s        *Source
	cl       *kgo.Client
	adm      *kadm.Client // of the fetching client
	listener batch.RebalanceListener
	wake     chan struct{} // holds a token when assign may have something to tell

	announcing sync.Mutex // held while the owner is told, so that Assigned and Revoked do not cross

	mu         sync.Mutex     // guards what follows
	owned      map[int32]bool // as the group's last word has it
	announced  map[int32]bool // those of them that the owner knows
	changed    chan struct{}  // closed and made new at each callback
	topicStale bool           // what the owner knows of the topic may not be true any more
}

func (m *member) join() error {
	cfg := m.s.cfg
	opts := append(cfg.options(m.s.log, &m.s.dials),
		kgo.ConsumerGroup(m.s.group),
		kgo.ConsumeTopics(cfg.Topic),
		kgo.Balancers(identityBalancer{kgo.CooperativeStickyBalancer(), m.s.own}),
		kgo.DisableAutoCommit(),
		kgo.SessionTimeout(cfg.SessionTimeout),
		kgo.HeartbeatInterval(cfg.Heartbeat),
		kgo.RebalanceTimeout(cfg.RebalanceTimeout),
		kgo.AdjustFetchOffsetsFn(func(context.Context, map[string]map[int32]kgo.Offset) (map[string]map[int32]kgo.Offset, error) {
			return nil, nil
		}),
		kgo.OnPartitionsAssigned(func(_ context.Context, _ *kgo.Client, ps map[string][]int32) { m.onAssigned(ps[cfg.Topic]) }),
		kgo.OnPartitionsRevoked(func(_ context.Context, _ *kgo.Client, ps map[string][]int32) { m.onRevoked(ps[cfg.Topic], false) }),
		kgo.OnPartitionsLost(func(_ context.Context, _ *kgo.Client, ps map[string][]int32) { m.onRevoked(ps[cfg.Topic], true) }),
	)
	var err error
	if m.cl, err = kgo.NewClient(opts...); err != nil {
		return fmt.Errorf("make the group's kafka client: %w", err)
	}
	return nil
}

// leave says goodbye to the group, which calls revoked for the last time, and closes the client.
func (m *member) leave(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), m.s.cfg.ShutdownTimeout)
	defer cancel()
	if err := m.cl.LeaveGroupContext(ctx); err != nil {
		m.s.log.Warn("The group was not left properly; its partitions rest until the session time-out", "err", err,
			"session_timeout", m.s.cfg.SessionTimeout.String())
	}
	m.cl.Close()
}

func (m *member) onAssigned(ps []int32) {
	m.mu.Lock()
	for _, p := range ps {
		m.owned[p] = true
	}
	n := len(m.owned)
	m.notifyChanged()
	m.mu.Unlock()
	m.s.met.groups.WithLabelValues("assigned").Add(float64(len(ps)))
	m.s.met.owned.Set(float64(n))
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// rebalanced tells those who wait in confirm. m.mu is held.
func (m *member) notifyChanged() {
	close(m.changed)
	m.changed = make(chan struct{})
}

// revoked takes partitions away. It waits for the owner at most a quarter of the rebalance time-out: past that the
// fence keeps things right (U10).
func (m *member) onRevoked(ps []int32, lost bool) {
	kind := "revoked"
	if lost {
		kind = "lost"
	}
	m.s.met.groups.WithLabelValues(kind).Add(float64(len(ps)))
	m.announcing.Lock()
	defer m.announcing.Unlock()
	var known []checkpoint.Partition
	m.mu.Lock()
	for _, p := range ps {
		delete(m.owned, p)
		if m.announced[p] {
			delete(m.announced, p)
			known = append(known, checkpoint.Partition{Topic: m.s.cfg.Topic, ID: p})
		}
	}
	n := len(m.owned)
	m.notifyChanged()
	m.mu.Unlock()
	m.s.met.owned.Set(float64(n))
	if len(known) == 0 {
		return
	}
	m.s.log.Info("Partitions are taken away", "partitions", ps, "lost", lost)
	ctx, cancel := context.WithTimeout(context.Background(), m.s.cfg.RebalanceTimeout/4)
	defer cancel()
	m.listener.Revoked(ctx, known, lost)
	m.s.inbox.put(func(f *fetcher) {
		for _, p := range known {
			f.remove(p.ID)
		}
	})
}

// assign tells the owner of new partitions. What it must ask Kafka for is asked here and not in the group's callback;
// partitions that were taken away meanwhile are not told of.
func (m *member) announceLoop(ctx context.Context) error {
	looked := false // the group was seen to count into one database
	for {
		select {
		case <-m.wake:
		case <-ctx.Done():
			return nil
		}
		m.mu.Lock()
		n := len(m.owned)
		pending, stale := m.pending(), m.topicStale
		m.topicStale = false
		m.mu.Unlock()
		if n > 0 && len(pending) == 0 && !stale {
			continue
		}
		if !looked { // nothing is claimed before
			if err := m.s.requireSoleDatabase(ctx, m.cl); err != nil {
				if ctx.Err() != nil {
					return nil
				}
				return err
			}
			looked = true
		}
		var topic batch.Topic
		err := retry(ctx, m.s.log, "The topic's offsets cannot be read, trying again", &m.s.dials, func(ctx context.Context) error {
			var err error
			topic, err = m.s.topic(ctx, m.adm)
			m.s.denial.note("reading the offsets of topic "+m.s.cfg.Topic, err)
			if err == nil && len(pending) > 0 && int(slices.Max(pending)) >= len(topic.Starts) {
				err = fmt.Errorf("partition %d is assigned, but the topic's metadata has %d partitions", slices.Max(pending), len(topic.Starts))
			}
			return err
		})
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		m.announcing.Lock()
		m.mu.Lock()
		fresh := slices.DeleteFunc(m.pending(), func(p int32) bool { return !slices.Contains(pending, p) })
		left := len(m.pending()) - len(fresh)
		for _, p := range fresh {
			m.announced[p] = true
		}
		m.mu.Unlock()
		if len(fresh) > 0 || n == 0 {
			m.s.log.Info("Partitions are assigned", "partitions", fresh, "of", len(topic.Starts))
		}
		m.listener.Assigned(topic, fresh)
		m.announcing.Unlock()
		if left > 0 {
			select {
			case m.wake <- struct{}{}:
			default:
			}
		}
	}
}

// doubt has the owner told anew what the topic is: a claim that is made when a person has put things right must not be
// held against the id of a topic that was deleted long ago (P4).
func (m *member) invalidateTopic() {
	m.mu.Lock()
	m.topicStale = true
	m.mu.Unlock()
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// pending is the partitions that are ours and that the owner does not know, in order. m.mu is held.
func (m *member) pending() []int32 {
	var ps []int32
	for p := range m.owned {
		if !m.announced[p] {
			ps = append(ps, p)
		}
	}
	slices.Sort(ps)
	return ps
}

// topic reads what an assignment carries: the id, where --start is in every partition, and where every log begins.
func (s *Source) topic(ctx context.Context, adm *kadm.Client) (batch.Topic, error) {
	t := batch.Topic{Name: s.cfg.Topic}
	meta, err := metadata(ctx, adm, t.Name)
	if err != nil {
		return t, err
	}
	td := meta.Topics[t.Name]
	if td.Err != nil {
		return t, fmt.Errorf("ask for topic %s: %w", t.Name, td.Err)
	}
	t.ID, _ = topicID(meta, td)
	firsts, err := adm.ListStartOffsets(ctx, t.Name)
	if err != nil {
		return t, fmt.Errorf("ask where the logs of topic %s begin: %w", t.Name, err)
	}
	starts := firsts
	switch s.start.kind {
	case startLatest:
		starts, err = adm.ListEndOffsets(ctx, t.Name)
	case startTime: // a time after the last record gives the end
		starts, err = adm.ListOffsetsAfterMilli(ctx, s.start.millis, t.Name)
	}
	if err != nil {
		return t, fmt.Errorf("ask where %s is in topic %s: %w", s.cfg.Start, t.Name, err)
	}
	t.Firsts = make([]int64, len(td.Partitions))
	t.Starts = make([]int64, len(td.Partitions))
	for p := range int32(len(td.Partitions)) {
		first, ok := firsts.Lookup(t.Name, p)
		start, ok2 := starts.Lookup(t.Name, p)
		if err := errors.Join(first.Err, start.Err); err != nil || !ok || !ok2 {
			return t, fmt.Errorf("ask for the offsets of %s/%d: no answer: %w", t.Name, p, err)
		}
		t.Firsts[p], t.Starts[p] = first.Offset, max(start.Offset, first.Offset)
	}
	return t, nil
}

// watch takes what the group client has to say besides the callbacks: errors of joining, which it tries again itself.
func (m *member) watch(ctx context.Context) error {
	var logged time.Time
	for {
		fetches := m.cl.PollFetches(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if fetches.IsClientClosed() {
			return errors.New("BUG: the group's client was closed under way")
		}
		if n := fetches.NumRecords(); n > 0 {
			return fmt.Errorf("BUG: the group's client has a fetch position and read %d records", n)
		}
		fetches.EachError(func(_ string, _ int32, err error) {
			m.s.denial.note("group "+m.s.group, err)
			err = m.s.dials.explain(err)
			if now := time.Now(); now.Sub(logged) >= 10*time.Second {
				m.s.log.Warn("The group cannot be joined or kept, trying again", "err", err)
				logged = now
			}
		})
	}
}

// confirm asks the group, with a heartbeat of our own, which of the partitions are still ours (P14). Member id and
// generation are read before it, and the assignment before and after: a yes for one generation says nothing of
// another. Forcing a rebalance would answer nobody and disturb everybody.
func (m *member) confirm(ctx context.Context, partitions []checkpoint.Partition) ([]checkpoint.Partition, error) {
	var ours []checkpoint.Partition
	err := retry(ctx, m.s.log, "The group does not say whether partitions are still ours, asking again", &m.s.dials, func(ctx context.Context) error {
		denied := 0
		for {
			got, result, err := m.heartbeat(ctx, partitions)
			switch {
			case err != nil:
				return err
			case result == heartbeatDenied:
				denied++
			case result == heartbeatConfirmed:
				ours = got
				return nil
			default:
				denied = 0
			}
			if denied == 2 {
				ours = nil
				return nil
			}
		}
	})
	if err != nil {
		return nil, fmt.Errorf("ask the group whether partitions are still ours: %w", err)
	}
	return ours, nil
}

// word is what one heartbeat comes to.
type heartbeatResult uint8

const (
	heartbeatConfirmed    heartbeatResult = iota // the partitions returned are ours
	heartbeatInconclusive                        // the answer belongs to an assignment that has passed, or there is none yet
	heartbeatDenied                              // the group does not know this member and generation
)

// ask is one heartbeat. A denial alone proves nothing: between the end of a rebalance on the broker and its word to our
// client, our generation is an old one. So after a denial it waits for the client to learn of a change; a client that
// learns of none, and is denied again, is out.
func (m *member) heartbeat(ctx context.Context, partitions []checkpoint.Partition) (ours []checkpoint.Partition, result heartbeatResult, err error) {
	id, generation := m.cl.GroupMetadata()
	m.mu.Lock()
	changed := m.changed
	for _, p := range partitions {
		if m.owned[p.ID] && p.Topic == m.s.cfg.Topic {
			ours = append(ours, p)
		}
	}
	m.mu.Unlock()
	if len(ours) == 0 {
		return nil, heartbeatConfirmed, nil
	}
	req := kmsg.NewPtrHeartbeatRequest()
	req.Group, req.MemberID, req.Generation = m.s.group, id, generation
	resp, err := req.RequestWith(ctx, m.cl)
	if err != nil {
		return nil, heartbeatInconclusive, fmt.Errorf("send a heartbeat: %w", err)
	}
	err = kerr.ErrorForCode(resp.ErrorCode)
	switch {
	case err == nil && isClosed(changed):
		return nil, heartbeatInconclusive, nil
	case err == nil:
		return ours, heartbeatConfirmed, nil
	case errors.Is(err, kerr.RebalanceInProgress):
		return nil, heartbeatInconclusive, m.awaitChange(ctx, changed)
	case errors.Is(err, kerr.UnknownMemberID), errors.Is(err, kerr.IllegalGeneration), errors.Is(err, kerr.FencedInstanceID), errors.Is(err, kerr.GroupIDNotFound):
		if err := m.awaitChange(ctx, changed); err != nil {
			return nil, heartbeatInconclusive, err
		}
		if id2, generation2 := m.cl.GroupMetadata(); id2 != id || generation2 != generation || isClosed(changed) {
			return nil, heartbeatInconclusive, nil
		}
		return nil, heartbeatDenied, nil
	}
	return nil, heartbeatInconclusive, fmt.Errorf("heartbeat: %w", err)
}

// await waits for the next callback, or two heartbeats, by which the client has learned what the group knows.
func (m *member) awaitChange(ctx context.Context, changed <-chan struct{}) error {
	timer := time.NewTimer(min(2*m.s.cfg.Heartbeat, 3*time.Second))
	defer timer.Stop()
	select {
	case <-changed:
	case <-timer.C:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return nil
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
