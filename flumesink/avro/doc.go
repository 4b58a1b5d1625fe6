// Package avro receives Flume's Avro RPC: its [Receiver] is what Flume's Avro sinks push events to. The client is
// flumeclient/avro.
//
// A connection carries NettyDataPack frames: a serial, a number of buffers, and the buffers, whose boundaries mean
// nothing. A frame's message is a request of Avro's IPC (specification, "Protocol Wire Format"): the handshake, until
// one was answered BOTH or CLIENT on this connection; call metadata; a message name; arguments. The protocol is Flume's
// flume.avdl: append and appendBatch, each answered with a Status.
//
// The way of a frame, and what a death between two steps means:
//
//  1. The receiver waits until the Appender is ready, and then for the frame's first byte. From here the frame has
//     ack-timeout to be read, produced and acknowledged.
//  2. It is read into one contiguous buffer that grows with the bytes that arrive, each growth paid out of the bytes in
//     flight ([receiver.Admission]).
//  3. Its events are found: views on the buffer, no copies. Up to here nothing was done; a death loses nothing, since
//     the sender has no answer.
//  4. Append gives them to Kafka. The buffer belongs to the Appender until it calls Release. A death from here on may
//     leave records in Kafka that the sender will send again.
//  5. When Kafka has acknowledged every event the answer OK is written. A death before the sender reads it means
//     duplicates, never loss.
//
// What is not acknowledged in time is never answered: the connection is closed and its events are counted as
// unanswered. FAILED is never sent, as it costs a Flume sink a reconnect and five seconds.
//
// Nothing here knows Kafka, TLS or compression.
package avro
