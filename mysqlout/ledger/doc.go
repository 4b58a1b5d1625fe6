// Package ledger manages what a job stores in MySQL beside its rows: checkpoints in etl_checkpoint, dead letters in
// etl_dead_letter, and event IDs in etl_dedup.
//
// The package reads these tables, moves a checkpoint by hand, writes the SQL text of dead letters, and removes expired
// rows. Claims and commits belong to package mysqlout, which alone advances checkpoints.
package ledger
