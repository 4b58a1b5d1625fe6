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
)

// fetcher is one goroutine that positions partitions and polls them, in turns: so a poll never holds what a position
// has made old. What takes a round trip (checks, looks) runs beside it and comes back through the inbox under the
// session that it was begun for.
type fetcher struct {
	s          *Source
	cl         *kgo.Client
	adm        *kadm.Client
	listener   batch.RebalanceListener
	partitions map[int32]*partition
	slabs      slabs
	// topicID is what the client was last given partitions of.
	topicID checkpoint.TopicID
	// nudgeAt is when the client is to be nudged, zero for never.
	nudgeAt time.Time
	// logged is when an error of the topic as a whole was last logged.
	logged time.Time
	spawn  func(func(context.Context)) context.CancelFunc // in Run's group, under Run's context
}

// part is one positioned partition.
type partition struct {
	checkpoint.Partition
	session     uint64
	next        int64 // the offset to hand on next
	leaderEpoch int32 // of the record before it, -1 unknown; never goes down
	topicID     checkpoint.TopicID
	state       partState
	paused      bool               // by the engine
	added       bool               // the fetching client has it
	hasCursor   bool               // and has returned records of it since, so that SetOffsets reaches its cursor
	idleAt      int64              // where it stood at the last tick of the lag's clock
	errand      int                // counts what was begun beside
	cancel      context.CancelFunc // ends the last of them, nil when it came back or was given up
	// held is what was polled of it and waits for a look. It is explained up to explainedTo.
	held        []kgo.FetchPartition
	explained   []checkpoint.Range
	explainedTo int64
}

type partState uint8

const (
	checking partState = iota // Kafka is asked whether next still means what it meant
	fetching
	scanning // records are missing, and a raw fetch is to show why
	stopped  // until it is positioned again
)

func newFetcher(ctx context.Context, g *errgroup.Group, s *Source, cl *kgo.Client, adm *kadm.Client, listener batch.RebalanceListener) *fetcher {
	return &fetcher{
		s: s, cl: cl, adm: adm, listener: listener,
		partitions: make(map[int32]*partition),
		spawn: func(fn func(context.Context)) context.CancelFunc {
			ctx, cancel := context.WithCancel(ctx)
			g.Go(func() error { fn(ctx); return nil })
			return cancel
		},
	}
}

// run alternates between the inbox and polling until ctx ends.
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
				return errors.New("BUG: the fetching client was closed under way")
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

// nudgeAfter is how long after a change the client is nudged; any time that its goroutines have run by will do.
const nudgeAfter = 200 * time.Millisecond

// stir notes that the client's partitions were changed. The change ends its fetching session and begins another; a
// broker's fetching goroutine that was just starting for the old one then ends without seeing the new, and nothing is
// fetched from that broker until something wakes it. So it is woken once more a little later.
func (f *fetcher) scheduleNudge() { f.nudgeAt = time.Now().Add(nudgeAfter) }

// nudge wakes every broker's fetching goroutine, which resuming does whether or not anything was paused.
func (f *fetcher) nudge() {
	f.nudgeAt = time.Time{}
	f.cl.ResumeFetchPartitions(nil)
}

// move carries out one Position.
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

// fetch sets a partition that is fetched to another offset at once, and has any other checked first. The client
// carries out SetOffsets only where it has a cursor, which is sure once it has returned records; before that the
// partition is taken out and put in again.
func (f *fetcher) fetch(p *partition, m batch.Position) {
	if p == nil {
		p = &partition{Partition: m.Partition}
		f.partitions[m.ID] = p
	}
	p.cancelAsync()
	direct := p.added && p.hasCursor && (p.state == fetching || p.state == scanning)
	p.session, p.next, p.leaderEpoch, p.topicID, p.paused = m.Session, m.Next, m.LeaderEpoch, m.TopicID, false
	p.idleAt = -1
	f.s.lags.position(m.ID, m.Next)
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

// abandon ends what runs beside for p and drops what waits for it.
func (p *partition) cancelAsync() {
	if p.cancel != nil {
		p.cancel()
		p.cancel = nil
	}
	p.held, p.explained, p.explainedTo = nil, nil, 0
}

// withdraw takes p out of the fetching client, with what that has buffered.
func (f *fetcher) removeFromClient(p *partition) {
	if p.added {
		f.cl.RemoveConsumePartitions(p.topicPartitions())
		f.scheduleNudge()
		f.cl.ResumeFetchPartitions(p.topicPartitions()) // a pause would outlive it
		p.added, p.hasCursor = false, false
	}
}

func (f *fetcher) remove(id int32) {
	p := f.partitions[id]
	if p == nil {
		return
	}
	p.cancelAsync()
	f.removeFromClient(p)
	delete(f.partitions, id)
	f.s.lags.forget(id)
	f.s.met.forget(strconv.Itoa(int(id)))
}

// beside runs fn for p off this goroutine, and then brings what it returns back to it, if p still waits for it.
func (f *fetcher) beside(p *partition, fn func(context.Context) func(*fetcher, *partition)) {
	if p.cancel != nil {
		p.cancel()
	}
	p.errand++
	errand := p.errand
	p.cancel = f.spawn(func(ctx context.Context) {
		then := fn(ctx)
		f.s.inbox.put(func(f *fetcher) {
			if f.partitions[p.ID] == p && p.errand == errand && p.cancel != nil {
				p.cancel()
				p.cancel = nil
				then(f, p)
			}
		})
	})
}

// check asks Kafka whether p may be fetched from where it stands, and then begins. cause is why the client stopped
// fetching it, nil at first: where Kafka finds nothing wrong, it stops p all the same, unless trying again may help.
func (f *fetcher) check(p *partition, cause error) {
	p.state = checking
	c := storedPosition{Partition: p.Partition, next: p.next, leaderEpoch: p.leaderEpoch, topicID: p.topicID}
	f.beside(p, func(ctx context.Context) func(*fetcher, *partition) {
		err := f.s.check(ctx, f.adm, c, cause)
		return func(f *fetcher, p *partition) {
			if err != nil {
				f.stop(p, err)
				return
			}
			f.startFetching(p)
		}
	})
}

// begin puts p into the fetching client, which asks for the end of the leader epoch once more by itself.
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

// purge has the client forget a topic that was made anew, for it would ask for the old one's id for ever. Partitions
// that stood in the old one are checked, which stops them.
func (f *fetcher) purge(p *partition) {
	if f.topicID != (checkpoint.TopicID{}) {
		for _, q := range f.partitions {
			if q.added && q.topicID != p.topicID {
				f.removeFromClient(q)
				q.cancelAsync()
				f.check(q, nil)
			}
		}
		f.cl.PurgeTopicsFromClient(p.Topic)
	}
	f.topicID = p.topicID
}

// stop takes p from the client and tells the engine why; nothing more comes until it is positioned again.
func (f *fetcher) stop(p *partition, err error) {
	p.cancelAsync()
	f.removeFromClient(p)
	p.state = stopped
	f.s.met.stops.Inc()
	f.s.invalidateTopic()
	f.listener.Fetched(batch.Fetched{
		Range:       checkpoint.Range{Partition: p.Partition, First: p.next, Next: p.next},
		Session:     p.session,
		LeaderEpoch: p.leaderEpoch,
		Err:         err,
	})
}

func (p *partition) topicPartitions() map[string][]int32 { return map[string][]int32{p.Topic: {p.ID}} }
