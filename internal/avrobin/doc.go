// Package avrobin reads and writes Avro's binary encoding (specification, "Binary Encoding") as far as Flume's senders,
// Spark's sink and Flume's own Kafka records use it: longs, bytes, optional values, blocks, events.
//
// Readers take a buffer and an offset, and return the offset after what they read, or -1 where the buffer ends within
// it or it is malformed; they allocate nothing, and what they return are views on the buffer, whose capacity ends with
// them. Numbers that the buffer announces are held against its length before they are believed. All functions are safe
// for concurrent use on buffers that nobody writes to.
package avrobin
