// Package expr compiles the expressions of a query into functions of a record ([Compiler], [Compiled]). It determines their
// types and converts operands of different kinds to a common one. NULL, decimals and rounding follow MySQL; text is
// compared by its bytes. A [Library] supplies the functions that a query can call.
//
// Evaluation allocates nothing, except when Env.Text grows and when a failure is described.
package expr
