// Package funcs is the registry of the functions of the query language: the name, parameters, result, implementation and
// documentation of each. docs/query.md has a table of them, and a test checks that the table is complete.
package funcs
