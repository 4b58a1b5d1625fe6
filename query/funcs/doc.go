// Package funcs is the functions of the query language, as a registry: what each is called, takes and returns, how it is
// compiled, and what the manual says about it. docs/query.md has a table of them, which a test compares.
package funcs
