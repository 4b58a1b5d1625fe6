package kafkaio

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/internal/obs"
)

// fetcher positions partitions and polls them. It is one goroutine that alternates between its inbox and polling, so
// that no records that were polled before a positioning are delivered after it. Work that takes a round trip (position
// checks, gap scans) runs in goroutines of its own, and each result comes back through the inbox as an asyncResult.
//
// Invariants, between two inbox entries:
//   - A partition has at most one async call. In states checking and scanning it has exactly one, in state fetching it
//     may have one (a tail scan), in states stopped and finished it has none.
//   - A result is applied only if its call is still the partition's current one: repositioning, removing or stopping a
//     partition cancels the call.
//   - The client has the partition (added) in states fetching and scanning only.
type fetcher struct {
	s          *Source
	cl         *kgo.Client
	adm        *kadm.Client
	listener   batch.RebalanceListener
	partitions map[int32]*partition
	slabs      slabs
	// topicID is the topic ID under which the client has its partitions.
	topicID checkpoint.TopicID
	// nudgeAt is when the client must be nudged, zero for never.
	nudgeAt time.Time
	// throttle is of the log lines about errors of the topic as a whole.
	throttle *obs.Throttle
	spawn    func(func(context.Context)) context.CancelFunc // in Run's group, under Run's context
}

// partition is one positioned partition.
type partition struct {
	checkpoint.Partition
	fetchID     uint64
	next        int64 // the next offset to deliver
	leaderEpoch int32 // of the record before next, -1 unknown; never decreases
	topicID     checkpoint.TopicID
	end         int64 // of the range to deliver; math.MaxInt64 if it has none
	state       partitionState
	paused      bool  // by the engine
	added       bool  // the fetching client has it
	hasCursor   bool  // the client has returned records of it since it was added, so that SetOffsets works
	idleAt      int64 // next at the last lag interval, to find partitions whose tail brings no records; -1 unknown
	call        asyncCall
	// held is what was polled and not delivered yet: it waits for a gap scan. explained are the ranges below explainedTo
	// that the scan has shown to hold no record.
	held        []kgo.FetchPartition
	explained   []checkpoint.Range
	explainedTo int64
}

type partitionState uint8

const (
	checking partitionState = iota // verifying with Kafka that next still refers to the same record
	fetching
	scanning // offsets are missing, and a raw fetch is to show why; what is polled is held
	stopped  // until it is positioned again
	finished // its range is delivered; until it is positioned again
)

// asyncCall is a partition's outstanding call, if cancel is not nil. id increases with each call, so that a late result
// of an earlier one is recognized.
type asyncCall struct {
	id     int
	cancel context.CancelFunc
}

// asyncResult is the result of an async call. apply runs on the fetcher's goroutine.
type asyncResult interface{ apply(*fetcher, *partition) }

func newFetcher(ctx context.Context, g *errgroup.Group, s *Source, cl *kgo.Client, adm *kadm.Client, listener batch.RebalanceListener) *fetcher {
	return &fetcher{
		throttle: obs.NewThrottle(10 * time.Second),
		s:        s, cl: cl, adm: adm, listener: listener,
		partitions: make(map[int32]*partition),
		spawn: func(fn func(context.Context)) context.CancelFunc {
			ctx, cancel := context.WithCancel(ctx)
			g.Go(func() error { fn(ctx); return nil })
			return cancel
		},
	}
}

// run alternates between the inbox and polling until ctx is done.
func (f *fetcher) run(ctx context.Context) error {
	for ctx.Err() == nil {
		poll, interrupt := context.WithCancel(ctx)
		for _, do := range f.s.inbox.take(interrupt) {
			do(f)
		}
		var timer *time.Timer
		if !f.nudgeAt.IsZero() {
			timer = time.AfterFunc(time.Until(f.nudgeAt), interrupt)
		}
		for poll.Err() == nil {
			fetches := f.cl.PollFetches(poll)
			if fetches.IsClientClosed() {
				interrupt()
				return errors.New("BUG: the fetching client was closed while in use")
			}
			f.polled(fetches)
		}
		interrupt()
		if timer != nil && !timer.Stop() {
			f.nudge()
		}
	}
	for id := range f.partitions {
		f.remove(id)
	}
	return nil
}

// nudgeAfter is how long after a change the client is nudged. Its goroutines must have run once by then.
const nudgeAfter = 200 * time.Millisecond

// scheduleNudge is called after a change to the client's partitions. The change ends the client's fetch session and
// begins another. A goroutine of the client that was just starting a fetch for the old session then ends without
// noticing the new one, and nothing is fetched from its broker until another change wakes it. The nudge wakes it.
func (f *fetcher) scheduleNudge() { f.nudgeAt = time.Now().Add(nudgeAfter) }

// nudge wakes the client's fetching goroutine of every broker: resuming does so whether or not anything was paused.
func (f *fetcher) nudge() {
	f.nudgeAt = time.Time{}
	f.cl.ResumeFetchPartitions(nil)
}

// apply carries out one Position.
func (f *fetcher) apply(m batch.Position) {
	p := f.partitions[m.ID]
	switch m.Action {
	case batch.Fetch:
		f.fetch(p, m)
	case batch.Pause:
		if p != nil && !p.paused {
			p.paused = true
			f.cl.PauseFetchPartitions(p.topicPartitions())
		}
	case batch.Resume:
		if p != nil && p.paused {
			p.paused = false
			if p.state != scanning {
				f.cl.ResumeFetchPartitions(p.topicPartitions())
			}
		}
	case batch.Remove:
		f.remove(m.ID)
	default:
		panic(fmt.Sprintf("BUG: position with action %d", m.Action))
	}
}

// fetch moves a partition that is being fetched to another offset at once, and checks the position of any other first.
// The client carries out SetOffsets only for a partition with a cursor, which exists for certain once records were
// returned; before that the partition is removed and added again.
func (f *fetcher) fetch(p *partition, m batch.Position) {
	if p == nil {
		p = &partition{Partition: m.Partition, end: f.s.endOf(m.ID)}
		f.partitions[m.ID] = p
	}
	p.cancelCall()
	direct := p.added && p.hasCursor && (p.state == fetching || p.state == scanning)
	if p.paused { // the client remembers it even of a partition that it does not have
		f.cl.ResumeFetchPartitions(p.topicPartitions())
	}
	p.fetchID, p.next, p.leaderEpoch, p.topicID, p.paused = m.FetchID, m.Next, m.LeaderEpoch, m.TopicID, false
	p.idleAt = -1
	f.s.lags.position(m.ID, m.Next)
	if p.next >= p.end {
		f.finish(p)
		return
	}
	if direct {
		f.cl.SetOffsets(map[string]map[int32]kgo.EpochOffset{p.Topic: {p.ID: {Epoch: m.LeaderEpoch, Offset: m.Next}}})
		f.scheduleNudge()
		f.cl.ResumeFetchPartitions(p.topicPartitions())
		p.state = fetching
		return
	}
	f.removeFromClient(p)
	f.check(p, nil)
}

// cancelCall cancels p's async call and drops the records that wait for it.
func (p *partition) cancelCall() {
	if p.call.cancel != nil {
		p.call.cancel()
		p.call.cancel = nil
	}
	p.held, p.explained, p.explainedTo = nil, nil, 0
}

// removeFromClient removes p from the fetching client, with the records that the client has buffered.
func (f *fetcher) removeFromClient(p *partition) {
	if p.added {
		f.cl.RemoveConsumePartitions(p.topicPartitions())
		f.scheduleNudge()
		f.cl.ResumeFetchPartitions(p.topicPartitions()) // the client would remember the pause when p is added again
		p.added, p.hasCursor = false, false
	}
}

// remove forgets a partition. Nothing of it is delivered afterwards.
func (f *fetcher) remove(id int32) {
	p := f.partitions[id]
	if p == nil {
		return
	}
	p.cancelCall()
	f.removeFromClient(p)
	delete(f.partitions, id)
	f.s.lags.forget(id)
	f.s.met.forget(strconv.Itoa(int(id)))
}

// async runs work for p on a goroutine of its own, in place of p's current call. Its result is applied on the fetcher's
// goroutine, unless p was removed or the call was cancelled or replaced meanwhile.
func (f *fetcher) async(p *partition, work func(context.Context) asyncResult) {
	if p.call.cancel != nil {
		p.call.cancel()
	}
	p.call.id++
	id := p.call.id
	p.call.cancel = f.spawn(func(ctx context.Context) {
		result := work(ctx)
		f.s.inbox.put(func(f *fetcher) { f.complete(p, id, result) })
	})
}

// complete applies the result of call id if that is p's current call.
func (f *fetcher) complete(p *partition, id int, result asyncResult) {
	if f.partitions[p.ID] != p || p.call.id != id || p.call.cancel == nil {
		return
	}
	p.call.cancel()
	p.call.cancel = nil
	result.apply(f, p)
}

// checked is the result of a position check: nil if p may be fetched.
type checked struct{ err error }

// check verifies p's position with Kafka and then starts fetching. cause is why the client stopped fetching p, or nil:
// even if the position is valid, a final cause stops p; see Source.check.
func (f *fetcher) check(p *partition, cause error) {
	p.state = checking
	c := p.stored()
	f.async(p, func(ctx context.Context) asyncResult {
		return checked{f.s.check(ctx, f.adm, c, cause)}
	})
}

func (r checked) apply(f *fetcher, p *partition) {
	if r.err != nil {
		f.stop(p, r.err)
		return
	}
	f.startFetching(p)
}

// startFetching adds p to the fetching client, which verifies the end of the leader epoch once more itself.
func (f *fetcher) startFetching(p *partition) {
	if p.topicID != f.topicID {
		f.purge(p)
	}
	p.state, p.added, p.hasCursor = fetching, true, false
	if p.paused {
		f.cl.PauseFetchPartitions(p.topicPartitions())
	}
	f.cl.AddConsumePartitions(map[string]map[int32]kgo.Offset{
		p.Topic: {p.ID: kgo.NewOffset().At(p.next).WithEpoch(p.leaderEpoch)},
	})
	f.scheduleNudge()
}

// purge makes the client forget a topic that was recreated; otherwise it would keep requesting the old topic ID.
// Partitions that are positioned in the old topic are checked, which stops them.
func (f *fetcher) purge(p *partition) {
	if f.topicID != (checkpoint.TopicID{}) {
		for _, q := range f.partitions {
			if q.added && q.topicID != p.topicID {
				f.removeFromClient(q)
				q.cancelCall()
				f.check(q, nil)
			}
		}
		f.cl.PurgeTopicsFromClient(p.Topic)
	}
	f.topicID = p.topicID
}

// stop removes p from the client and reports err to the engine. Nothing more is delivered until p is positioned again.
func (f *fetcher) stop(p *partition, err error) {
	p.cancelCall()
	f.removeFromClient(p)
	p.state = stopped
	f.s.met.stops.Inc()
	f.s.invalidateTopic()
	f.listener.Fetched(batch.Fetched{
		Range:       checkpoint.Range{Partition: p.Partition, First: p.next, Next: p.next},
		FetchID:     p.fetchID,
		LeaderEpoch: p.leaderEpoch,
		Err:         err,
	})
}

// finish removes p from the client, because its range is delivered.
func (f *fetcher) finish(p *partition) {
	p.cancelCall()
	f.removeFromClient(p)
	p.state = finished
}

// stored returns p's position in the form of a checkpoint.
func (p *partition) stored() storedPosition {
	return storedPosition{Partition: p.Partition, next: p.next, leaderEpoch: p.leaderEpoch, topicID: p.topicID}
}

func (p *partition) topicPartitions() map[string][]int32 { return map[string][]int32{p.Topic: {p.ID}} }
