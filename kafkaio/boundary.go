package kafkaio

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/sluice-etl/sluice/checkpoint"
)

// boundaries turns a time into an offset of each partition of a topic: that of the first committed record whose timestamp
// is at or after the time, or, where there is none, the end that the log had at first. So records that arrive meanwhile
// move no boundary beyond another record.
type boundaries struct {
	cl      *kgo.Client
	cfg     Config
	topic   kadm.TopicDetail
	id      checkpoint.TopicID
	present kadm.ListedOffsets // the ends of the log, read before all others
}

func newBoundaries(ctx context.Context, cl *kgo.Client, cfg Config, td kadm.TopicDetail, id checkpoint.TopicID) (*boundaries, error) {
	present, err := kadm.NewClient(cl).ListEndOffsets(ctx, cfg.Topic)
	if err != nil {
		return nil, err
	}
	return &boundaries{cl: cl, cfg: cfg, topic: td, id: id, present: present}, nil
}

// listAfter returns the offset of the first entry of each partition that is at or after a time: a record, a record of a
// transaction that is aborted or open, or the marker of a transaction, which has the time of the broker. Where there is
// none, it is the end in present, with a timestamp below 0: the client asks for the end in a second request, and would
// miss a record that arrives in between.
func (b *boundaries) listAfter(ctx context.Context, at time.Time) (kadm.ListedOffsets, error) {
	listed, err := kadm.NewClient(b.cl).ListOffsetsAfterMilli(ctx, at.UnixMilli(), b.cfg.Topic)
	if err != nil {
		return nil, err
	}
	for p, o := range listed[b.cfg.Topic] {
		if end, ok := b.present.Lookup(b.cfg.Topic, p); ok && o.Err == nil && o.Timestamp < 0 {
			o.Offset, o.Err = end.Offset, end.Err
			listed[b.cfg.Topic][p] = o
		}
	}
	return listed, nil
}

// firstPage is how many bytes to fetch at first: mostly, what is listed is a committed record.
const firstPage = 64 << 10

// committed returns the offset of the first committed record at or after a time, from what listAfter returned on. From an
// open transaction on, it is the first record whether it is committed or not, because that is not decided yet.
func (b *boundaries) committed(ctx context.Context, listed kadm.ListedOffset, at time.Time) (int64, error) {
	end, err := partitionOffset(b.present, nil)(storedPosition{Partition: checkpoint.Partition{Topic: listed.Topic, ID: listed.Partition}})
	if err != nil || listed.Timestamp < 0 {
		return listed.Offset, err
	}
	c := storedPosition{Partition: checkpoint.Partition{Topic: listed.Topic, ID: listed.Partition}, topicID: b.id}
	isolation, size := int8(readCommitted), min(firstPage, b.cfg.FetchMaxPartitionBytes)
	opts := kgo.ProcessFetchPartitionOpts{Offset: listed.Offset, IsolationLevel: kgo.ReadCommitted(), Topic: c.Topic, Partition: c.ID}
	for opts.Offset < end.Offset {
		page, err := rawFetch(ctx, b.cl, b.topic.Partitions[c.ID].Leader, c, opts.Offset, size, isolation)
		if err != nil {
			return 0, err
		}
		fetched, next := kgo.ProcessFetchPartition(opts, page, kgo.DefaultDecompressor(), nil)
		for _, r := range fetched.Records {
			if r.Timestamp.UnixMilli() >= at.UnixMilli() {
				return min(r.Offset, end.Offset), nil
			}
		}
		switch {
		case fetched.Err != nil:
			return 0, fmt.Errorf("read %s from offset %d on: %w", c.Partition, opts.Offset, fetched.Err)
		case next > opts.Offset:
			opts.Offset, size = next, b.cfg.FetchMaxPartitionBytes
		case isolation == readCommitted && page.LastStableOffset <= opts.Offset:
			isolation, opts.IsolationLevel = readUncommitted, kgo.ReadUncommitted()
		default:
			return 0, fmt.Errorf("read %s from offset %d on: the response holds no complete batch (%d bytes, last stable offset %d)", c.Partition, opts.Offset, len(page.RecordBatches), page.LastStableOffset)
		}
	}
	return end.Offset, nil
}
