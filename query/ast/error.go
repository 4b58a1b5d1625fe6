package ast

import "fmt"

// Error is an error at a place in the normal form of a statement (Statement.Text).
type Error struct {
	From, To int // To is 0 if the place is not known
	Err      error
}

// Error implements error.
func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns the error without the place.
func (e *Error) Unwrap() error { return e.Err }

// Errorf returns an error of an expression, whose text it begins with.
func (e *Expr) Errorf(format string, args ...any) error {
	return e.Place(fmt.Errorf("%s: %w", e.Text, fmt.Errorf(format, args...)))
}

// Place returns err at the place of e.
func (e *Expr) Place(err error) error { return &Error{From: e.From, To: e.To, Err: err} }
