// Package registry reads schemas from a schema registry: Confluent's, or one with its API, such as Karapace and Apicurio.
// Records name the schemas with which they are written by ID, and the schema of an ID never changes. A registry that does
// not answer delays the tasks that have records of schemas that are not read yet; no record is a dead letter for it.
//
// A fold notes such a record and continues; the batch that it is in cannot be committed (row.Delta.Unread). The engine then
// folds its records again, and before it does, the fold reads the schemas (Fold.Restore). So a crash or a rebalance at any
// point leaves what it leaves without a registry: a batch that was not committed.
package registry
