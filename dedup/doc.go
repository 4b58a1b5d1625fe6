// Package dedup counts an event that was sent twice once (P28): it wraps a batch.Fold and keeps copies from it.
//
// A copy is a record whose identity, the value of the event header that --dedup-header names, is that of an earlier
// record of the same partition within a window. Identities meet in one partition because receivers make them the
// records' Kafka key. Each is kept as 16 bytes of its SHA-256, in memory, and in the table etl_dedup, which is written
// with the batch's rows in the same transaction.
//
// The steps, and what a death or an error between two of them means:
//
//  1. A partition is claimed: from here on nobody older can commit, so what etl_dedup holds of it is final.
//  2. Restore forgets what is in memory and reads the window from etl_dedup. A death: the next owner does the same.
//  3. Add looks each record's identity up, and remembers it at once, whatever becomes of the record. A copy is counted
//     as a duplicate and not folded. Memory is now ahead of the table. A death: memory is gone, the table stands where
//     the checkpoint does.
//  4. Take hands over the rows and the new identities. Records that are folded while that part is being committed see
//     its identities in memory.
//  5. The transaction commits rows, identities and checkpoint together, or none of them. An answer that is lost is
//     asked for (P12); a part that is sent again has the same identities in it.
//  6. Whatever is thrown away (a fence, a lost partition, a refused row, a batch that was too large, a database that
//     went back) is followed by Restore, and memory is what the table says again.
//
// So memory never knows less than the table, and more only by what will be committed with it or forgotten with it.
//
// What is once: each identity within the window. What ends it: see docs/dedup.md.
package dedup
