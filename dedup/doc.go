// Package dedup drops duplicate events before they reach the wrapped batch.Fold (P28).
//
// A duplicate is a record whose event ID, the value of the event header that --dedup-header names, is that of an
// earlier record of the same partition within a window. Records with the same event ID are in the same partition,
// because receivers make it the records' Kafka key. An event ID is kept as 16 bytes of its SHA-256, in memory and in
// the table etl_dedup, which is written with the batch's rows in the same transaction.
//
// The steps, and what a crash or an error between two of them means:
//
//  1. A partition is claimed. From here on no earlier owner can commit, so what etl_dedup holds of it is final.
//  2. Restore discards what is in memory, and reads the window from etl_dedup. Crash: the next owner does the same.
//  3. Add looks up each record's event ID, and remembers it at once, whatever the record's fate. A duplicate is counted
//     in the audit and not folded. Memory is now ahead of the table. Crash: memory is lost, and the table is as of the
//     checkpoint.
//  4. Take returns the rows and the new event IDs. Records that are folded while that task batch is being committed
//     find its event IDs in memory.
//  5. The transaction commits rows, event IDs and checkpoint together, or none of them. If the reply is lost, the
//     outcome is resolved (P12); a task batch that is committed again has the same event IDs in it.
//  6. Every discard (a fence, a lost partition, a rejected row, a batch that was too large, a restored database) is
//     followed by Restore, after which memory equals the table.
//
// So memory always holds all event IDs of the table, and those that it holds in addition are committed or discarded
// with the batch.
//
// Each event ID is counted once within the window. docs/dedup.md says what ends the window.
package dedup
