// Package spark polls SparkSinks: the Flume sink of Spark Streaming (org.apache.spark.streaming.flume.sink), to which
// Spark's receiver connects. The [Poller] replaces that receiver, so that the agent's configuration does not change.
//
// A call of getEventBatch(n) opens a transaction in the sink, takes up to n events from its channel, and returns them.
// If the channel is empty, the sink does not reply until events arrive, and the call cannot be cancelled. The
// transaction is committed by ack(sequenceNumber), and rolled back by nack or after the sink's timeout. These are the
// steps on one connection, and what a crash between two of them means:
//
//  1. The Appender is ready (P23). getEventBatch is sent. A crash leaves an open transaction: the sink takes the next
//     events into it, holds them for its timeout (60 s by default), and then offers them again. Nothing is lost.
//  2. The reply's first byte arrives; from then on the batch has ack-timeout. It is read into one frame, which is
//     charged to the bytes in flight as it arrives, and its events are decoded. A crash: as above, with these events.
//  3. Append gives them to Kafka. A crash from here on may leave records in Kafka that are offered again: duplicates.
//  4. If Kafka has acknowledged every event, ack is sent, otherwise nack, and the sink offers them again.
//  5. The sink's reply to ack is not a confirmation: the sink may have rolled back before it, and it commits after it.
//     So events may be duplicated, and none is lost.
//
// Only one call is ever in flight on a connection. Up to Flume 1.9 the sink's handler runs on the thread that reads, so
// a second call would wait behind the first, and an ack would wait behind a blocked getEventBatch without limit. For
// the same reason reads have no deadline while the sink is idle: each reconnect would leave an open transaction behind.
//
// The protocol is Spark's sparkflume.avdl over Avro's RPC ([avrorpc]). It has no TLS, no compression and no
// authentication.
package spark
