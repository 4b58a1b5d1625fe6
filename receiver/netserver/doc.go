// Package netserver is the TCP server that receivers share: what is the same for Avro, Thrift, syslog and lines of text;
// and what sources that connect share: [Reconnect] and [WithGracePeriod].
//
// A [Server] accepts connections within limits, overall and for each address, and within --ip-filter. A [Conn] is one
// of them with its layers taken off: TLS and zlib are told apart by first bytes, layer by layer, so that one port takes
// plain connections and wrapped ones. The receiver gives a function that reads requests from a Conn and hands each to
// [Conn.Append], which knows the promise:
//
//  1. [Conn.Next] waits until the Appender is ready (P23), and then for the request's first byte, for as long as that
//     takes: a connected but silent sender is normal. From the first byte the request has ack-timeout to be read,
//     produced and acknowledged.
//  2. The receiver reads it into the [receiver.Frame] that Next returned, and finds its events. Up to here nothing was
//     done; a death loses nothing, since the sender has no answer.
//  3. Append drops it where the sender has gone or its time is over (P23), else gives it to the Appender. A death from
//     here on may leave records in Kafka that the sender will send again.
//  4. When Kafka has acknowledged every event, the answer is written. A death before the sender reads it means
//     duplicates, never loss. What is not acknowledged in time is never answered: the connection is closed and its
//     events are counted as unanswered.
//
// Run stops as P33 says. Nothing here knows Kafka, or what a request looks like.
package netserver
