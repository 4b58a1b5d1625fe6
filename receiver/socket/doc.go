// Package socket reads lines from servers that it connects to, as Spark's socketTextStream does. A line ends with \n,
// \r or \r\n, and the last one also with the connection. Each line is an event without headers. Bytes stay as they are,
// whereas Spark replaced what is not UTF-8 by U+FFFD.
//
// Such a server does not keep what it has sent. So lines that were read are held until Kafka acknowledges them, and
// nothing more is read from that connection meanwhile; TCP flow control stops the server. These are the steps for each
// read, and what a crash between two of them means:
//
//  1. The Appender is ready (P23). The bytes of one read, up to 64 KiB, are split into lines. A crash: they are lost,
//     as is whatever the server's kernel had sent.
//  2. Append gives them to Kafka and waits for the acknowledgement, without an ack-timeout, because no client waits for
//     a reply. A crash: they are lost, or in Kafka.
//  3. Kafka has acknowledged every line, and more is read. If Append failed, it is called again with the same lines
//     until it succeeds. An error after some of them were handed to Kafka can leave duplicates, which are counted as
//     unanswered events.
//
// Nothing is retried before Kafka has acknowledged or failed every record, so an outage of any length causes no
// duplicates by itself.
//
// A stop (P33) reads nothing more, and waits ShutdownTimeout for the lines that were read. What Kafka has not
// acknowledged by then is logged and counted in etl_socket_lost_events_total. So is an unterminated line, and a line
// longer than Config.MaxLineBytes, which is skipped up to its end while the connection stays.
package socket
