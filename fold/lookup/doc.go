// Package lookup holds the rows of joined tables in memory, and finds the row of a key. A Table is what a query needs of
// one table; a Version is its rows as one read of the table returned them. A fold adopts the current versions when its
// batch begins and keeps them until the batch ends, so all records of a batch see the same rows.
//
// The package does no I/O and starts no goroutine.
package lookup
