package parse

import (
	"errors"
	"slices"
	"strings"

	"github.com/dolthub/vitess/go/vt/sqlparser"

	"github.com/sluice-etl/sluice/query/ast"
)

// joined converts JOIN table ON condition.
func (s scope) joined(j *sqlparser.JoinTableExpr, t *sqlparser.AliasedTableExpr) (*ast.Elements, error) {
	name, ok := t.Expr.(sqlparser.TableName)
	if !ok {
		return nil, s.at.at(t, errors.New("a subquery cannot be joined: write JOIN and the name of a table of MySQL"))
	}
	text := sqlparser.String(t)
	e := &ast.Elements{Name: t.As.String(), Left: j.Join == sqlparser.LeftJoinStr, Text: text, From: s.at[t][0], To: s.at[t][1]}
	if e.Name == "" {
		e.Name = name.Name.String()
	}
	declared := slices.IndexFunc(s.declared, func(d *ast.CreateTable) bool {
		return strings.EqualFold(d.Schema, name.DbQualifier.String()) && strings.EqualFold(d.Table, name.Name.String())
	})
	switch {
	case t.AsOf != nil || t.Hints != nil || len(t.Partitions) > 0 || t.Lateral:
		return nil, e.Errorf("expected only a table's name and an alias")
	case strings.EqualFold(name.Name.String(), "events"):
		return nil, e.Errorf("events cannot be joined to itself")
	case declared < 0:
		return nil, e.Errorf("the types of its columns are not known: write CREATE TABLE %s (column type, …, PRIMARY KEY (column)); in front of the statement, with the columns that the query uses", sqlparser.String(name))
	case j.Join != sqlparser.JoinStr && j.Join != sqlparser.LeftJoinStr:
		return nil, e.Errorf("expected JOIN or LEFT JOIN, got %s", strings.ToUpper(j.Join))
	case j.Condition.On == nil || j.Condition.Using != nil:
		return nil, e.Errorf("expected a condition: write ON %s.column = expression", e.Name)
	}
	on, err := converter{places: s.at}.expr(j.Condition.On)
	if err != nil {
		return nil, err
	}
	e.Text, e.To = text+" on "+on.Text, max(e.To, on.To)
	e.Joined = &ast.Join{Table: s.declared[declared], On: on}
	for i := range e.Joined.Table.Columns {
		c := &e.Joined.Table.Columns[i]
		e.Columns = append(e.Columns, ast.ElementColumn{Name: c.Name, Type: c.Type, Unsigned: c.Unsigned, Precision: c.Precision, Scale: c.Scale})
	}
	return e, nil
}

// resolveOn marks the columns in the condition of a join, and finds its keys. The table is the last of tables; behind are
// those that follow it.
func resolveOn(t *ast.Elements, tables, behind []*ast.Elements) error {
	if err := rejectColumnsOf(t.Joined.On, behind); err != nil {
		return err
	}
	if err := resolve(t.Joined.On, tables); err != nil {
		return err
	}
	first := 0
	for _, before := range tables[:len(tables)-1] {
		first += len(before.Columns)
	}
	return addKeys(t, t.Joined.On, first)
}

// rejectColumnsOf rejects columns of tables, whose names would otherwise be those of fields.
func rejectColumnsOf(e *ast.Expr, tables []*ast.Elements) error {
	if e == nil {
		return nil
	}
	if e.Op == ast.OpColumn && len(e.Path) > 1 && slices.ContainsFunc(tables, func(t *ast.Elements) bool { return strings.EqualFold(t.Name, e.Path[0]) }) {
		return e.Errorf("%s is joined behind this condition: change the order of the joins", e.Path[0])
	}
	for _, a := range e.Args {
		if err := rejectColumnsOf(a, tables); err != nil {
			return err
		}
	}
	return nil
}

// addKeys adds the equalities of a condition to the keys of a join. first is the number of the table's first column.
func addKeys(t *ast.Elements, e *ast.Expr, first int) error {
	if e.Op == ast.OpAnd {
		if err := addKeys(t, e.Args[0], first); err != nil {
			return err
		}
		return addKeys(t, e.Args[1], first)
	}
	want := func() error {
		return e.Errorf("expected conditions such as %s.%s = expression of the record, joined by AND, or IP_IN(address of the record, %s.column): write other conditions in WHERE", t.Name, t.Columns[0].Name, t.Name)
	}
	byNetwork := e.Op == ast.OpCall && e.Name == "ip_in" && len(e.Args) == 2
	if !byNetwork && (e.Op != ast.OpCompare || e.Name != "=") {
		return want()
	}
	if byNetwork && e != t.Joined.On {
		return e.Errorf("IP_IN finds the most specific network, so it must be the whole condition: write other conditions in WHERE")
	}
	column, x := e.Args[0], e.Args[1]
	t.Joined.ByNetwork = byNetwork
	if !isColumnOf(column, first) || byNetwork {
		column, x = x, column
	}
	if !isColumnOf(column, first) || usesColumnOf(x, first) {
		return want()
	}
	i := column.Element.Number - first
	if slices.ContainsFunc(t.Joined.Keys, func(k ast.JoinKey) bool { return k.Column == i }) {
		return e.Errorf("%s is compared twice", column.Text)
	}
	t.Joined.Keys = append(t.Joined.Keys, ast.JoinKey{Column: i, Value: x})
	return nil
}

// isColumnOf reports whether an expression is a column of the table whose first column has a number. The table is the
// last one.
func isColumnOf(e *ast.Expr, first int) bool {
	return e.Op == ast.OpColumn && e.Element != nil && e.Element.Number >= first
}

func usesColumnOf(e *ast.Expr, first int) bool {
	return e != nil && (isColumnOf(e, first) || slices.ContainsFunc(e.Args, func(a *ast.Expr) bool { return usesColumnOf(a, first) }))
}
