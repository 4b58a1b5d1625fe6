package ast

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// CreateTable is CREATE TABLE schema.table (columns, keys): the declaration of a table that the query joins or writes.
type CreateTable struct {
	Schema, Table    string
	Columns          []TableColumn
	Keys             []TableKey
	Engine           string // empty if there is none
	Charset, Collate string // in lower case; empty if there is none
	Others           bool   // it has CHECK, FOREIGN KEY or PARTITION
	Text             string // as SQL in normal form
	// Original is the text of the statement, unchanged. Its list of columns and keys ends before byte ListEnd.
	Original string
	ListEnd  int
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
	Values           []string // of ENUM and SET
	Null             bool     // NULL is written
	Auto, Default    bool     // AUTO_INCREMENT, and DEFAULT with another value than NULL
	Generated        string   // the expression of a generated column, as SQL; empty if it is none
	Others           bool     // it has an attribute that this structure does not hold
	Text             string   // as SQL in normal form
	From, To         int      // its place in CreateTable.Text
}

// Plain returns an error if a table has more than columns of a type, and keys, which is all that a table has that is read.
func (t *CreateTable) Plain() error {
	for i := range t.Columns {
		if c := &t.Columns[i]; c.Default || c.Auto || c.Generated != "" || c.Others {
			return c.Errorf("expected only its name and type, NOT NULL, COLLATE, COMMENT and a key: leave everything else out")
		}
	}
	if t.Others {
		return errors.New("CHECK, FOREIGN KEY and PARTITION are not supported in CREATE TABLE of a table that is read: leave them out")
	}
	return nil
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
