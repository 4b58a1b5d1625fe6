// Package expr compiles the expressions of a query into functions of a record ([Compiler], [Compiled]): it finds their types,
// converts values where two kinds meet, and evaluates. NULL, decimals and rounding are MySQL's; text is compared by its
// bytes everywhere. The functions that a query can call are given as a [Library].
//
// What is compiled allocates nothing when it is evaluated, except that Env.Text grows and that failures describe themselves.
package expr
