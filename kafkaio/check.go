package kafkaio

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/sluice-etl/sluice/checkpoint"
)

// claim is what a checkpoint says of a partition, to be held against what Kafka says.
type storedPosition struct {
	checkpoint.Partition
	next        int64
	leaderEpoch int32 // of the record before next, -1 unknown
	topicID     checkpoint.TopicID
}

// refuse is an error that stops the partition until a person acts.
func (c storedPosition) refused(hint, format string, args ...any) error {
	return &checkpoint.Error{
		Class:      checkpoint.ErrRefused,
		Err:        fmt.Errorf("partition %s: %w", c.Partition, fmt.Errorf(format, args...)),
		Hint:       hint,
		Partitions: []checkpoint.Partition{c.Partition},
	}
}

// What an operator can do.
const (
	hintGone    = "if they are lost for good, go on behind them with `etl offsets set`, which counts them as skipped"
	hintCut     = "records that were counted are gone from Kafka, others may stand at their offsets; after finding out why, choose where to go on with `etl offsets set`"
	hintTopic   = "the topic was deleted and made again, or these are other brokers; put the right ones back, or begin a new job"
	hintMissing = "if these records are to be passed over, say so with `etl offsets set`"
	hintBroken  = "Kafka gives out something that cannot be read; look at the broker's disk, or pass over it with `etl offsets set`"
)

// check holds c against Kafka until there is an answer: the topic's id, the log's first offset and end, and the end of
// the leader epoch (P27; KIP-320 says how epochs show that a log was cut back). It returns nil, or an error of class
// ErrRefused, or ctx's. cause is what the fetching client reported; where it is final, it refuses by itself.
func (s *Source) check(ctx context.Context, adm *kadm.Client, c storedPosition, cause error) error {
	if IsDenied(cause) { // it was logged, and needs a person
		if err := pause(ctx, deniedPause); err != nil {
			return err
		}
		cause = nil
	}
	final := cause != nil && finalFetchError(cause)
	short := 0
	log := s.log.With("partition", c.ID, "next", c.next)
	return retry(ctx, log, "Partition cannot be checked or fetched, trying again", &s.dials, func(ctx context.Context) error {
		if err := c.verify(ctx, adm, &short); err != nil {
			return err
		}
		if final {
			return permanent{c.refused(hintBroken, "stopped at offset %d: %w", c.next, cause)}
		}
		if cause != nil { // once more from the same offset, after a pause
			err := cause
			cause = nil
			return err
		}
		return nil
	})
}

// deniedPause is how long a partition rests that Kafka refuses to give out for want of a right.
const deniedPause = time.Second

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// shortTries is how often a log that ends too early, or a topic that is missing, is asked for: just after an election a
// leader may not know its end for a moment, and a broker that has just started not its topics. The pauses add up to 3 s.
const shortTries = 6

func (c storedPosition) verify(ctx context.Context, adm *kadm.Client, short *int) error {
	meta, err := metadata(ctx, adm, c.Topic)
	if err != nil {
		return err
	}
	td := meta.Topics[c.Topic]
	if errors.Is(td.Err, kerr.UnknownTopicOrPartition) {
		err := c.refused(hintTopic, "topic %s does not exist any more", c.Topic)
		if *short++; *short < shortTries {
			return err
		}
		return permanent{err}
	}
	if td.Err != nil {
		return fmt.Errorf("ask for topic %s: %w", c.Topic, td.Err)
	}
	if id, _ := topicID(meta, td); c.topicID != (checkpoint.TopicID{}) && id != c.topicID {
		return permanent{c.refused(hintTopic, "topic id is %s, the checkpoint was made with %s", id, c.topicID)}
	}
	first, err := partitionOffset(adm.ListStartOffsets(ctx, c.Topic))(c)
	if err != nil {
		return err
	}
	if first.Offset > c.next {
		return permanent{c.refused(hintGone, "records %d..%d are gone, the log begins at %d", c.next, first.Offset-1, first.Offset)}
	}
	end, err := partitionOffset(adm.ListEndOffsets(ctx, c.Topic))(c)
	if err != nil {
		return err
	}
	if end.Offset < c.next {
		err := c.refused(hintCut, "the log ends at %d, but everything before %d has been counted: records %d..%d vanished", end.Offset, c.next, end.Offset, c.next-1)
		if *short++; *short < shortTries {
			return err
		}
		return permanent{err}
	}
	if c.leaderEpoch < 0 {
		return nil
	}
	return c.verifyEpoch(ctx, adm)
}

// verifyEpoch wants the stored epoch back, with an end at or past next. A smaller one, or none, says that the log holds no
// record of that epoch: it was cut back and grew again.
func (c storedPosition) verifyEpoch(ctx context.Context, adm *kadm.Client) error {
	var req kadm.OffsetForLeaderEpochRequest
	req.Add(c.Topic, c.ID, c.leaderEpoch)
	resp, err := adm.OffsetForLeaderEpoch(ctx, req)
	if err != nil {
		return fmt.Errorf("ask for the end of leader epoch %d of %s: %w", c.leaderEpoch, c.Partition, err)
	}
	got, ok := resp[c.Topic][c.ID]
	switch {
	case !ok:
		return fmt.Errorf("ask for the end of leader epoch %d of %s: no answer", c.leaderEpoch, c.Partition)
	case errors.Is(got.Err, kerr.UnsupportedVersion):
		return nil // brokers before 0.11 have no epochs
	case got.Err != nil:
		return fmt.Errorf("ask for the end of leader epoch %d of %s: %w", c.leaderEpoch, c.Partition, got.Err)
	case got.LeaderEpoch != c.leaderEpoch:
		return permanent{c.refused(hintCut, "the record before offset %d was read in leader epoch %d, which Kafka does not know any more (it answers %d)", c.next, c.leaderEpoch, got.LeaderEpoch)}
	case got.EndOffset < c.next:
		return permanent{c.refused(hintCut, "leader epoch %d ends at %d, but records up to %d were counted in it: records %d..%d vanished or were replaced", c.leaderEpoch, got.EndOffset, c.next-1, got.EndOffset, c.next-1)}
	}
	return nil
}

// one picks a partition's answer out of a listing.
func partitionOffset(listed kadm.ListedOffsets, err error) func(storedPosition) (kadm.ListedOffset, error) {
	return func(c storedPosition) (kadm.ListedOffset, error) {
		o, ok := listed.Lookup(c.Topic, c.ID)
		switch {
		case ok && o.Err == nil: // another partition's trouble is not ours
			return o, nil
		case ok:
			err = o.Err
		case err == nil:
			err = errors.New("no answer")
		}
		return o, fmt.Errorf("ask for the offsets of %s: %w", c.Partition, err)
	}
}

// finalFetchError reports whether trying the fetch again would give the same, or would move over something. What is
// left is rights that may be granted and brokers in trouble.
func finalFetchError(err error) bool {
	if _, ok := errors.AsType[*kgo.ErrDataLoss](err); ok {
		return true
	}
	if _, ok := errors.AsType[*kerr.Error](err); !ok {
		return true // the client could not read what it got: checksum, length, decompression
	}
	for _, e := range []error{
		kerr.OffsetOutOfRange, kerr.UnknownTopicID, kerr.InconsistentTopicID, kerr.UnknownTopicOrPartition,
		kerr.CorruptMessage, kerr.InvalidRecord, kerr.UnsupportedCompressionType,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
