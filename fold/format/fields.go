package format

import "github.com/sluice-etl/sluice/fold/value"

// Fields holds the fields of one row of a record, and what reading them needs. One belongs to each fold. It is unsafe
// for concurrent use.
type Fields struct {
	value.Fault
	Values []value.Value // by slot, as the format's columns have them
	Times  value.LogTimes

	// KafkaTime is the record's timestamp in Kafka, in milliseconds since 1970, or -1 if it has none. Times that are
	// written without a year are of the year that it suggests.
	KafkaTime int64

	// Text holds texts that parsers and functions make of the record. They append to it, and it is emptied before each
	// record.
	Text []byte

	written  []writtenAvro // columns of JSON of the body that is read, whose types are not those of the format
	avro     []avroText    // columns of the body that is read, as far as they were written as JSON
	mismatch mismatch      // of the body that was read last
	member   int           // of a list of formats: the index of the one that reads the body
}
