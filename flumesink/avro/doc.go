// Package avro receives Flume's Avro RPC: its [Receiver] is what Flume's Avro sinks push events to. The client is
// flumeclient/avro.
//
// A connection carries NettyDataPack frames: a serial, a number of buffers, and the buffers, whose boundaries have no
// meaning. A frame's message is a request of Avro's IPC (specification, "Protocol Wire Format"): the handshake, until
// one was answered BOTH or CLIENT on this connection; call metadata; a message name; arguments. The protocol is Flume's
// flume.avdl: append and appendBatch, each with a Status as its reply.
//
// A frame takes these steps, and this is what a crash between two of them means:
//
//  1. The receiver waits until the Appender is ready, and then for the frame's first byte. From then on the frame has
//     ack-timeout to be read, produced and acknowledged.
//  2. It is read into one contiguous buffer that grows with the bytes that arrive. Each growth is charged to the bytes
//     in flight ([receiver.Admission]).
//  3. Its events are decoded as views of the buffer, without copies. Up to here a crash loses nothing, because the
//     sender has no reply.
//  4. Append gives the events to Kafka. The buffer belongs to the Appender until it calls Release. A crash from here on
//     may leave records in Kafka that the sender will resend.
//  5. Once Kafka has acknowledged every event, the reply OK is written. A crash before the sender reads it means
//     duplicates, never loss.
//
// A request that is not acknowledged in time gets no reply: the connection is closed and its events count as
// unanswered. FAILED is never sent, because it costs a Flume sink a reconnect and five seconds.
//
// Nothing here knows Kafka, TLS or compression.
package avro
