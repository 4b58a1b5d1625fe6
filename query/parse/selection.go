package parse

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/dolthub/vitess/go/vt/sqlparser"

	"github.com/sluice-etl/sluice/query/ast"
)

// selection fills a statement from its SELECT. If that reads groups, the statement is the one that makes them, and the
// SELECT is its Step.
func (s scope) selection(st *ast.Statement, sel *sqlparser.Select) error {
	if err := rejectClauses(sel, s.at); err != nil {
		return err
	}
	s, err := s.with(sel.With)
	if err != nil {
		return err
	}
	tables, err := s.elementTables(sel)
	if err != nil {
		return err
	}
	from, err := s.from(sel)
	if err != nil {
		return err
	}
	if len(tables) > 0 && from.below != nil {
		return tables[0].Errorf("it can only be joined to events, not to a subquery: write FROM events, and the expressions of the subquery where they are used")
	}
	if from.groups == nil {
		st.From, st.Elements = from.events(), tables
		if err := from.fill(st, sel, s.at); err != nil {
			return err
		}
		return resolveStatement(st)
	}
	var outer ast.Statement
	if err := from.fill(&outer, sel, s.at); err != nil {
		return err
	}
	st.From, st.Items, st.Where, st.Group, st.Having = from.groups.From, from.groups.Items, from.groups.Where, from.groups.Group, from.groups.Having
	st.Elements = from.groups.Elements
	st.Step = &ast.Step{Items: outer.Items, Where: outer.Where, Group: outer.Group, Having: outer.Having}
	return nil
}

// fill fills the expressions of a statement that reads r, over events or groups.
func (r *relation) fill(st *ast.Statement, sel *sqlparser.Select, at places) error {
	if err := fill(st, sel, at); err != nil || r.below == nil {
		return err
	}
	return r.inlineStatement(st)
}

// isGrouped reports whether a SELECT makes groups.
func isGrouped(sel *sqlparser.Select) bool {
	if len(sel.GroupBy) > 0 || sel.Having != nil {
		return true
	}
	for _, s := range sel.SelectExprs {
		if a, ok := s.(*sqlparser.AliasedExpr); ok {
			if e, err := (converter{}).expr(a.Expr); err == nil && (e.HasAggregate() || slices.ContainsFunc(ast.Composed, e.Calls)) {
				return true
			}
		}
	}
	return false
}

// grouped returns the relation of a SELECT with GROUP BY: its columns are those of its groups.
func (s scope) grouped(name string, sel *sqlparser.Select) (*relation, error) {
	st := &ast.Statement{}
	if err := s.selection(st, sel); err != nil {
		return nil, err
	}
	if st.Step != nil {
		return nil, errors.New("it reads groups of groups: one GROUP BY can be in a subquery, and one in the outermost SELECT; compute further when you select from the table")
	}
	r := &relation{name: name, below: &relation{}, groups: st}
	for _, it := range st.Items {
		column := it.Alias
		switch {
		case column == "" && it.Op != ast.OpColumn:
			return nil, it.Errorf("it needs a name: write %s AS name", it.Text)
		case column == "":
			column = it.ColumnName()
		}
		if slices.ContainsFunc(r.columns, func(c named) bool { return strings.EqualFold(c.name, column) }) {
			return nil, fmt.Errorf("column %s is selected twice", column)
		}
		r.columns = append(r.columns, named{column, &ast.Expr{Op: ast.OpColumn, Path: []string{column}, OfGroup: true, Precision: -1, Scale: -1, Text: column}})
	}
	return r, nil
}

// inlineHaving is inline for HAVING, in which aliases of SELECT are those of the statement, except within aggregates.
func (r *relation) inlineHaving(st *ast.Statement, e *ast.Expr) (*ast.Expr, error) {
	if e == nil {
		return nil, nil
	}
	if e.Op == ast.OpColumn && len(e.Path) == 1 && !e.JSONPath && st.Aliased(e.Path[0]) != nil {
		return e, nil
	}
	if e.Op == ast.OpColumn || e.IsAggregate() || e.Op == ast.OpCall && slices.Contains(ast.Composed, e.Name) {
		return r.inline(e)
	}
	out := *e
	out.Args = make([]*ast.Expr, len(e.Args))
	for i, a := range e.Args {
		var err error
		if out.Args[i], err = r.inlineHaving(st, a); err != nil {
			return nil, err
		}
	}
	return &out, measure(&out)
}
