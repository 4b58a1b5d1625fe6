package kafkaio

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/checkpoint"
)

// reads reports whether a partition is read, see Config.Ranges.
func (s *Source) reads(partition int32) bool {
	return s.cfg.Ranges == nil || int(partition) < len(s.cfg.Ranges)
}

// endOf returns the offset at which the delivery of a partition ends.
func (s *Source) endOf(partition int32) int64 {
	if s.cfg.Ranges == nil {
		return math.MaxInt64
	}
	return s.cfg.Ranges[partition].Next
}

// within limits a topic to Config.Ranges, which are where the job's first claim begins. A topic that was recreated since
// the ranges were found is refused.
func (s *Source) within(t batch.Topic) (batch.Topic, error) {
	if s.cfg.Ranges == nil {
		return t, nil
	}
	if t.ID != s.cfg.TopicID {
		return t, permanent{&checkpoint.Error{
			Class: checkpoint.ErrRefused,
			Err:   fmt.Errorf("topic %s has the ID %v, but the replay began with a topic of that name with the ID %v", t.Name, t.ID, s.cfg.TopicID),
			Hint:  "the topic was recreated, or this is another Kafka cluster; begin another replay",
		}}
	}
	t.Starts = make([]int64, len(s.cfg.Ranges))
	for i, r := range s.cfg.Ranges {
		t.Starts[i] = r.First
	}
	t.Firsts = t.Starts // for a partition that the first claim did not insert, which is none
	return t, nil
}

// FindRanges returns the ranges of a replay, one for each partition of the topic in order of number, and the topic's ID. A
// range begins at the first committed record whose timestamp is at or after from, or at the first record of all if from is
// zero. It ends before the first committed record at or after to, or, if to is zero, at the end of the log for a reader of committed records.
// FindRanges tries once, and changes nothing.
//
// If records of the time from from on may be deleted already, the error is of class ErrRefused. They may if the first
// record of that time is the first that is left of a log that has lost records.
func FindRanges(ctx context.Context, cfg Config, from, to time.Time, log *slog.Logger) (id checkpoint.TopicID, ranges []checkpoint.Range, err error) {
	if err := Reachable(ctx, cfg, log); err != nil {
		return id, nil, err
	}
	d := &dials{}
	cl, err := newRequester(cfg, orDiscard(log), d)
	if err != nil {
		return id, nil, err
	}
	defer cl.Close()
	id, ranges, err = findRanges(ctx, cl, cfg, from, to)
	return id, ranges, d.explain(err)
}

func findRanges(ctx context.Context, cl *kgo.Client, cfg Config, from, to time.Time) (id checkpoint.TopicID, ranges []checkpoint.Range, err error) {
	topic, adm := cfg.Topic, kadm.NewClient(cl)
	meta, err := metadata(ctx, adm, topic)
	if err != nil {
		return id, nil, err
	}
	td, ok := meta.Topics[topic]
	switch {
	case !ok || errors.Is(td.Err, kerr.UnknownTopicOrPartition):
		return id, nil, fmt.Errorf("topic %s does not exist", topic)
	case td.Err != nil:
		return id, nil, fmt.Errorf("read metadata of topic %s: %w", topic, td.Err)
	}
	id, _ = topicID(meta, td)
	// The end of each range is read before its begin, so that no record that arrives in between is in it by accident.
	var firsts, ends kadm.ListedOffsets
	if to.IsZero() {
		ends, err = adm.ListCommittedOffsets(ctx, topic)
	}
	b, err1 := newBoundaries(ctx, cl, cfg, td, id)
	if err = errors.Join(err, err1); err == nil && !to.IsZero() {
		ends, err = b.listAfter(ctx, to)
	}
	if err != nil {
		return id, nil, fmt.Errorf("read the offsets at which the replay ends in topic %s: %w", topic, err)
	}
	if !from.IsZero() {
		if firsts, err = b.listAfter(ctx, from); err != nil {
			return id, nil, fmt.Errorf("read the offsets of %s in topic %s: %w", from, topic, err)
		}
	}
	logs, err := adm.ListStartOffsets(ctx, topic) // last, so that what was deleted meanwhile is noticed
	if err != nil {
		return id, nil, fmt.Errorf("read the first offsets of topic %s: %w", topic, err)
	}
	if from.IsZero() {
		firsts = logs
	}
	lost := lostStarts{}
	for p := range int32(len(td.Partitions)) {
		c := storedPosition{Partition: checkpoint.Partition{Topic: topic, ID: p}}
		start, err1 := partitionOffset(logs, nil)(c)
		first, err2 := partitionOffset(firsts, nil)(c)
		end, err3 := partitionOffset(ends, nil)(c)
		if err := errors.Join(err1, err2, err3); err != nil {
			return id, nil, err
		}
		if !from.IsZero() && start.Offset > 0 && first.Offset <= start.Offset {
			lost.add(c.Partition, first)
			continue
		}
		r := checkpoint.Range{Partition: c.Partition, First: start.Offset, Next: end.Offset}
		if !to.IsZero() {
			if r.Next, err = b.committed(ctx, end, to); err != nil {
				return id, nil, err
			}
		}
		if !from.IsZero() {
			if r.First, err = b.committed(ctx, first, from); err != nil {
				return id, nil, err
			}
		}
		r.First = max(r.First, start.Offset)
		r.Next = max(r.Next, r.First)
		ranges = append(ranges, r)
	}
	return id, ranges, lost.err()
}

// lostStarts are the partitions whose records at the start of a replay may be deleted.
type lostStarts struct {
	partitions []checkpoint.Partition
	from       time.Time // the time of the latest of their first records; zero if one of them has no record
	empty      bool
}

// add adds a partition. first is the first record that is left, whose timestamp is below 0 if there is none.
func (l *lostStarts) add(p checkpoint.Partition, first kadm.ListedOffset) {
	l.partitions = append(l.partitions, p)
	if first.Timestamp < 0 {
		l.empty = true
	} else if at := time.UnixMilli(first.Timestamp).UTC(); at.After(l.from) {
		l.from = at
	}
}

func (l *lostStarts) err() error {
	if l.partitions == nil {
		return nil
	}
	names := make([]string, len(l.partitions))
	for i, p := range l.partitions {
		names[i] = p.String()
	}
	hint := "begin after " + l.from.Format("2006-01-02T15:04:05.000Z07:00") + ", which is the time of the first record that is left, or begin at earliest, with all that Kafka has"
	if l.empty {
		hint = "begin at earliest, with all that Kafka has"
	}
	return &checkpoint.Error{
		Class: checkpoint.ErrRefused, Partitions: l.partitions,
		Err:  fmt.Errorf("records of the time at which the replay begins may be deleted in Kafka, in partitions %s", strings.Join(names, ", ")),
		Hint: hint,
	}
}
