// Package socket reads lines from servers that it connects to, as Spark's socketTextStream does. A line ends with \n, \r
// or \r\n, the last one also with the connection; each is an event without headers. Bytes stay as they are: Spark put
// U+FFFD where they were no UTF-8.
//
// Such a server forgets what it has sent. So lines that were read are held until Kafka takes them, and nothing more is
// read from that connection meanwhile; TCP holds the server back. What happens to each batch, and what a death between
// two steps means:
//
//  1. The Appender is ready (P23). What one read brings, up to 64 KiB, is cut into lines. A death: they are lost, as is
//     whatever the server's kernel had sent.
//  2. Append gives them to Kafka and waits for its word, without an ack-timeout: nobody waits for an answer. A death:
//     they are lost, or in Kafka.
//  3. Kafka has acknowledged every line, and more is read. Where it was not given them, or refused them, Append is called
//     again with the same lines until it takes them. A refusal after they were given to Kafka may leave some of them
//     there: copies, counted as unanswered events.
//
// Reading again does not come before Kafka's last word, so an outage of any length makes no copies by itself.
//
// A stop (P33) reads nothing more, and waits for the lines that were read for ShutdownTimeout. What Kafka has not
// acknowledged by then is logged and counted in etl_socket_lost_events_total, as is a line whose end had not come, and
// a line that is longer than Config.MaxLineBytes: up to its end it is left out, and the connection stays.
package socket
