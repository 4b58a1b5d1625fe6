// Package kafkaio is the way into Kafka and out of it; franz-go's types stop here.
//
// The [Producer] makes events safe: one shared idempotent client with acks=all, whose records are never cancelled.
// While a record of a request that went unanswered has no final word from Kafka, it takes nothing more (P23). A record
// is judged by its own size before it is given away, a batch that Kafka refuses for its content is produced again
// record by record, and only a record refused alone goes to <topic>.dlq (P24).
//
// The [Source] implements batch.Source with two clients. The group client gives membership alone: it never has a fetch
// position, so nothing that it does can move an offset, and its callbacks only hand on (P6). The fetch client reads the
// partitions that the engine positions, each from the offset and under the session number that came with the position:
//
//	assigned ──▶ claimed in MySQL ──▶ Position(Fetch) ──▶ topic id, log start, end of the leader epoch asked ──▶ fetched
//
// Every offset that is handed on was seen (P27): it holds a record, a control record, or nothing because its batch
// belongs to an aborted transaction or was compacted away, which a raw fetch shows. Anything else stops the partition
// with the exact offsets, and nothing ever goes on from another place by itself.
//
// Topics are created at start only (P26). The package has no opinion on MySQL, batches or queries.
//
// Sources: KIP-98 (idempotence and transactions), KIP-320 (leader epochs), KIP-429 (cooperative rebalancing), KIP-516
// (topic ids), Kafka's message format (kafka.apache.org/documentation, "Record Batch").
package kafkaio
