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

// Range is the offsets [First, Next) of one partition. If First == Next it is empty.
type Range struct {
	Partition
	First int64
	Next  int64
}

// Len returns the number of offsets in the range, whether or not each holds a record.
func (r Range) Len() int64 { return r.Next - r.First }

// String writes the range as logs/3 [100,250).
func (r Range) String() string { return fmt.Sprintf("%s [%d,%d)", r.Partition, r.First, r.Next) }

// TopicID is Kafka's ID of a topic (KIP-516): a topic that is deleted and recreated has another one. If the brokers
// have no topic IDs it is derived from the cluster's ID.
type TopicID [16]byte

// String writes the id in hexadecimal.
func (t TopicID) String() string { return hex.EncodeToString(t[:]) }

// Epoch is the fencing number of a partition; each claim raises it by one. It is unrelated to Kafka's leader epoch and
// group generation. Zero means never claimed.
type Epoch int64

// Owner is a random token that each claim transaction generates, so that two claims differ even if a database that was
// restored to an older state gives both the same epoch. The zero Owner means that no process has claimed the partition.
type Owner [16]byte

// String writes the owner in hexadecimal.
func (o Owner) String() string { return hex.EncodeToString(o[:]) }

// BatchID is random, generated once for each task batch. A checkpoint that has it proves that the COMMIT was applied.
type BatchID [16]byte

// String writes the batch id in hexadecimal.
func (b BatchID) String() string { return hex.EncodeToString(b[:]) }

// Checkpoint is the durable position of one partition: its row of etl_checkpoint.
type Checkpoint struct {
	// Range is [first_offset, next_offset): First is where the job started, Next is the offset to read next.
	Range
	TopicID TopicID
	// LeaderEpoch is that of the last offset before Next, or -1 if that is not known.
	LeaderEpoch int32
	Epoch       Epoch
	Owner       Owner
	Batch       BatchID
	Audit       Audit
}

// Audit is the fates of the offsets of a range. Each offset is in exactly one of the counters.
type Audit struct {
	Counted    int64 // records that made a row or were added to one, by at least one statement
	Filtered   int64 // records that no statement selected
	Dead       int64 // records that cannot be counted: dead letters
	Gaps       int64 // offsets that hold no record: control records, aborted transactions, compaction
	Duplicates int64 // records whose event ID was seen before within the window
	Skipped    int64 // offsets that an operator skipped
}

// Total returns the number of offsets that the audit accounts for.
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
