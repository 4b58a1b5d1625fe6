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
	"github.com/sluice-etl/sluice/internal/obs"
)

// member is this process's membership in the group. Its client never gets a fetch position: AdjustFetchOffsetsFn
// removes them all, so that it fetches nothing, and no offset stored in the group can affect the job (P6). The
// callbacks forward assignments without waiting for claims, so that a MySQL outage causes no rebalance.
//
// Invariant: announced is a subset of owned at every release of announcing, except for partitions whose revocation is
// about to be announced. Lock order: announcing before mu.
type member struct {
	s        *Source
	cl       *kgo.Client
	adm      *kadm.Client // of the fetching client
	listener batch.RebalanceListener
	wake     chan struct{} // holds a token when announceLoop may have something to announce

	announcing sync.Mutex // held while the listener is called, so that Assigned and Revoked are never concurrent

	mu         sync.Mutex     // guards the fields below
	owned      map[int32]bool // as of the group's last callback
	announced  map[int32]bool // those of owned that the listener knows
	changed    chan struct{}  // closed and replaced at each callback
	topicStale bool           // the topic that the listener knows may have changed
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
		return fmt.Errorf("create the group's kafka client: %w", err)
	}
	return nil
}

// leave leaves the group, which calls onRevoked for the last time, and closes the client.
func (m *member) leave(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), m.s.cfg.ShutdownTimeout)
	defer cancel()
	if err := m.cl.LeaveGroupContext(ctx); err != nil {
		m.s.log.Warn("Leaving the group failed; its partitions stay unassigned until the session times out", "err", err,
			"session_timeout", m.s.cfg.SessionTimeout.String())
	}
	m.cl.Close()
}

func (m *member) onAssigned(ps []int32) {
	m.mu.Lock()
	for _, p := range ps {
		if m.s.reads(p) {
			m.owned[p] = true
		}
	}
	n := len(m.owned)
	m.notifyChanged()
	m.mu.Unlock()
	m.s.met.groups.WithLabelValues("assigned").Add(float64(len(ps)))
	m.s.met.owned.Set(float64(n))
	m.wakeAnnounceLoop()
}

// notifyChanged wakes the goroutines that wait in awaitChange. m.mu must be held.
func (m *member) notifyChanged() {
	close(m.changed)
	m.changed = make(chan struct{})
}

// onRevoked removes partitions and announces it. It waits for the listener at most a quarter of the rebalance timeout:
// the group excludes a member that blocks longer, and returning early is safe because the fence rejects late commits.
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
	m.s.log.Info("Partitions revoked", "partitions", ps, "lost", lost)
	ctx, cancel := context.WithTimeout(context.Background(), m.s.cfg.RebalanceTimeout/4)
	defer cancel()
	m.listener.Revoked(ctx, known, lost)
	m.s.inbox.put(func(f *fetcher) {
		for _, p := range known {
			f.remove(p.ID)
		}
	})
}

// announceLoop announces new partitions to the listener. It reads what it needs from Kafka here rather than in the
// group's callback, because a callback that blocks delays the rebalance. Partitions that are revoked meanwhile are not
// announced.
func (m *member) announceLoop(ctx context.Context) error {
	sole := false // all members of the group count into this job's database
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
		if !sole { // before anything is claimed
			if err := m.s.requireSoleDatabase(ctx, m.cl); err != nil {
				if ctx.Err() != nil {
					return nil
				}
				return err
			}
			sole = true
		}
		topic, err := m.readTopic(ctx, pending)
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		m.announce(topic, pending, n == 0)
	}
}

// readTopic reads the topic until it contains the pending partitions, which an assignment may name before the metadata
// does.
func (m *member) readTopic(ctx context.Context, pending []int32) (topic batch.Topic, err error) {
	err = retry(ctx, m.s.log, "Cannot read the topic's offsets; retrying", &m.s.dials, func(ctx context.Context) error {
		var err error
		topic, err = m.s.topic(ctx, m.adm)
		m.s.denial.note("reading the offsets of topic "+m.s.cfg.Topic, err)
		if err == nil && len(pending) > 0 && int(slices.Max(pending)) >= len(topic.Starts) {
			err = fmt.Errorf("partition %d is assigned, but the topic's metadata has %d partitions", slices.Max(pending), len(topic.Starts))
		}
		return err
	})
	return topic, err
}

// announce calls Assigned with those of the partitions that are still pending. If others became pending meanwhile, it
// wakes announceLoop, because topic may not contain them. logEmpty logs an assignment without partitions, too.
func (m *member) announce(topic batch.Topic, partitions []int32, logEmpty bool) {
	m.announcing.Lock()
	defer m.announcing.Unlock()
	m.mu.Lock()
	fresh := slices.DeleteFunc(m.pending(), func(p int32) bool { return !slices.Contains(partitions, p) })
	left := len(m.pending()) - len(fresh)
	for _, p := range fresh {
		m.announced[p] = true
	}
	m.mu.Unlock()
	if len(fresh) > 0 || logEmpty {
		m.s.log.Info("Partitions assigned", "partitions", fresh, "of", len(topic.Starts))
	}
	m.listener.Assigned(topic, fresh)
	if left > 0 {
		m.wakeAnnounceLoop()
	}
}

func (m *member) wakeAnnounceLoop() {
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// invalidateTopic makes announceLoop announce the topic again: a claim that is made after an operator has fixed the
// topic must not be compared with the ID of a topic that was deleted (P4).
func (m *member) invalidateTopic() {
	m.mu.Lock()
	m.topicStale = true
	m.mu.Unlock()
	m.wakeAnnounceLoop()
}

// pending returns the owned partitions that the listener does not know, in ascending order. m.mu must be held.
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

// topic reads what an assignment carries: the topic ID, the offset of Config.Start in every partition, and where each
// log begins.
func (s *Source) topic(ctx context.Context, adm *kadm.Client) (batch.Topic, error) {
	t := batch.Topic{Name: s.cfg.Topic}
	meta, err := metadata(ctx, adm, t.Name)
	if err != nil {
		return t, err
	}
	td := meta.Topics[t.Name]
	if td.Err != nil {
		return t, fmt.Errorf("read metadata of topic %s: %w", t.Name, td.Err)
	}
	t.ID, _ = topicID(meta, td)
	firsts, err := adm.ListStartOffsets(ctx, t.Name)
	if err != nil {
		return t, fmt.Errorf("read the first offsets of topic %s: %w", t.Name, err)
	}
	starts := firsts
	switch s.start.kind {
	case startLatest:
		starts, err = adm.ListEndOffsets(ctx, t.Name)
	case startTime: // Kafka returns the end for a time after the last record
		starts, err = adm.ListOffsetsAfterMilli(ctx, s.start.millis, t.Name)
	}
	if err != nil {
		return t, fmt.Errorf("read the offsets of %s in topic %s: %w", s.cfg.Start, t.Name, err)
	}
	t.Firsts = make([]int64, len(td.Partitions))
	t.Starts = make([]int64, len(td.Partitions))
	for p := range int32(len(td.Partitions)) {
		first, ok := firsts.Lookup(t.Name, p)
		start, ok2 := starts.Lookup(t.Name, p)
		if err := errors.Join(first.Err, start.Err); err != nil || !ok || !ok2 {
			return t, fmt.Errorf("read the offsets of %s/%d: not in the response: %w", t.Name, p, err)
		}
		t.Firsts[p], t.Starts[p] = first.Offset, max(start.Offset, first.Offset)
	}
	return s.within(t)
}

// watch logs the errors that the group client reports besides the callbacks: those of joining, which the client
// retries.
func (m *member) watch(ctx context.Context) error {
	throttle := obs.NewThrottle(10 * time.Second)
	for {
		fetches := m.cl.PollFetches(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if fetches.IsClientClosed() {
			return errors.New("BUG: the group's client was closed while in use")
		}
		if n := fetches.NumRecords(); n > 0 {
			return fmt.Errorf("BUG: the group's client has a fetch position and read %d records", n)
		}
		fetches.EachError(func(_ string, _ int32, err error) {
			m.s.denial.note("joining group "+m.s.group, err)
			err = m.s.dials.explain(err)
			if ok, _ := throttle.Allow("", time.Now()); ok {
				m.s.log.Warn("Cannot join the group or stay in it; retrying", "err", err)
			}
		})
	}
}

// confirm asks the group, with a heartbeat of its own, which of the partitions are still assigned to this member (P14).
// The member ID and generation are read before the heartbeat and the assignment before and after it, because a
// confirmation of one generation does not hold for another. Forcing a rebalance instead would disturb all members and
// confirm nothing.
func (m *member) confirm(ctx context.Context, partitions []checkpoint.Partition) ([]checkpoint.Partition, error) {
	var ours []checkpoint.Partition
	err := retry(ctx, m.s.log, "Cannot confirm the assignment with the group; retrying", &m.s.dials, func(ctx context.Context) error {
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
		return nil, fmt.Errorf("confirm the assignment with the group: %w", err)
	}
	return ours, nil
}

// heartbeatResult is what one heartbeat shows.
type heartbeatResult uint8

const (
	heartbeatConfirmed    heartbeatResult = iota // the partitions returned are assigned to this member
	heartbeatInconclusive                        // the reply concerns an earlier assignment, or there is none yet
	heartbeatDenied                              // the group does not know this member and generation
)

// heartbeat sends one heartbeat. A single denial proves nothing: between the end of a rebalance on the broker and
// the client's next reply from it, this member's generation is outdated. So after a denial it waits for the client to
// observe a change. If the client observes none and is denied again, it is no longer a member.
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

// awaitChange waits for the next callback, or for two heartbeat intervals, within which the client observes every
// change.
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
