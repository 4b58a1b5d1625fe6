// Package row is the vocabulary of results: what a query yields and what a sink writes.
//
// A [Table] describes a target table's columns as the query writes them. [Rows] holds the rows that one batch adds to
// one table: each row has a key, encoded so that bytes.Compare orders keys as their columns compare, and a [Cell] for
// every column that is not part of the key. Keys and texts live in one arena, so that a batch costs a handful of
// allocations however many rows it has. A [Delta] is the rows of all tables of a query.
//
// The query folds records into a Delta; the sink writes it in ascending order of table and key. The package does no
// I/O and imports nothing of this project.
package row
