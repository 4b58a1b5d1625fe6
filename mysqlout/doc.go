// Package mysqlout keeps rows and checkpoints in MySQL, in one transaction: it is the [batch.Sink] of the main job.
//
// Claim (P7), one transaction:
//
//  1. SELECT … FOR UPDATE locks the rows of the partitions that exist, in order of key.
//  2. topic_id, query_hash and, at the job's first claim, the target are compared; a difference changes nothing.
//  3. What is missing is inserted, without IGNORE; who loses that race starts again.
//  4. epoch + 1 and a new owner fence the previous owner; next_offset is read; COMMIT.
//
// Commit (P9 to P11), one transaction:
//
//  0. The metadata lock of each table that is written, and the comparison of its definition with the one that was judged.
//     That takes three statements for each table and batch.
//  1. The fence: next_offset from → to and batch_id, where epoch, owner, query_hash and from are mine. As many rows must
//     match as there are partitions.
//  2. Rows, in one ascending pass per table; dead letters. A table with states (row.Stateful) takes a locking read and up
//     to three passes for each ascending chunk of keys.
//  3. The closing check: audit counters, where epoch, owner and batch_id are mine. All must match again, so that a
//     transaction lost on the way is noticed.
//  4. COMMIT, only now that every reply was read.
//
// If the process dies before 4, the server rolls back. If it dies in or after 4, the checkpoint shows what happened,
// and the next claim continues from there. If the reply to COMMIT is lost, Resolve asks with a locking read, which
// waits for the old transaction to end: its answer is final.
//
// Every statement is text made here and sent without arguments, under a sql_mode that is set and read back. database/sql
// and the driver stop in this package and in pool.
package mysqlout
