// Package query turns SQL into the rows that a batch adds. A text of one or more statements
//
//	INSERT INTO hits SELECT status, COUNT(*) AS hits FROM events GROUP BY status;
//
// is compiled once ([Compile]) against a log format, bound to the columns of the real tables ([Plan.Bind]) and then
// run over records ([Plan.NewFold], package fold). What cannot be computed exactly by adding to a row is an error when the
// query is compiled, which says what to write instead. docs/query.md is the language's manual.
//
// The steps are packages of their own: query/parse reads SQL into the tree of query/ast, query/expr compiles its expressions
// with the functions of query/funcs, and this package makes statements of them. Everything below SQL is in fold.
//
// The package does no I/O except [DryRun], and starts no goroutine.
package query
