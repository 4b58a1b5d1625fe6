// Package mysqlout writes rows and checkpoints to MySQL in one transaction. Its [Sink] implements [batch.Sink].
//
// Claim (P7) is one transaction:
//
//  1. SELECT … FOR UPDATE locks the checkpoints of the partitions that exist, in order of key.
//  2. Topic ID, query hash and, in the job's first claim, the targets are compared. A difference changes nothing.
//  3. Missing rows are inserted, without IGNORE. On a duplicate-key error the claim is retried.
//  4. The epoch is incremented and a new owner is stored, which fences the previous owner. next_offset is read; COMMIT.
//
// Commit (P9 to P11) is one transaction:
//
//  0. The metadata lock of each table that is written is taken, and its definition is compared with the one that was
//     checked. That takes three statements for each table and batch.
//  1. The fence: one UPDATE advances next_offset from First to Next and sets batch_id, WHERE epoch, owner, query hash
//     and First are those of this task. As many rows must match as there are partitions.
//  2. Rows, in one ascending pass for each table, and dead letters. A table with states (row.Stateful) takes a locking
//     read and up to three passes for each ascending chunk of keys.
//  3. The closing check: one UPDATE adds the audit counters, WHERE epoch, owner and batch ID are those of this task.
//     All rows must match again. So a transaction that the server ended in between is detected.
//  4. COMMIT, after every reply was read.
//
// If the process crashes before step 4, the server rolls back. If it crashes during or after step 4, the checkpoint
// shows whether the transaction was committed, and the next claim continues from there. If the reply to COMMIT is lost,
// Resolve uses a locking read, which waits until the old transaction has ended: its result is final.
//
// Every statement is text that is built here and sent without arguments, under a sql_mode that is set and read back.
// Only this package, the packages below it, and pool use database/sql and the driver.
//
// Package schema inspects, checks and creates tables. Package ledger reads and moves checkpoints for operators,
// identifies the database and removes what has expired.
package mysqlout
