// Package parse reads SQL into the tree of package ast. It alone imports the SQL parser. What the tree has no place for is
// an error that says what to write instead.
package parse
