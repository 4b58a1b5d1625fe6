package kafkaio

import (
	"errors"
	"sync"
	"time"
	"unsafe"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/checkpoint"
)

// polled processes the result of a poll, partition by partition.
func (f *fetcher) polled(fetches kgo.Fetches) {
	for i := range fetches {
		for j := range fetches[i].Topics {
			t := &fetches[i].Topics[j]
			for k := range t.Partitions {
				f.polledPartition(t, &t.Partitions[k])
			}
		}
	}
}

func (f *fetcher) polledPartition(t *kgo.FetchTopic, fp *kgo.FetchPartition) {
	p := f.partitions[fp.Partition]
	if p == nil || t.Topic != p.Topic || (p.state != fetching && p.state != scanning) {
		f.s.met.stale.Add(float64(len(fp.Records)))
		if p == nil && t.Topic != "" && fp.Err != nil {
			if ok, _ := f.throttle.Allow("topic", time.Now()); ok { // an error of the topic as a whole; the client retries
				f.s.denial.note("fetching topic "+t.Topic, fp.Err)
				f.s.log.Warn("Cannot fetch the topic; retrying", "err", fp.Err)
			}
		}
		return
	}
	if fp.Err != nil {
		if f.s.denial.note("fetching topic "+p.Topic, fp.Err) {
			if ok, _ := f.throttle.Allow("topic", time.Now()); ok {
				f.s.log.Warn("Kafka denies fetching the topic; retrying", "err", fp.Err)
			}
		}
		// The client would continue from another offset, or retry in a loop: remove the partition first, then check why
		// (P27).
		f.removeFromClient(p)
		p.cancelCall()
		f.check(p, fp.Err)
		return
	}
	if len(fp.Records) > 0 {
		f.s.denial.clear()
	}
	p.hasCursor = true
	f.s.lags.end(p.ID, min(fp.LastStableOffset, p.end))
	if id := checkpoint.TopicID(t.TopicID); id != (checkpoint.TopicID{}) && p.topicID != (checkpoint.TopicID{}) && id != p.topicID {
		f.stop(p, p.stored().refused(hintTopic, "fetched records have topic ID %s, the checkpoint was written for topic ID %s", id, p.topicID))
		return
	}
	p.held = append(p.held, *fp)
	if p.state == fetching {
		f.deliver(p)
	}
}

// deliver passes the held records to the engine, up to the first gap that is not explained. A gap is scanned once;
// offsets that the scan leaves unexplained stop the partition.
func (f *fetcher) deliver(p *partition) {
	for len(p.held) > 0 {
		fp := &p.held[0]
		done, err := f.deliverRecords(p, fp.Records)
		if p.next >= p.end {
			f.finish(p)
			return
		}
		fp.Records = fp.Records[done:]
		var gap *gapError
		switch {
		case err == nil:
			if len(fp.Records) == 0 {
				p.held = p.held[1:]
			}
		case errors.As(err, &gap) && gap.Next > p.explainedTo:
			last := fp.Records[len(fp.Records)-1].Offset
			f.scanGap(p, checkpoint.Range{Partition: p.Partition, First: p.next, Next: min(last, p.end)})
			return
		default:
			f.stop(p, err)
			return
		}
	}
	p.held = nil
}

// gapError is a range of missing offsets that nothing explains yet.
type gapError struct{ checkpoint.Range }

func (e *gapError) Error() string { return "offsets " + e.Range.String() + " are missing" }

// deliverRecords passes records to the engine as one batch.Fetched, as far as they are contiguous, of one leader epoch
// and within p's range, and returns how many of them it has processed. Each offset of the Fetched is accounted for: by a record, a
// control record, or a range in p.explained.
func (f *fetcher) deliverRecords(p *partition, records []*kgo.Record) (done int, err error) {
	if len(records) == 0 {
		return 0, nil
	}
	s := f.slabs.take(len(records))
	first, gaps, payload := p.next, int64(0), int64(0)
	for _, r := range records {
		if p.next >= p.end {
			break
		}
		if p.next > first && r.LeaderEpoch > p.leaderEpoch {
			break // one leader epoch in each Fetched, because a batch may end after any of its records
		}
		if err = p.checkNext(r, s); err != nil {
			break
		}
		if r.Offset >= p.end { // the range ends in a gap
			p.next, p.leaderEpoch = p.end, max(p.leaderEpoch, r.LeaderEpoch)
			break
		}
		done++
		p.next, p.leaderEpoch = r.Offset+1, max(p.leaderEpoch, r.LeaderEpoch)
		if r.Attrs.IsControl() {
			s.gap(checkpoint.Range{Partition: p.Partition, First: r.Offset, Next: r.Offset + 1})
			continue
		}
		payload += userBytes(r)
		s.records = append(s.records, batch.Record{
			Offset: r.Offset, Timestamp: millis(r.Timestamp), Key: r.Key, Value: r.Value, Headers: headers(r.Headers),
		})
	}
	for _, g := range s.gaps {
		gaps += g.Len()
	}
	if p.next == first {
		s.release()
		return done, err
	}
	f.s.lags.position(p.ID, p.next)
	f.s.met.records.Add(float64(len(s.records)))
	f.s.met.gaps.Add(float64(gaps))
	f.s.met.bytes.Add(float64(payload))
	f.listener.Fetched(batch.Fetched{
		Range:       checkpoint.Range{Partition: p.Partition, First: first, Next: p.next},
		FetchID:     p.fetchID,
		LeaderEpoch: p.leaderEpoch,
		Records:     s.records,
		Gaps:        s.gaps,
		Bytes:       payload + int64(len(s.records))*recordBytes,
		Release:     s.release,
	})
	return done, err
}

// recordBytes is a record's memory besides its payload: the batch.Record, and the lengths in the decompressed batch,
// which is kept as long as any of its records.
const recordBytes = int64(unsafe.Sizeof(batch.Record{})) + 16

// checkNext returns nil if r is the next record, and adds the part of the explained gap before it that is within p's range.
// Offsets and leader epochs never decrease (P27).
func (p *partition) checkNext(r *kgo.Record, s *slab) error {
	if r.Offset < p.next {
		return p.stored().refused(hintCut, "got offset %d, expected %d: the log was truncated", r.Offset, p.next)
	}
	if r.LeaderEpoch >= 0 && r.LeaderEpoch < p.leaderEpoch {
		return p.stored().refused(hintCut, "the record at offset %d has leader epoch %d after a record of epoch %d: the log was truncated", r.Offset, r.LeaderEpoch, p.leaderEpoch)
	}
	if r.Offset == p.next {
		return nil
	}
	gap := checkpoint.Range{Partition: p.Partition, First: p.next, Next: min(r.Offset, p.end)}
	if !covered(p.explained, gap) {
		if gap.Next <= p.explainedTo {
			return p.stored().refused(hintMissing, "offsets %d..%d hold records that were not delivered, or are missing for an unknown reason", gap.First, gap.Next-1)
		}
		return &gapError{gap}
	}
	s.gap(gap)
	return nil
}

// covered reports whether ranges, in ascending order, together contain every offset of r.
func covered(ranges []checkpoint.Range, r checkpoint.Range) bool {
	at := r.First
	for _, e := range ranges {
		if e.First <= at && e.Next > at {
			at = e.Next
		}
	}
	return at >= r.Next
}

// headers converts the client's headers without copying: both types are a string and a byte slice, in this order.
func headers(hs []kgo.RecordHeader) []batch.Header {
	if len(hs) == 0 {
		return nil
	}
	return unsafe.Slice((*batch.Header)(unsafe.Pointer(unsafe.SliceData(hs))), len(hs)) //nolint:gosec // G103: the declaration below ties the layouts together
}

var _ = batch.Header(kgo.RecordHeader{}) // compiles only while the two have the same fields

// slab is the memory of one Fetched besides the records' bytes. It is reused after Release.
type slab struct {
	records []batch.Record
	gaps    []checkpoint.Range
	release func()
}

// gap adds a gap, merging it with the previous one if they are adjacent.
func (s *slab) gap(r checkpoint.Range) {
	if n := len(s.gaps); n > 0 && s.gaps[n-1].Next == r.First {
		s.gaps[n-1].Next = r.Next
		return
	}
	s.gaps = append(s.gaps, r)
}

type slabs struct{ pool sync.Pool }

func (p *slabs) take(n int) *slab {
	s, _ := p.pool.Get().(*slab)
	if s == nil {
		s = &slab{}
		s.release = func() {
			clear(s.records) // drop the references to the client's memory
			s.records, s.gaps = s.records[:0], s.gaps[:0]
			p.pool.Put(s)
		}
	}
	if cap(s.records) < n {
		s.records = make([]batch.Record, 0, n)
	}
	return s
}
