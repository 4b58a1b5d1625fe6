package kafkaio

import (
	"context"
	"slices"
	"strconv"
	"sync"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/internal/obs"
)

// Lag is the position of one partition that the engine has positioned, and the end of its log.
type Lag struct {
	checkpoint.Partition
	Next int64 // the next offset to deliver
	End  int64 // of the log for a reader of committed records, or of the range to deliver; -1 until it is known
}

// Records returns the number of offsets between Next and End, 0 if End is not known.
func (l Lag) Records() int64 { return max(l.End-l.Next, 0) }

// Lag returns the lag of every partition that the engine has positioned, ordered by partition.
func (s *Source) Lag() []Lag {
	s.lags.mu.Lock()
	defer s.lags.mu.Unlock()
	all := make([]Lag, 0, len(s.lags.partitions))
	for id, l := range s.lags.partitions {
		l.Partition = checkpoint.Partition{Topic: s.cfg.Topic, ID: id}
		all = append(all, l)
	}
	slices.SortFunc(all, func(a, b Lag) int { return int(a.ID) - int(b.ID) })
	return all
}

type lags struct {
	mu         sync.Mutex
	partitions map[int32]Lag
}

func (l *lags) position(partition int32, next int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.partitions == nil {
		l.partitions = make(map[int32]Lag)
	}
	at, ok := l.partitions[partition]
	if !ok {
		at.End = -1
	}
	at.Next = next
	l.partitions[partition] = at
}

func (l *lags) end(partition int32, end int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if at, ok := l.partitions[partition]; ok {
		at.End = max(at.End, end)
		l.partitions[partition] = at
	}
}

func (l *lags) forget(partition int32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.partitions, partition)
}

// watchLag reads the ends of all logs every Config.LagInterval, because paused partitions are not fetched, and has the
// tails of logs scanned that hold no records; see fetcher.checkTail.
func (s *Source) watchLag(ctx context.Context, adm *kadm.Client) error {
	obs.Every(ctx, s.cfg.LagInterval, func() {
		if len(s.Lag()) > 0 {
			s.readEnds(ctx, adm)
		}
	})
	return nil
}

// readEnds reads the ends of the logs once.
func (s *Source) readEnds(ctx context.Context, adm *kadm.Client) {
	limited, cancel := context.WithTimeout(ctx, adminWait)
	s.watchTopic(limited, adm)
	ends, err := adm.ListCommittedOffsets(limited, s.cfg.Topic)
	cancel()
	if err != nil {
		s.log.Debug("Cannot read the ends of the logs", "err", err)
	}
	for _, l := range s.Lag() {
		if end, ok := ends.Lookup(l.Topic, l.ID); ok && end.Err == nil {
			at := min(end.Offset, s.endOf(l.ID))
			s.lags.end(l.ID, at)
			l.End = max(l.End, at)
		}
		label := strconv.Itoa(int(l.ID))
		s.met.position.WithLabelValues(label).Set(float64(l.Next))
		if l.End >= 0 {
			s.met.end.WithLabelValues(label).Set(float64(l.End))
			s.met.lag.WithLabelValues(label).Set(float64(l.Records()))
		}
		if l.Records() > 0 {
			s.inbox.put(func(f *fetcher) { f.checkTail(l) })
		}
	}
}

// watchTopic checks whether the topic still has the ID under which it is read. The fetching client notices a change
// too, but only after some seconds of retries, and not at all for paused partitions.
func (s *Source) watchTopic(ctx context.Context, adm *kadm.Client) {
	meta, err := metadata(ctx, adm, s.cfg.Topic)
	td, ok := meta.Topics[s.cfg.Topic]
	if err != nil || !ok || td.Err != nil {
		return
	}
	id, _ := topicID(meta, td)
	s.inbox.put(func(f *fetcher) {
		for _, p := range f.partitions {
			if p.topicID != (checkpoint.TopicID{}) && p.topicID != id && p.state != stopped && p.state != finished && p.state != checking {
				p.cancelCall()
				f.removeFromClient(p)
				f.check(p, nil)
			}
		}
	})
}
