// Package query compiles SQL into a program that computes the rows that a batch adds. A text of one or more statements
//
//	INSERT INTO hits SELECT status, COUNT(*) AS hits FROM events GROUP BY status;
//
// is compiled once for a log format ([Compile]), bound to the columns of the real tables ([Plan.Bind]) and then run over
// records ([Plan.NewFold], package fold). A query whose result cannot be computed exactly by adding to rows is rejected
// when it is compiled, and the error says what to write instead. docs/query.md is the manual of the language.
//
// Each step has its own package: query/parse parses SQL into the tree of query/ast, query/expr compiles expressions, with
// the functions of query/funcs, and this package compiles statements. Everything that is independent of SQL is in fold.
//
// The package does no I/O except in [DryRun], and starts no goroutine.
package query
