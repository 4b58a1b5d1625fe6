// Package ast defines the syntax tree of a query: statements and expressions, without the types of any SQL parser.
package ast
