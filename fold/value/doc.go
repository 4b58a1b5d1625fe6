// Package value holds single values, as fields of records and results of expressions: integers and decimals of up to 38
// digits, DOUBLEs, texts, times and values of JSON, each of which can be NULL. It reads them from text, computes with
// them and shows them as MySQL does.
//
// Nothing here allocates, unless a doc comment says so or a record fails ([Fault]). The package does no I/O.
package value
