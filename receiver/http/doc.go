// Package http is Flume's HTTP source with its JSONHandler: events come in as a JSON array in the body of a POST
// request to any path.
//
//	[{"headers": {"host": "a"}, "body": "text"}, {"body": "no headers"}]
//
// One request is one [receiver.Request], all of it or nothing:
//
//  1. net/http reads the request's head. From its first byte the request has ack-timeout.
//  2. The body is read into a [receiver.Frame], paid out of the bytes in flight as it arrives. The events are views on
//     it: what is escaped is unescaped in place, so that decoding takes no memory but the slots of events and headers.
//  3. The Appender has it (P29). A death up to here lost nothing, since the sender has no answer; from here on it may
//     leave records in Kafka that the sender sends again.
//  4. 200, without a body, is written when Kafka has acknowledged every event; 503 with Retry-After where it did not
//     within ack-timeout.
//
// 400 is a body that is not such an array and says where; 405 a method that is neither POST nor GET, which Flume takes
// for POST; 408 a body that did not arrive in time; 413 a limit and its option; 415 a Content-Encoding, which Flume
// knows none of either; 500 a charset that is not UTF-8, UTF-16 or UTF-32.
//
// As Flume (and Gson, which it reads JSON with) does: headers and body may be missing or null, a number or a boolean
// stands for its text, other members are ignored, a header that is there twice is rejected, control characters may stand
// in strings, strings may stand in single quotes, a byte order mark is passed over, and of a Content-Type only the
// charset matters. Unlike it: what else Gson forgives (comments, names without quotes, '=' and ';') is refused with 400,
// as are an empty body, null, and an event that is null, which make 500 there; and bodies are UTF-8 in Kafka whatever
// charset they came in. Bytes in strings that are not UTF-8 are kept.
//
// Connections are receiver/netserver's: its limits, --ip-filter, TLS and way to stop (P33). Source: Flume's
// HTTPSource.java and JSONHandler.java.
package http
