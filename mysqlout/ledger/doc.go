// Package ledger is what a job has written down in MySQL beside its rows: checkpoints in etl_checkpoint, dead letters in
// etl_dead_letter, and event IDs in etl_dedup.
//
// The package reads them, moves a checkpoint by hand, writes the SQL text of dead letters, and removes what has expired.
// Claims and commits belong to package mysqlout: it alone advances checkpoints.
package ledger
