// Package checkpoint is the vocabulary of position. Read it first.
//
// An event, once Kafka has it, is a record. A record has a [Partition] and an offset. A [Range] is a half-open range of
// offsets of one partition. A [Checkpoint] is the durable statement about one partition: every record below Next has
// met its one fate, and the [Audit] says which. It carries the [Epoch] and the [Owner] that fence off all others.
//
// The audit balances at every instant, for each partition:
//
//	Next - First = counted + filtered + dead + gaps + duplicates + skipped
//
// The package also defines the classes of error that the engine distinguishes ([ErrRetry], [ErrFenced], …). It does no
// I/O and imports nothing of this project.
package checkpoint
