// Package http is Flume's HTTP source with its JSONHandler: events arrive as a JSON array in the body of a POST request
// to any path.
//
//	[{"headers": {"host": "a"}, "body": "text"}, {"body": "no headers"}]
//
// One HTTP request is one request to the Appender, which takes all of its events or none:
//
//  1. net/http reads the request's head. From its first byte the request has ack-timeout.
//  2. The body is read into a [receiver.Frame], which is charged to the bytes in flight as the body arrives. The events
//     are views of it: escapes are decoded in place, so decoding takes no memory but the slots of events and headers.
//  3. The Appender gets it (P29). Up to here a crash loses nothing, because the sender has no reply. A crash from here
//     on may leave records in Kafka that the sender resends.
//  4. The reply 200, without a body, is written once Kafka has acknowledged every event; 503 with Retry-After if it did
//     not within ack-timeout.
//
// Other replies: 400 for a body that is not such an array, with the position; 405 for a method that is neither POST nor
// GET, which Flume treats as POST; 408 for a body that did not arrive in time; 413 for an exceeded limit, with its
// option; 415 for a Content-Encoding, which Flume does not support either; 500 for a charset that is not UTF-8, UTF-16
// or UTF-32.
//
// As in Flume, and in Gson, with which Flume reads JSON: headers and body may be missing or null, a number or a boolean
// stands for its text, other members are ignored, a header that occurs twice is rejected, control characters may occur
// in strings, strings may be in single quotes, a byte order mark is skipped, and only the charset of a Content-Type
// matters. Unlike in Flume: what else Gson accepts (comments, names without quotes, '=' and ';') is rejected with 400,
// as are an empty body, null, and an event that is null, for which Flume replies 500; and bodies are UTF-8 in Kafka,
// whatever charset they arrived in. Bytes in strings that are not UTF-8 are kept.
//
// Connections are those of receiver/netserver: its limits, --ip-filter, TLS and stopping (P33). Source: Flume's
// HTTPSource.java and JSONHandler.java.
package http
