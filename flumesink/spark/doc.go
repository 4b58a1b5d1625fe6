// Package spark polls SparkSinks: the Flume sink of Spark Streaming (org.apache.spark.streaming.flume.sink), to which
// Spark's receiver connects. The [Poller] does what that receiver did, so that the agent's configuration stays as it
// is.
//
// A call of getEventBatch(n) opens a transaction in the sink, takes up to n events of its channel, and is answered with
// them; where the channel is empty the sink does not answer until something comes, and there is no way to take the call
// back. The transaction is committed by ack(sequenceNumber), and rolled back by nack or after the sink's timeout. What
// happens on one connection, and what a death between two steps means:
//
//  1. The Appender is ready (P23). getEventBatch is sent. A death leaves a transaction that nobody ends: the sink takes
//     the next events into it, holds them for its timeout (60 s by default), and gives them back. Nothing is lost.
//  2. The answer's first byte arrives; from here the batch has ack-timeout. It is read into one frame, paid out of the
//     bytes in flight as it arrives, and its events are found. A death: as above, with these events.
//  3. Append gives them to Kafka. A death from here on may leave records in Kafka that come again: copies.
//  4. Kafka has acknowledged every event: ack is sent. Else nack, and they come again.
//  5. The sink's answer to ack is no receipt: it may have rolled back before, and commits after it answered. So an
//     event may come twice, and none is lost.
//
// There is one call under way on a connection, ever: up to Flume 1.9 the sink's handler runs on the thread that reads,
// so that a second call would wait behind the first, and an ack behind a blocked getEventBatch for ever. For the same
// reason nothing is read with a deadline while the sink is idle: each reconnect leaves a transaction behind.
//
// The protocol is Spark's sparkflume.avdl over Avro's RPC ([avrorpc]); it knows no TLS, no compression and no login.
package spark
