package checkpoint

import (
	"encoding/hex"
	"fmt"
)

// Partition names one partition of one topic, in Kafka's own numbering.
type Partition struct {
	Topic string
	ID    int32
}

// String writes the partition as logs/3.
func (p Partition) String() string { return fmt.Sprintf("%s/%d", p.Topic, p.ID) }

// Less orders partitions by topic and then by number: the order in which rows of etl_checkpoint are locked.
func (p Partition) Less(q Partition) bool {
	if p.Topic != q.Topic {
		return p.Topic < q.Topic
	}
	return p.ID < q.ID
}

// Range is the half-open piece [First, Next) of one partition. First == Next is an empty range.
type Range struct {
	Partition
	First int64
	Next  int64
}

// Len is the number of offsets in the range, whether or not a record stands at each.
func (r Range) Len() int64 { return r.Next - r.First }

// String writes the range as logs/3 [100,250).
func (r Range) String() string { return fmt.Sprintf("%s [%d,%d)", r.Partition, r.First, r.Next) }

// TopicID is Kafka's identity of a topic (KIP-516): a topic that is deleted and made again has another one. Where
// brokers have no topic ids it is made from the cluster's id.
type TopicID [16]byte

// String writes the id in hexadecimal.
func (t TopicID) String() string { return hex.EncodeToString(t[:]) }

// Epoch is the fencing number of a partition; it grows by one each time the partition is claimed. It has nothing to
// do with Kafka's leader epoch or group generation. Zero means never claimed.
type Epoch int64

// Owner is random and made new by every claim transaction, so that a database put back to an older state cannot make
// two epochs look alike. The zero Owner means nobody.
type Owner [16]byte

// String writes the owner in hexadecimal.
func (o Owner) String() string { return hex.EncodeToString(o[:]) }

// BatchID is random and made once per batch; it answers "was my COMMIT carried out?".
type BatchID [16]byte

// String writes the batch id in hexadecimal.
func (b BatchID) String() string { return hex.EncodeToString(b[:]) }

// Checkpoint is the durable statement about one partition, as it stands in etl_checkpoint.
type Checkpoint struct {
	// Range is [first_offset, next_offset): First is where the job began, Next is the offset to read next.
	Range
	TopicID TopicID
	// LeaderEpoch is the leader epoch of the last record counted, or -1 where no record has been counted yet.
	LeaderEpoch int32
	Epoch       Epoch
	Owner       Owner
	Batch       BatchID
	Audit       Audit
}

// Audit says what became of the offsets of a range. Each offset is in exactly one of the counters.
type Audit struct {
	Counted    int64 // records of which a statement made a row or added to one
	Filtered   int64 // records that no statement took
	Dead       int64 // records kept aside as dead letters
	Gaps       int64 // offsets that hold no record: control records, aborted transactions, compaction
	Duplicates int64 // records whose id was seen before within the window
	Skipped    int64 // offsets that a person passed over
}

// Total is the number of offsets that the audit accounts for.
func (a Audit) Total() int64 {
	return a.Counted + a.Filtered + a.Dead + a.Gaps + a.Duplicates + a.Skipped
}

// Plus adds two audits.
func (a Audit) Plus(b Audit) Audit {
	return Audit{
		Counted:    a.Counted + b.Counted,
		Filtered:   a.Filtered + b.Filtered,
		Dead:       a.Dead + b.Dead,
		Gaps:       a.Gaps + b.Gaps,
		Duplicates: a.Duplicates + b.Duplicates,
		Skipped:    a.Skipped + b.Skipped,
	}
}

// Balances reports whether the audit accounts for every offset of the checkpoint's range.
func (c Checkpoint) Balances() bool { return c.Audit.Total() == c.Len() }
