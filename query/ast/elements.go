package ast

import (
	"fmt"

	"github.com/sluice-etl/sluice/fold/jsonpath"
)

// Elements is a table in FROM, beside events: one whose rows are made of one value of the record (JSON_TABLE, UNNEST or
// SPLIT), or a table of MySQL (JOIN).
type Elements struct {
	Name      string // qualifies its columns
	Function  string // json_table, unnest or split; empty if it is joined
	Joined    *Join  // nil for a function
	Data      *Expr
	Separator *Expr // of split
	Path      []jsonpath.Step
	Left      bool // LEFT JOIN: a record without elements, or without a row, makes one row, in which the columns are NULL
	Columns   []ElementColumn
	Text      string // as SQL in normal form
	From, To  int    // its place in the statement's text
}

// Errorf returns an error of a table, whose text it begins with.
func (t *Elements) Errorf(format string, args ...any) error {
	return &Error{From: t.From, To: t.To, Err: fmt.Errorf("%s: %w", t.Text, fmt.Errorf(format, args...))}
}

// Join is how a row of a table is found: its columns have the values of expressions over events and earlier tables, or its
// one column is the most specific network of an address.
type Join struct {
	Table     *CreateTable
	On        *Expr // the condition, of which Keys are the parts
	Keys      []JoinKey
	ByNetwork bool // IP_IN(value, column), the only key
}

// JoinKey is one comparison of a Join.
type JoinKey struct {
	Column int // in Table.Columns
	Value  *Expr
}

// ElementColumn is a column of Elements.
type ElementColumn struct {
	Name             string
	Type             string // in lower case
	Unsigned         bool
	Precision, Scale int // -1 if there is none
	Path             []jsonpath.Step
	Ordinality       bool // the number of the element, from 1
	Exists           bool // 1 if there is a value at the path, otherwise 0
	ErrorOnEmpty     bool
	ErrorOnError     bool
}

// ElementRef says that an expression of [OpColumn] is a column of Elements, the declared columns if it is a joined table. Its Path is the names of table and column.
type ElementRef struct {
	Number int  // of the column, in all Elements of the statement
	Bare   bool // it was written without the name of its table
}
