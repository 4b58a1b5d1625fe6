// Package batch is the micro-batch engine: it alone decides when to claim, fold, commit, resolve, retry and discard.
//
// A process owns partitions. They are divided among its tasks, and a partition stays in its task from claim to release.
// A task does one thing with MySQL at a time. Its steps:
//
//  1. Claim. Newly assigned partitions are claimed in one transaction, which raises their epochs. Only then are they
//     fetched, from their checkpoints' offsets.
//  2. Fold. Fetched records are folded, in order, into the rows that the open task batch adds. Each fold must account
//     for every offset that it covers: records folded + gaps seen = offsets passed. Otherwise the partition stops.
//  3. Commit. At the tick, or when the batch is full, its rows and checkpoints go into one transaction. Meanwhile the
//     next batch is fetched and folded. Tasks do not wait for each other.
//  4. Resolve. If the reply to COMMIT was lost, a locking read tells whether the COMMIT was applied.
//  5. Discard. After a fence that did not match, a revoked partition, or a batch that was too large, the task discards
//     everything that is not committed, because folded rows cannot be divided among partitions. Every partition that it
//     keeps is rewound to its checkpoint. After a fence, the task asks the group which partitions are still assigned to
//     this process, and claims those again.
//
// If the process crashes between any two of these, nothing is lost or counted twice: what is in memory follows from the
// checkpoints, and rows and checkpoints move together.
//
// The decisions are made by package planner, which sees no records and does no I/O. The [Engine] drives it: it performs
// the planner's outputs and reports their results as inputs. [Source], [Sink] and [Fold] are what the engine calls.
package batch
