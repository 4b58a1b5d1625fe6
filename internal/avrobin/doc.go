// Package avrobin reads and writes the parts of Avro's binary encoding (specification, "Binary Encoding") that Flume's
// senders, Spark's sink and Flume's own Kafka records use: longs, bytes, optional values, blocks, events.
//
// Readers take a buffer and an offset. They return the offset after the value, or -1 if the value is incomplete or
// malformed. They allocate nothing: what they return are views of the buffer, whose capacity ends with them. Announced
// numbers are checked against the length of the buffer before they are used. All functions are safe for concurrent use
// on buffers that no goroutine writes to.
package avrobin
