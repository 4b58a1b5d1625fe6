// Package batch is the micro-batch engine: it alone decides when to claim, fold, commit, ask, retry and throw away.
//
// A process owns partitions; they are shared out among its tasks, and a partition stays in its task from claim to
// release. A task does one thing with MySQL at a time, and goes through these steps:
//
//  1. Claim. Newly assigned partitions are claimed in one transaction, which raises their epochs; only then are they
//     given to the fetching client, at the checkpoint's offset.
//  2. Fold. What is fetched is folded, in order, into the rows that the open batch adds. Each piece must account for
//     every offset that it covers: records folded + gaps seen = offsets passed. If not, the partition stops.
//  3. Commit. At the tick, or when the batch is full, its rows and checkpoints go into one transaction. Meanwhile the
//     next batch is fetched and folded. There is no barrier between tasks.
//  4. Ask. Where the reply to COMMIT was lost, a locking read says whether it was carried out.
//  5. Throw away. A fence that does not match, a partition that is taken away, a batch that is too large: folded rows
//     cannot be divided, so everything of the task that is not committed goes, and every partition that it keeps is
//     set back to its checkpoint. After a fence, the group is asked what is still ours, and that is claimed again.
//
// If the process dies between any two of these, nothing is lost or counted twice: memory is a function of the
// checkpoints, and rows and checkpoints move together.
//
// The decisions are made by the [Planner], which has no records, clock, network, randomness or goroutine: events go
// in, effects come out. The [Engine] performs the effects. [Source], [Sink] and [Fold] are what it calls.
package batch
