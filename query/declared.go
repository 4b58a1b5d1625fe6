package query

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/sluice-etl/sluice/query/ast"
	"github.com/sluice-etl/sluice/query/parse"
	"github.com/sluice-etl/sluice/row"
)

// A query can have the CREATE TABLE of its targets. It decides the types, the keys and everything else of the table that is
// created, and nothing of what is counted, so it is not part of the fingerprint. That of a joined table (joined.go) is.

// declared is a CREATE TABLE of the query.
type declared struct {
	number int // of the statement, from 0
	source parse.Source
	table  *ast.CreateTable
}

func (d *declared) errorf(format string, args ...any) error {
	from, to := d.source.Name()
	return fmt.Errorf("statement %d: %w", d.number+1, &parse.Error{From: from, To: to, Err: fmt.Errorf(format, args...)})
}

// declare gives each target its CREATE TABLE.
func (p *Plan) declare() error {
	for i := range p.declared {
		d := &p.declared[i]
		if p.joins(d) {
			if err := p.checkJoin(d); err != nil {
				return err
			}
			continue
		}
		t, err := p.targetOf(d)
		switch {
		case err != nil:
			return err
		case t.Declared != nil:
			return d.errorf("a second CREATE TABLE of %s: write one", t.FullName())
		}
		t.Declared = declarationOf(d.table)
	}
	return nil
}

// targetOf returns the target that a CREATE TABLE declares.
func (p *Plan) targetOf(d *declared) (*row.Table, error) {
	name, other := d.table.FullName(), ""
	for _, prog := range p.programs {
		own := prog.target()
		switch written := (&ast.CreateTable{Schema: prog.st.Schema, Table: prog.st.Table}).FullName(); {
		case prog.step != nil && (strings.EqualFold(name, written) || strings.EqualFold(name, own.FullName())):
			return nil, d.errorf("%s is a view of the table %s, because the query has HAVING, SESSION or an outer SELECT, and both are created without a declaration: leave CREATE TABLE out",
				written, own.FullName())
		case name == written && prog.number < d.number:
			return nil, d.errorf("statement %d writes %s before this one creates it: write CREATE TABLE first", prog.number+1, name)
		case name == written:
			for i := range p.tables {
				if p.tables[i].FullName() == name {
					return &p.tables[i], nil
				}
			}
		case strings.EqualFold(d.table.Table, prog.st.Table):
			other = fmt.Sprintf(": statement %d writes %s, which must be written in the same way", prog.number+1, written)
		}
	}
	return nil, d.errorf("no statement writes or joins %s%s", name, cmp.Or(other, ": leave CREATE TABLE out"))
}

// declarationOf converts a CREATE TABLE of a target.
func declarationOf(t *ast.CreateTable) *row.Declaration {
	out := &row.Declaration{SQL: t.Original, ListEnd: t.ListEnd, Engine: t.Engine}
	for i := range t.Columns {
		c := &t.Columns[i]
		column := row.DeclaredColumn{
			Name: c.Name, Type: c.Type, Unsigned: c.Unsigned, Precision: c.Precision, Scale: c.Scale, NotNull: c.NotNull, Null: c.Null,
			Charset: c.Charset, Collate: c.Collate, Values: c.Values, Auto: c.Auto, Default: c.Default, Generated: c.Generated,
		}
		if c.Charset == "" && c.Collate == "" {
			column.Charset, column.Collate = t.Charset, t.Collate
		}
		if c.Generated != "" {
			column.IsSame = func(stored string) (same, known bool) {
				_, ours := parse.Expression(c.Generated)
				_, theirs := parse.Expression(stored)
				return sameSQL(c.Generated, stored), ours == nil && theirs == nil
			}
		}
		out.Columns = append(out.Columns, column)
	}
	for _, k := range t.Keys {
		key := row.DeclaredKey{Unique: k.Unique}
		for _, i := range k.Columns {
			key.Columns = append(key.Columns, t.Columns[i].Name)
		}
		out.Keys = append(out.Keys, key)
	}
	return out
}

// Locate returns the error of a declaration as one of [Compile], with its place. Any other error it returns unchanged.
func (p *Plan) Locate(err error) error {
	e, ok := errors.AsType[*row.DeclarationError](err)
	if !ok {
		return err
	}
	for i := range p.declared {
		d := &p.declared[i]
		if d.table.FullName() != e.Table {
			continue
		}
		if at := d.table.Column(e.Column); at >= 0 {
			c := &d.table.Columns[at]
			return fmt.Errorf("statement %d: %w", d.number+1, d.source.Locate(d.table.Text, &ast.Error{From: c.From, To: c.To, Err: e}))
		}
		return d.errorf("%w", e)
	}
	return err
}
