package ast

import (
	"fmt"
	"slices"
	"strings"
)

// CreateTable is CREATE TABLE schema.table (columns, keys): the declaration of a table that the query joins.
type CreateTable struct {
	Schema, Table string
	Columns       []TableColumn
	Keys          []TableKey
	Text          string // as SQL in normal form
}

// FullName returns the table's name, with its schema if there is one.
func (t *CreateTable) FullName() string {
	if t.Schema == "" {
		return t.Table
	}
	return t.Schema + "." + t.Table
}

// Column returns the index of a column, without regard to case; -1 if there is none.
func (t *CreateTable) Column(name string) int {
	return slices.IndexFunc(t.Columns, func(c TableColumn) bool { return strings.EqualFold(c.Name, name) })
}

// TableColumn is a column of a CreateTable.
type TableColumn struct {
	Name             string
	Type             string // in lower case
	Unsigned         bool
	Precision, Scale int // of the type: precision (or length) and scale, -1 if there is none
	NotNull          bool
	Charset, Collate string // in lower case; empty if there is none
	Comment          string
	Text             string // as SQL in normal form
	From, To         int    // its place in CreateTable.Text
}

// Errorf returns an error of a column, which it names.
func (c *TableColumn) Errorf(format string, args ...any) error {
	return &Error{From: c.From, To: c.To, Err: fmt.Errorf("column %s: %w", c.Name, fmt.Errorf(format, args...))}
}

// TableKey is PRIMARY KEY, UNIQUE KEY or KEY of a CreateTable.
type TableKey struct {
	Name            string // empty if there is none
	Primary, Unique bool   // a primary key is unique, too
	Columns         []int  // in CreateTable.Columns
}
