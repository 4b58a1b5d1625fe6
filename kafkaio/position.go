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
	"github.com/sluice-etl/sluice/internal/obs"
)

// storedPosition is a partition's position from a checkpoint, to be compared with the log in Kafka.
type storedPosition struct {
	checkpoint.Partition
	next        int64
	leaderEpoch int32 // of the record before next, -1 unknown
	topicID     checkpoint.TopicID
}

// refused returns an error of class ErrRefused, which stops the partition until an operator acts.
func (c storedPosition) refused(hint, format string, args ...any) error {
	return &checkpoint.Error{
		Class:      checkpoint.ErrRefused,
		Err:        fmt.Errorf("partition %s: %w", c.Partition, fmt.Errorf(format, args...)),
		Hint:       hint,
		Partitions: []checkpoint.Partition{c.Partition},
	}
}

// The hints: what an operator can do.
const (
	hintGone    = "if they cannot be recovered, continue after them with `etl offsets set`, which counts them as skipped"
	hintCut     = "counted records are no longer in Kafka, and other records may have their offsets; find out why, then choose where to continue with `etl offsets set`"
	hintTopic   = "the topic was deleted and recreated, or these are other brokers; restore the right ones, or start a new job"
	hintMissing = "to skip these records, use `etl offsets set`"
	hintBroken  = "Kafka returns data that cannot be read; check the broker's disk, or skip the records with `etl offsets set`"
)

// check compares c with Kafka, retrying until Kafka replies: the topic ID, the log's first offset and end, and the end
// of the leader epoch (P27; KIP-320 describes how epochs show that a log was truncated). It returns nil, an error of
// class ErrRefused, or ctx's error. cause is the error of the fetching client, or nil. A final cause gives ErrRefused
// even if the position is valid.
func (s *Source) check(ctx context.Context, adm *kadm.Client, c storedPosition, cause error) error {
	if IsDenied(cause) { // already logged, and an operator has to grant the right
		if err := pause(ctx, deniedPause); err != nil {
			return err
		}
		cause = nil
	}
	final := cause != nil && finalFetchError(cause)
	short := 0
	log := s.log.With("partition", c.ID, "next", c.next)
	return retry(ctx, log, "Cannot check or fetch the partition; retrying", &s.dials, func(ctx context.Context) error {
		if err := c.verify(ctx, adm, &short); err != nil {
			return err
		}
		if final {
			return permanent{c.refused(hintBroken, "stopped at offset %d: %w", c.next, cause)}
		}
		if cause != nil { // one retry from the same offset, after a pause
			err := cause
			cause = nil
			return err
		}
		return nil
	})
}

// deniedPause is how long to wait before a partition is fetched again that Kafka denied for a missing right.
const deniedPause = time.Second

func pause(ctx context.Context, d time.Duration) error {
	if !obs.Wait(ctx, d) {
		return context.Cause(ctx)
	}
	return nil
}

// shortTries is how many attempts must find the log too short, or the topic missing, before that is final: just after
// an election a leader may not know the end of its log yet, and a broker that has just started may not know its topics.
// The pauses between the attempts add up to 3 s.
const shortTries = 6

func (c storedPosition) verify(ctx context.Context, adm *kadm.Client, short *int) error {
	meta, err := metadata(ctx, adm, c.Topic)
	if err != nil {
		return err
	}
	td := meta.Topics[c.Topic]
	if errors.Is(td.Err, kerr.UnknownTopicOrPartition) {
		err := c.refused(hintTopic, "topic %s no longer exists", c.Topic)
		if *short++; *short < shortTries {
			return err
		}
		return permanent{err}
	}
	if td.Err != nil {
		return fmt.Errorf("read metadata of topic %s: %w", c.Topic, td.Err)
	}
	if id, _ := topicID(meta, td); c.topicID != (checkpoint.TopicID{}) && id != c.topicID {
		return permanent{c.refused(hintTopic, "topic ID is %s, the checkpoint was written for topic ID %s", id, c.topicID)}
	}
	first, err := partitionOffset(adm.ListStartOffsets(ctx, c.Topic))(c)
	if err != nil {
		return err
	}
	if first.Offset > c.next {
		return permanent{c.refused(hintGone, "records %d..%d are deleted, the log begins at %d", c.next, first.Offset-1, first.Offset)}
	}
	end, err := partitionOffset(adm.ListEndOffsets(ctx, c.Topic))(c)
	if err != nil {
		return err
	}
	if end.Offset < c.next {
		err := c.refused(hintCut, "the log ends at %d, but records before %d have been counted: records %d..%d are missing", end.Offset, c.next, end.Offset, c.next-1)
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

// verifyEpoch expects Kafka to return the stored epoch with an end at or after next. A smaller epoch, or none, means
// that the log holds no record of that epoch: it was truncated and grew again.
func (c storedPosition) verifyEpoch(ctx context.Context, adm *kadm.Client) error {
	var req kadm.OffsetForLeaderEpochRequest
	req.Add(c.Topic, c.ID, c.leaderEpoch)
	resp, err := adm.OffsetForLeaderEpoch(ctx, req)
	if err != nil {
		return fmt.Errorf("read the end of leader epoch %d of %s: %w", c.leaderEpoch, c.Partition, err)
	}
	got, ok := resp[c.Topic][c.ID]
	switch {
	case !ok:
		return fmt.Errorf("read the end of leader epoch %d of %s: the response does not contain the partition", c.leaderEpoch, c.Partition)
	case errors.Is(got.Err, kerr.UnsupportedVersion):
		return nil // brokers before 0.11 have no epochs
	case got.Err != nil:
		return fmt.Errorf("read the end of leader epoch %d of %s: %w", c.leaderEpoch, c.Partition, got.Err)
	case got.LeaderEpoch != c.leaderEpoch:
		return permanent{c.refused(hintCut, "the record before offset %d was read in leader epoch %d, which Kafka no longer knows (it returns %d)", c.next, c.leaderEpoch, got.LeaderEpoch)}
	case got.EndOffset < c.next:
		return permanent{c.refused(hintCut, "leader epoch %d ends at %d, but records up to %d were counted in it: records %d..%d are missing or were replaced", c.leaderEpoch, got.EndOffset, c.next-1, got.EndOffset, c.next-1)}
	}
	return nil
}

// partitionOffset selects a partition from a listing of offsets.
func partitionOffset(listed kadm.ListedOffsets, err error) func(storedPosition) (kadm.ListedOffset, error) {
	return func(c storedPosition) (kadm.ListedOffset, error) {
		o, ok := listed.Lookup(c.Topic, c.ID)
		switch {
		case ok && o.Err == nil: // ignore errors of other partitions
			return o, nil
		case ok:
			err = o.Err
		case err == nil:
			err = errors.New("the response does not contain the partition")
		}
		return o, fmt.Errorf("read the offsets of %s: %w", c.Partition, err)
	}
}

// finalFetchError reports whether a retry of the fetch would fail in the same way, or would skip records. Other errors
// are missing rights, which may be granted, and failing brokers, which may recover.
func finalFetchError(err error) bool {
	if _, ok := errors.AsType[*kgo.ErrDataLoss](err); ok {
		return true
	}
	if _, ok := errors.AsType[*kerr.Error](err); !ok {
		return true // the client could not read the response: checksum, length, decompression
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
