// Package checkpoint is the vocabulary of position. Read it first.
//
// An event, once Kafka has it, is a record. A record has a [Partition] and an offset. A [Range] is a half-open range of
// offsets of one partition. A [Checkpoint] is the durable position of one partition: every offset below Next has one
// fate, and the [Audit] counts how many have which. It holds the [Epoch] and the [Owner] of the last claim, which fence
// off all other processes.
//
// The audit balances at every instant, for each partition:
//
//	Next - First = counted + filtered + dead + gaps + duplicates + skipped
//
// The package also defines the classes of error that the engine distinguishes ([ErrRetry], [ErrFenced], …). It does no
// I/O and imports nothing of this project.
package checkpoint
