package batch

import "github.com/sluice-etl/sluice/checkpoint"

// Record is one Kafka record. Its slices are views on memory that belongs to the Fetched it came in.
type Record struct {
	Offset    int64
	Timestamp int64  // Kafka's, milliseconds since 1970 UTC; -1 for none, BadTimestamp for what is no time
	Key       []byte // nil is null, which empty is not
	Value     []byte // nil is null (a tombstone), which empty is not
	Headers   []Header
}

// BadTimestamp stands for a timestamp whose number is not known, but known to be no time of the years up to 9999. It is
// itself far out of the range of times, and its products with 1000 are not to be taken.
const BadTimestamp = -1 << 62

// Header is one Kafka record header; names may repeat.
type Header struct {
	Key   string
	Value []byte
}

// Fetched is what one poll brought of one partition, or the word that the partition has stopped.
type Fetched struct {
	// Range is the offsets accounted for: those of Records, and those in Gaps. First is where the one before ended.
	checkpoint.Range
	// Session is the number that the engine gave with the Position that this was fetched under. What comes from an
	// older session is dropped.
	Session uint64
	// LeaderEpoch is that of the last offset in Range and of every record, -1 where the broker gives none: a batch may
	// end behind any of them, and the next claim asks where the epoch ends that is stored with next_offset (P27).
	LeaderEpoch int32
	// Records in ascending order of offset, all within Range.
	Records []Record
	// Gaps are the offsets within Range that hold no record, each seen to hold none (a control record, an aborted
	// transaction's batch, a compacted piece), never computed from what is missing. Ascending, not overlapping.
	Gaps []checkpoint.Range
	// Bytes is about the memory that this holds until Release.
	Bytes int64
	// Release gives the memory back; the engine calls it exactly once, from any goroutine. It is nil where there is
	// nothing to give back.
	Release func()
	// Err, where not nil, says that the partition stopped at Range.First and why: records that Kafka no longer has,
	// a log that was cut back, a topic made anew. Nothing more comes until it is positioned again.
	Err error
}

// DeadLetter is a record that cannot be parsed or evaluated, or whose row MySQL will not take: kept, with the reason.
// It owns its bytes.
type DeadLetter struct {
	checkpoint.Partition
	Offset    int64
	Statement int    // the statement's number from 0; -1 where the record did not parse
	Row       bool   // MySQL refused the row (kind row); else the record itself is at fault (kind record)
	Table     string // the target of the statement, empty where the record did not parse
	Reason    string // the same for all records that fail alike
	Detail    string // what is particular: no text of the record, but MySQL's own text quotes values of the row
	Value     []byte // the record's value, cut to --dead-letter-max-bytes
	Length    int64  // the value's full length
	// Records is how many dead records this one stands for: itself, and those after it in its partition that were not
	// stored because they came faster than Config.DeadLetterRate. A Fold leaves it 0, which is one.
	Records int64
}

// Tally is what became of the records given to a Fold: each record has one fate, so that the four add up to the
// number of records given.
type Tally struct {
	Counted    int64
	Filtered   int64
	Duplicates int64
	Dead       []DeadLetter
}

// RejectedRow is a row that MySQL rejects, found when a batch was committed. It says what becomes of the records that
// make this row, up to and not including Until, when they are folded again: of a Merged row each makes a row of its own,
// so that the next refusal names records; of a row with a Source that one record is a dead letter, and its neighbors are
// counted; else all of them are dead letters.
type RejectedRow struct {
	Table  string // as row.Table.FullName writes it
	Key    []byte // the row's encoded key
	Reason string // the same for all rows that are rejected alike
	Detail string // what is particular, such as the server's own text
	// Until is, for each partition of the batch, the offset at which it ended.
	Until map[checkpoint.Partition]int64
	// Merged says that the row may stand for several records, of which not all need be at fault.
	Merged bool
	// Source is the one record that made the row, nil where that is not known.
	Source *RecordID
	// Version is that of the table that rejected the row (row.Table.Version).
	Version int
}

// RecordID is where a record stands in Kafka.
type RecordID struct {
	checkpoint.Partition
	Offset int64
}
