// Package netserver is the TCP server that receivers share: what is the same for Avro, Thrift, HTTP, syslog and lines
// of text. It also holds what receivers that connect share: [Reconnect] and [WithGracePeriod].
//
// A [Server] accepts connections within limits, overall and for each address, and within --ip-filter. A [Conn] is one
// connection with its layers removed: TLS and zlib are recognized by their first bytes, layer by layer, so that one
// port accepts both plain and wrapped connections. The receiver supplies a function that reads requests from a Conn.
// These are the steps of a [Request], and what a crash between two of them means:
//
//  1. [Conn.WaitReady] waits until the Appender is ready (P23). Then the receiver reads the request's first byte,
//     however long that takes, because a connected but silent sender is normal. From the first byte the request has
//     ack-timeout to be read, produced and acknowledged.
//  2. [Conn.Begin] charges its memory. The receiver reads the request into the [receiver.Frame] and finds its events.
//     Up to here a crash loses nothing, because the sender has no reply.
//  3. [Request.Append] drops the request if the sender closed the connection or the deadline has passed (P23), and
//     otherwise passes it to the Appender. A crash from here on may leave records in Kafka that the sender will resend.
//  4. Once Kafka has acknowledged every event, the receiver writes the reply. A crash before the sender reads it means
//     duplicates, never loss. A request that is not acknowledged in time never gets an OK: its events count as
//     unanswered.
//  5. [Request.End] counts the outcome, logs it, and closes the connection of a failed request if the protocol has no
//     reply for errors.
//
// [Policy] describes what differs for senders that never resend. Run stops as P33 requires. The package knows neither
// Kafka nor the format of a request.
package netserver
