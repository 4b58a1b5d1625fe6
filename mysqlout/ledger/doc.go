// Package ledger manages what a job stores in MySQL beside its rows: checkpoints in etl_checkpoint, dead letters in
// etl_dead_letter, event IDs in etl_dedup, and the identity of all of them in etl_target.
//
// The package reads these tables, moves a checkpoint by hand, writes the SQL text of dead letters, creates the
// identity, and removes expired rows. Claims and commits belong to package mysqlout, which alone advances checkpoints.
package ledger
