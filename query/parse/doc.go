// Package parse parses SQL into the tree of package ast. No other package imports the SQL parser. Syntax that the tree
// cannot represent is rejected with an error that says what to write instead.
package parse
