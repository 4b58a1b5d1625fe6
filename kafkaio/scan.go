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

// gapScanned is the result of the scan of a gap between two records that were polled.
type gapScanned struct {
	to    int64 // the offset of the last record of the fetch: everything below it was scanned
	empty []checkpoint.Range
	err   error
}

// scanGap scans the offsets of r with raw fetches, while the fetching client is paused. The ranges that hold no record
// are explained; deliver decides about the rest.
func (f *fetcher) scanGap(p *partition, r checkpoint.Range) {
	p.state = scanning
	f.cl.PauseFetchPartitions(p.topicPartitions())
	c := p.stored()
	f.async(p, func(ctx context.Context) asyncResult {
		var empty []checkpoint.Range
		err := retry(ctx, f.s.log.With("partition", p.ID), "Cannot scan missing offsets; retrying", &f.s.dials, func(ctx context.Context) error {
			g := f.s.newGapScanner(f.cl, f.adm, c, r)
			err := g.run(ctx)
			empty = g.empty
			if err != nil {
				f.s.met.scans.WithLabelValues("error").Inc()
			}
			return err
		})
		return gapScanned{to: r.Next, empty: empty, err: err}
	})
}

func (r gapScanned) apply(f *fetcher, p *partition) {
	p.state = fetching
	if !p.paused {
		f.cl.ResumeFetchPartitions(p.topicPartitions())
	}
	if r.err != nil {
		f.s.met.scans.WithLabelValues("stopped").Inc()
		f.stop(p, r.err)
		return
	}
	p.explained, p.explainedTo = r.empty, r.to
	f.deliver(p)
	if p.state == stopped {
		f.s.met.scans.WithLabelValues("stopped").Inc()
	} else {
		f.s.met.scans.WithLabelValues("gaps").Inc()
	}
}

// tailScanned is the result of the scan of r, the offsets between what was delivered and the end of the log.
type tailScanned struct {
	r     checkpoint.Range
	empty []checkpoint.Range
	epoch int32 // of the last batch in empty
	err   error
}

// checkTail is called every Config.LagInterval while the log continues after the delivered offsets. If nothing was
// delivered since the last call, the offsets that follow are scanned, because transaction markers and aborted batches
// at the end of a log would otherwise count as lag permanently. Those that hold no record are delivered as gaps, and
// the client continues after them.
func (f *fetcher) checkTail(l Lag) {
	p := f.partitions[l.ID]
	if p == nil || p.state != fetching || p.paused || p.next != l.Next || p.call.cancel != nil {
		return
	}
	if p.idleAt != p.next {
		p.idleAt = p.next
		return
	}
	f.nudge()
	c, r := p.stored(), checkpoint.Range{Partition: p.Partition, First: l.Next, Next: l.End}
	f.async(p, func(ctx context.Context) asyncResult {
		g := f.s.newGapScanner(f.cl, f.adm, c, r)
		g.tail = true
		err := g.run(ctx)
		return tailScanned{r: r, empty: g.empty, epoch: g.epoch, err: err}
	})
}

func (r tailScanned) apply(f *fetcher, p *partition) {
	if r.err != nil || p.state != fetching || p.next != r.r.First {
		return // the next lag interval scans again
	}
	to := p.next
	for _, e := range r.empty {
		if e.First == to {
			to = e.Next
		}
	}
	if to > p.next {
		f.skipGap(p, to, r.epoch)
	}
}

// skipGap delivers [p.next, to) as a gap and makes the client continue after it, if p's range does. epoch is that of the gap's last batch:
// with an earlier one, the next claim would find the offset beyond the end of the epoch.
func (f *fetcher) skipGap(p *partition, to int64, epoch int32) {
	gap := checkpoint.Range{Partition: p.Partition, First: p.next, Next: to}
	p.next, p.leaderEpoch = to, max(p.leaderEpoch, epoch)
	switch {
	case p.next >= p.end:
		f.finish(p)
	case p.hasCursor:
		f.cl.SetOffsets(map[string]map[int32]kgo.EpochOffset{p.Topic: {p.ID: {Epoch: p.leaderEpoch, Offset: to}}})
		f.scheduleNudge()
	default:
		f.removeFromClient(p)
		f.startFetching(p)
	}
	f.s.lags.position(p.ID, to)
	f.s.met.gaps.Add(float64(gap.Len()))
	f.listener.Fetched(batch.Fetched{
		Range: gap, FetchID: p.fetchID, LeaderEpoch: p.leaderEpoch, Gaps: []checkpoint.Range{gap},
	})
}

// gapScanner finds the offsets of a range that hold no record for a reader of committed records: control batches,
// batches of aborted transactions, batches without records, and, in a compacted topic, offsets without a record. A
// gapScanner is used for one run.
type gapScanner struct {
	s   *Source
	cl  *kgo.Client
	adm *kadm.Client
	pos storedPosition
	// want is the range to scan.
	want checkpoint.Range
	// tail ends the scan at the first batch that holds records: the client still fetches those.
	tail bool

	// The results, valid after run returned nil. empty is in ascending order; epoch is the leader epoch of the last batch
	// that holds no record, -1 if there is none.
	empty []checkpoint.Range
	epoch int32

	at        int64 // offsets of want below it are scanned
	done      bool  // tail found a batch that holds records
	txns      aborted
	compacted *bool // nil until it is needed for the first time
}

func (s *Source) newGapScanner(cl *kgo.Client, adm *kadm.Client, pos storedPosition, want checkpoint.Range) *gapScanner {
	return &gapScanner{s: s, cl: cl, adm: adm, pos: pos, want: want, epoch: -1, at: want.First, txns: aborted{}}
}

// run scans want with raw fetches, one after another. An error of class ErrRefused means that the range is not in the
// log any more or is unreadable; any other error may be retried with another scanner.
func (g *gapScanner) run(ctx context.Context) error {
	for g.at < g.want.Next && !g.done {
		leader, _, err := g.cl.PartitionLeader(g.pos.Topic, g.pos.ID)
		if err != nil || leader < 0 {
			g.cl.ForceMetadataRefresh()
			return fmt.Errorf("scan %s: its leader is not known: %w", g.pos.Partition, errors.Join(err, kerr.LeaderNotAvailable))
		}
		resp, err := rawFetch(ctx, g.cl, leader, g.pos, g.at, g.s.cfg.FetchMaxPartitionBytes, readCommitted)
		if err != nil {
			return err
		}
		if err := g.page(ctx, resp); err != nil {
			return err
		}
	}
	return nil
}

// page scans one fetch response, which begins at the batch that contains g.at. It returns an error if the response does
// not advance the scan.
func (g *gapScanner) page(ctx context.Context, resp *kmsg.FetchResponseTopicPartition) error {
	if resp.LogStartOffset > g.want.First {
		return permanent{g.pos.refused(hintGone, "records %d..%d are deleted, the log begins at %d", g.want.First, resp.LogStartOffset-1, resp.LogStartOffset)}
	}
	for _, t := range resp.AbortedTransactions {
		g.txns.add(t.ProducerID, t.FirstOffset)
	}
	from := g.at
	for in := resp.RecordBatches; g.at < g.want.Next; {
		h, rest, ok, err := nextBatch(in)
		if err != nil {
			return permanent{g.pos.refused(hintBroken, "scan offset %d: %w", g.at, err)}
		}
		if !ok {
			break
		}
		in = rest
		g.batch(ctx, resp, h)
		if g.done {
			return nil
		}
	}
	if g.at == from {
		return fmt.Errorf("scan offset %d of %s: the response holds no complete batch (%d bytes, last stable offset %d)", g.at, g.pos.Partition, len(resp.RecordBatches), resp.LastStableOffset)
	}
	return nil
}

// batch scans one batch. Batches must come in offset order, because each may end an aborted transaction.
func (g *gapScanner) batch(ctx context.Context, resp *kmsg.FetchResponseTopicPartition, h batchHead) {
	if h.last < g.at {
		g.txns.holds(h) // a batch before the requested offset can still end a transaction
		return
	}
	if h.first > g.at && g.isCompacted(ctx) { // no batch contains [at, h.first)
		g.addEmpty(g.at, h.first)
	}
	switch isAborted := g.txns.holds(h); {
	case isAborted || h.control || h.records == 0:
		g.addEmpty(h.first, h.last+1)
		g.epoch = h.leaderEpoch
	case g.tail:
		g.done = true
		return
	case int64(h.records) < h.last-h.first+1 && g.isCompacted(ctx): // only compaction leaves holes in a batch
		g.holes(resp, h)
	}
	g.at = h.last + 1
}

// holes adds the offsets of h at which it has no record.
func (g *gapScanner) holes(resp *kmsg.FetchResponseTopicPartition, h batchHead) {
	opts := kgo.ProcessFetchPartitionOpts{KeepControlRecords: true, Offset: h.first, Topic: g.pos.Topic, Partition: g.pos.ID}
	fp, _ := kgo.ProcessFetchPartition(opts, resp, kgo.DefaultDecompressor(), nil)
	at := h.first
	for _, r := range fp.Records {
		if r.Offset > h.last {
			break
		}
		if r.Offset >= at {
			g.addEmpty(at, r.Offset)
			at = r.Offset + 1
		}
	}
	if fp.Err == nil {
		g.addEmpty(at, h.last+1)
	}
}

// addEmpty adds the part of [first, next) that is within want.
func (g *gapScanner) addEmpty(first, next int64) {
	first, next = max(first, g.want.First), min(next, g.want.Next)
	if first < next {
		g.empty = append(g.empty, checkpoint.Range{Partition: g.want.Partition, First: first, Next: next})
	}
}

// isCompacted reports whether compaction may have removed single records of the topic. If the settings cannot be read,
// it reports false, which stops the partition rather than skipping offsets.
func (g *gapScanner) isCompacted(ctx context.Context) bool {
	if g.compacted == nil {
		values, err := topicConfigs(ctx, g.adm, g.s.cfg.Topic)
		if err != nil {
			g.s.log.Warn("Cannot read the topic's cleanup.policy; treating the topic as not compacted", "err", err)
		}
		g.compacted = new(strings.Contains(values["cleanup.policy"], "compact"))
	}
	return *g.compacted
}

// The isolation levels of a fetch request.
const readUncommitted, readCommitted = 0, 1

// rawFetch fetches from offset from the partition's leader, without a fetch session.
func rawFetch(ctx context.Context, cl *kgo.Client, leader int32, c storedPosition, offset int64, maxBytes int32, isolation int8) (*kmsg.FetchResponseTopicPartition, error) {
	ctx, cancel := context.WithTimeout(ctx, adminWait)
	defer cancel()
	req := kmsg.NewPtrFetchRequest()
	req.MaxWaitMillis = int32(100 * time.Millisecond / time.Millisecond)
	req.MinBytes, req.MaxBytes = 1, maxBytes
	req.IsolationLevel = isolation
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
		return nil, fmt.Errorf("scan offset %d of %s: %w", offset, c.Partition, err)
	}
	resp := raw.(*kmsg.FetchResponse)
	if err := kerr.ErrorForCode(resp.ErrorCode); err != nil {
		return nil, fmt.Errorf("scan offset %d of %s: %w", offset, c.Partition, err)
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
				return nil, permanent{c.refused(hintGone, "offset %d is deleted, the log begins at %d", offset, rp.LogStartOffset)}
			}
			cl.ForceMetadataRefresh()
			return nil, fmt.Errorf("scan offset %d of %s: %w", offset, c.Partition, err)
		}
	}
	return nil, fmt.Errorf("scan offset %d of %s: the response does not contain the partition", offset, c.Partition)
}
