// Package query turns SQL into the rows that a batch adds. A text of one or more statements
//
//	INSERT INTO hits SELECT status, COUNT(*) AS hits FROM events GROUP BY status;
//
// is compiled once ([Compile]) against a log format, bound to the columns of the real tables ([Plan.Bind]) and then
// run over records in place ([Plan.NewFold]). The way of a record:
//
//  1. Its format's parser finds the fields: views on the record's bytes.
//  2. Every statement is evaluated: WHERE, then the key, then the values, each checked against its column.
//  3. Only when all statements of the record succeeded are their rows merged into the delta. One failure makes the
//     record a dead letter in all of them (P22).
//
// Nothing is allocated for a record whose groups exist already. NULL, decimals and rounding are MySQL's; text is
// compared by its bytes everywhere. What the language cannot keep exactly by adding to a row is refused when it is
// compiled, with what could be written instead. docs/query.md is the language's manual.
//
// The package does no I/O except [DryRun], and starts no goroutine.
package query
