package kafkaio

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/checkpoint"
)

// look has the offsets of r looked at with a raw fetch, while the fetching client waits. What it shows to hold no
// record is explained; the rest is judged by deliver.
func (f *fetcher) look(p *partition, r checkpoint.Range) {
	p.state = scanning
	f.cl.PauseFetchPartitions(p.topicPartitions())
	c := p.stored()
	f.beside(p, func(ctx context.Context) func(*fetcher, *partition) {
		var empty []checkpoint.Range
		err := retry(ctx, f.s.log.With("partition", p.ID), "Missing offsets cannot be looked into, trying again", &f.s.dials, func(ctx context.Context) error {
			var err error
			empty, _, err = f.s.look(ctx, f.cl, f.adm, c, r, false)
			if err != nil {
				f.s.met.scans.WithLabelValues("error").Inc()
			}
			return err
		})
		return func(f *fetcher, p *partition) {
			p.state = fetching
			if !p.paused {
				f.cl.ResumeFetchPartitions(p.topicPartitions())
			}
			if err != nil {
				f.s.met.scans.WithLabelValues("stopped").Inc()
				f.stop(p, err)
				return
			}
			p.explained, p.explainedTo = empty, r.Next
			f.deliver(p)
			if p.state == stopped {
				f.s.met.scans.WithLabelValues("stopped").Inc()
			} else {
				f.s.met.scans.WithLabelValues("gaps").Inc()
			}
		}
	})
}

// tail is told every Config.LagInterval that the log goes on behind what was handed on. Where nothing has come since
// the last time, the offsets that follow are looked at: markers and aborted batches at the end of a log must not leave
// lag for ever. Those that hold no record are handed on as gaps, and the client is set behind them.
func (f *fetcher) checkTail(l Lag) {
	p := f.partitions[l.ID]
	if p == nil || p.state != fetching || p.paused || p.next != l.Next || p.cancel != nil {
		return
	}
	if p.idleAt != p.next {
		p.idleAt = p.next
		return
	}
	f.nudge()
	c, r := p.stored(), checkpoint.Range{Partition: p.Partition, First: l.Next, Next: l.End}
	f.beside(p, func(ctx context.Context) func(*fetcher, *partition) {
		empty, epoch, err := f.s.look(ctx, f.cl, f.adm, c, r, true)
		return func(f *fetcher, p *partition) {
			if err != nil || p.state != fetching || p.next != r.First || !covered(empty, checkpoint.Range{First: r.First, Next: r.First + 1}) {
				return
			}
			to := r.First
			for _, e := range empty {
				if e.First == to {
					to = e.Next
				}
			}
			f.skipGap(p, to, epoch)
		}
	})
}

// pass hands on [p.next, to) as a gap and has the client go on behind it. epoch is that of the gap's last batch: with an
// older one the next claim would find the offset past the epoch's end.
func (f *fetcher) skipGap(p *partition, to int64, epoch int32) {
	gap := checkpoint.Range{Partition: p.Partition, First: p.next, Next: to}
	p.next, p.leaderEpoch = to, max(p.leaderEpoch, epoch)
	if p.hasCursor {
		f.cl.SetOffsets(map[string]map[int32]kgo.EpochOffset{p.Topic: {p.ID: {Epoch: p.leaderEpoch, Offset: to}}})
		f.scheduleNudge()
	} else {
		f.removeFromClient(p)
		f.startFetching(p)
	}
	f.s.lags.position(p.ID, to)
	f.s.met.gaps.Add(float64(gap.Len()))
	f.listener.Fetched(batch.Fetched{
		Range: gap, Session: p.session, LeaderEpoch: p.leaderEpoch, Gaps: []checkpoint.Range{gap},
	})
}

// look returns the pieces of r that are seen to hold no record for a reader of committed records: control batches,
// batches of aborted transactions, batches without records, and, where the topic is compacted, offsets that no record
// has. Ascending; epoch is the leader epoch of the last batch among them. A tail ends at the first batch that holds
// records: those are still to be fetched. An error of class ErrRefused says that r is not there any more; others may be
// tried again.
func (s *Source) look(ctx context.Context, cl *kgo.Client, adm *kadm.Client, c storedPosition, r checkpoint.Range, tail bool) (empty []checkpoint.Range, epoch int32, err error) {
	var (
		txns    = aborted{}
		compact *bool
		at      = r.First
	)
	epoch = -1
	seen := func(first, next int64) {
		first, next = max(first, r.First), min(next, r.Next)
		if first < next {
			empty = append(empty, checkpoint.Range{Partition: r.Partition, First: first, Next: next})
		}
	}
	for at < r.Next {
		resp, err := rawFetch(ctx, cl, c, at, s.cfg.FetchMaxPartitionBytes)
		if err != nil {
			return nil, -1, err
		}
		if resp.LogStartOffset > r.First {
			return nil, -1, permanent{c.refused(hintGone, "records %d..%d are gone, the log begins at %d", r.First, resp.LogStartOffset-1, resp.LogStartOffset)}
		}
		for _, t := range resp.AbortedTransactions {
			txns.add(t.ProducerID, t.FirstOffset)
		}
		from := at
		for in := resp.RecordBatches; at < r.Next; {
			h, rest, ok, err := nextBatch(in)
			if err != nil {
				return nil, -1, permanent{c.refused(hintBroken, "look at offset %d: %w", at, err)}
			}
			if !ok {
				break
			}
			in = rest
			if h.last < at {
				txns.holds(h) // a batch that begins before what was asked for may end a transaction all the same
				continue
			}
			if h.first > at { // no batch holds [at, h.first)
				if compact == nil {
					is := s.compacted(ctx, adm)
					compact = &is
				}
				if *compact {
					seen(at, h.first)
				}
			}
			if gone := txns.holds(h); gone || h.control || h.records == 0 {
				seen(h.first, h.last+1)
				epoch = h.leaderEpoch
			} else if tail {
				return empty, epoch, nil
			} else if int64(h.records) < h.last-h.first+1 {
				// A batch with holes: only a compacted topic's cleaner makes them.
				if compact == nil {
					is := s.compacted(ctx, adm)
					compact = &is
				}
				if *compact {
					holes(resp, c, h, seen)
				}
			}
			at = h.last + 1
		}
		if at == from {
			return nil, -1, fmt.Errorf("look at offset %d of %s: the answer holds no whole batch (%d bytes, end of the committed log %d)", at, c.Partition, len(resp.RecordBatches), resp.LastStableOffset)
		}
	}
	return empty, epoch, nil
}

// holes reports the offsets of h that none of its records has.
func holes(resp *kmsg.FetchResponseTopicPartition, c storedPosition, h batchHead, seen func(first, next int64)) {
	opts := kgo.ProcessFetchPartitionOpts{KeepControlRecords: true, Offset: h.first, Topic: c.Topic, Partition: c.ID}
	fp, _ := kgo.ProcessFetchPartition(opts, resp, kgo.DefaultDecompressor(), nil)
	at := h.first
	for _, r := range fp.Records {
		if r.Offset > h.last {
			break
		}
		if r.Offset >= at {
			seen(at, r.Offset)
			at = r.Offset + 1
		}
	}
	if fp.Err == nil {
		seen(at, h.last+1)
	}
}

// compacted reports whether the topic's cleaner may take single records away. Where the settings cannot be read it is
// not taken for compacted, which stops rather than passes over.
func (s *Source) compacted(ctx context.Context, adm *kadm.Client) bool {
	values, err := topicConfigs(ctx, adm, s.cfg.Topic)
	if err != nil {
		s.log.Warn("The topic is taken for not compacted", "err", err)
	}
	return strings.Contains(values["cleanup.policy"], "compact")
}

// rawFetch asks the partition's leader for what stands from offset on, with read_committed and without a session.
func rawFetch(ctx context.Context, cl *kgo.Client, c storedPosition, offset int64, maxBytes int32) (*kmsg.FetchResponseTopicPartition, error) {
	ctx, cancel := context.WithTimeout(ctx, adminWait)
	defer cancel()
	leader, _, err := cl.PartitionLeader(c.Topic, c.ID)
	if err != nil || leader < 0 {
		cl.ForceMetadataRefresh()
		return nil, fmt.Errorf("look at %s: its leader is not known: %w", c.Partition, errors.Join(err, kerr.LeaderNotAvailable))
	}
	req := kmsg.NewPtrFetchRequest()
	req.MaxWaitMillis = int32(100 * time.Millisecond / time.Millisecond)
	req.MinBytes, req.MaxBytes = 1, maxBytes
	req.IsolationLevel = 1
	req.SessionID, req.SessionEpoch = 0, -1
	t := kmsg.NewFetchRequestTopic()
	t.Topic, t.TopicID = c.Topic, c.topicID
	p := kmsg.NewFetchRequestTopicPartition()
	p.Partition, p.FetchOffset, p.PartitionMaxBytes = c.ID, offset, maxBytes
	p.CurrentLeaderEpoch, p.LastFetchedEpoch, p.LogStartOffset = -1, -1, -1
	t.Partitions = append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	raw, err := cl.Broker(int(leader)).RetriableRequest(ctx, req)
	if err != nil {
		return nil, fmt.Errorf("look at offset %d of %s: %w", offset, c.Partition, err)
	}
	resp := raw.(*kmsg.FetchResponse)
	if err := kerr.ErrorForCode(resp.ErrorCode); err != nil {
		return nil, fmt.Errorf("look at offset %d of %s: %w", offset, c.Partition, err)
	}
	for i := range resp.Topics {
		for j := range resp.Topics[i].Partitions {
			rp := &resp.Topics[i].Partitions[j]
			if rp.Partition != c.ID {
				continue
			}
			err := kerr.ErrorForCode(rp.ErrorCode)
			switch {
			case err == nil:
				return rp, nil
			case errors.Is(err, kerr.OffsetOutOfRange):
				return nil, permanent{c.refused(hintGone, "offset %d is not in the log any more, which begins at %d", offset, rp.LogStartOffset)}
			}
			cl.ForceMetadataRefresh()
			return nil, fmt.Errorf("look at offset %d of %s: %w", offset, c.Partition, err)
		}
	}
	return nil, fmt.Errorf("look at offset %d of %s: no answer for it", offset, c.Partition)
}
