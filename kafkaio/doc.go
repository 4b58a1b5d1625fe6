// Package kafkaio produces to Kafka and consumes from it. franz-go's types do not leave this package.
//
// The [Producer] writes events durably: one shared idempotent client with acks=all, whose records are never cancelled.
// While a record of an unanswered request has not been acknowledged or failed, the producer accepts no new request
// (P23). A record's size is checked before it is produced. A batch that Kafka rejects for its content is produced again
// record by record, and only a record that is rejected alone goes to <topic>.dlq (P24).
//
// The [Source] implements batch.Source with two clients. The group client provides membership only: it never has a
// fetch position, so nothing it does can move an offset, and its callbacks only forward (P6). The fetch client reads
// the partitions that the engine positions, each from the offset and with the fetch ID of that position:
//
//	assigned ──▶ claimed in MySQL ──▶ Position(Fetch) ──▶ topic ID, log start, leader epoch's end verified ──▶ fetched
//
// Every delivered offset is accounted for (P27): it holds a record, a control record, or nothing because its batch
// belongs to an aborted transaction or was compacted away, which a raw fetch shows. Anything else stops the partition
// with the exact offsets. The source never skips to another offset on its own.
//
// Topics are created at start only (P26). The package does not depend on MySQL, batches or queries.
//
// Sources: KIP-98 (idempotence and transactions), KIP-320 (leader epochs), KIP-429 (cooperative rebalancing), KIP-516
// (topic IDs), Kafka's message format (kafka.apache.org/documentation, "Record Batch").
package kafkaio
