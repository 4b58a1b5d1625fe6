package batch

import "github.com/sluice-etl/sluice/checkpoint"

// Record is one Kafka record. Its slices are views of the memory of its Fetched, and are valid until its Release.
type Record struct {
	Offset    int64
	Timestamp int64  // Kafka's, milliseconds since 1970 UTC; -1 for none, or BadTimestamp
	Key       []byte // nil is null, which differs from empty
	Value     []byte // nil is null (a tombstone), which differs from empty
	Headers   []Header
}

// BadTimestamp replaces a timestamp that is not a time of the years up to 9999. It is itself far outside that range.
// Multiplying it by 1000 overflows.
const BadTimestamp = -1 << 62

// Header is one Kafka record header; names may repeat.
type Header struct {
	Key   string
	Value []byte
}

// Fetched is one poll's result for one partition, or a terminal error for it.
type Fetched struct {
	// Range is the offsets accounted for: those of Records, and those in Gaps. First is where the previous Fetched ended.
	checkpoint.Range
	// FetchID is that of the Position under which this was fetched. The engine drops what has an older one.
	FetchID uint64
	// LeaderEpoch is that of the last offset in Range and of every record, -1 if the broker reports none. A batch may end
	// after any of them, and the next claim compares the end of the epoch that is stored with next_offset (P27).
	LeaderEpoch int32
	// Records in ascending order of offset, all within Range.
	Records []Record
	// Gaps are the offsets within Range that were seen to hold no record (a control record, an aborted transaction's
	// batch, a compacted range). They are never computed from what is missing. Ascending, not overlapping.
	Gaps []checkpoint.Range
	// Bytes is about the memory that this occupies until Release.
	Bytes int64
	// Release frees the memory; the engine calls it exactly once, from any goroutine. It may be nil.
	Release func()
	// Err, if not nil, is why the source stopped the partition at Range.First: records that Kafka no longer has, a
	// truncated log, a recreated topic. Nothing more is delivered until the partition is positioned again.
	Err error
}

// DeadLetter is a record that cannot be parsed or evaluated, or whose row MySQL rejects, with the reason. It owns its
// bytes.
type DeadLetter struct {
	checkpoint.Partition
	Offset    int64
	Statement int    // the statement's number from 0; -1 if the record did not parse
	Row       bool   // MySQL rejected the row (kind row); else the record itself is at fault (kind record)
	Table     string // the target of the statement, empty if the record did not parse
	Reason    string // the same for all records that fail alike
	Detail    string // what is particular to this one. It has no text of the record, but MySQL's own text quotes row values
	Value     []byte // the record's value, cut to --dead-letter-max-bytes
	Length    int64  // the value's full length in bytes
	// Records is how many dead records this one represents: itself, and those after it in its partition that were not
	// stored because they exceeded Config.DeadLetterRate. A Fold leaves it 0, which means one.
	Records int64
}

// Tally is the fates of the records passed to a Fold. Each record has one, so the four add up to the number of records.
type Tally struct {
	Counted    int64
	Filtered   int64
	Duplicates int64
	Dead       []DeadLetter
}

// RejectedRow is a row that MySQL rejected when a batch was committed. It decides the fate of the records that make
// this row, up to and not including Until, when they are folded again:
//
//   - If the row was Merged, each of its records makes a row of its own, so that the next rejection identifies records.
//   - If its Source is known, that record becomes a dead letter, and its neighbors are counted.
//   - Otherwise all of them become dead letters.
type RejectedRow struct {
	Table  string // as row.Table.FullName writes it
	Key    []byte // the row's encoded key
	Reason string // the same for all rows that were rejected alike
	Detail string // what is particular to this one, such as the server's own text
	// Until is the offset at which the batch ended, for each of its partitions.
	Until map[checkpoint.Partition]int64
	// Merged means that the row may represent several records, not all of which need be at fault.
	Merged bool
	// Source is the one record that made the row, nil if that is not known.
	Source *RecordID
	// Version is that of the table that rejected the row (row.Table.Version).
	Version int
}

// RecordID is the position of a record in Kafka.
type RecordID struct {
	checkpoint.Partition
	Offset int64
}
