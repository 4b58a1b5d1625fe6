// Package schema inspects, checks and creates the tables that a job writes.
//
// A [Checker] compares each target with the table that the query needs, and the job's own tables with those of this
// release. Each reason against a start, and everything else that an operator should know, is a [Finding] with advice.
// Advice that begins with the name of a statement is SQL that can be run unchanged. The package also reads the
// server's settings, how it compares names, and the definition of a table, which a commit compares under a metadata
// lock.
//
// It writes nothing but DDL, in transactions of its own.
package schema
