package parse

import (
	"errors"
	"fmt"

	"github.com/dolthub/vitess/go/vt/sqlparser"

	"github.com/sluice-etl/sluice/query/ast"
)

// Statement parses one INSERT or REPLACE, which can join the declared tables. Its errors are for the author of the query:
// they say what was found and what to write instead, and are *Error if their place is known.
func Statement(source Source, declared []*ast.CreateTable) (st *ast.Statement, err error) {
	defer func() {
		if p := recover(); p != nil {
			st, err = nil, fmt.Errorf("the SQL parser failed on this statement (%v)", p)
		}
	}()
	tree, err := sqlparser.Parse(source.Text)
	if err != nil {
		return nil, source.syntaxError(err)
	}
	if err := source.noteILike(tree); err != nil {
		return nil, err
	}
	ins, ok := tree.(*sqlparser.Insert)
	if !ok {
		return nil, errors.New("expected INSERT INTO table SELECT … FROM events GROUP BY …")
	}
	ins.Comments = nil
	sel, err := insertSelect(ins)
	if err != nil {
		return nil, err
	}
	sel.Comments = nil
	text, at := normalText(ins)
	st = &ast.Statement{Replace: ins.Action == sqlparser.ReplaceStr, Ignore: ins.Ignore != "", Schema: ins.Table.DbQualifier.String(), Table: ins.Table.Name.String(), Text: text}
	for _, c := range ins.Columns {
		st.Columns = append(st.Columns, c.String())
	}
	names, err := scope{at: at, declared: declared}.with(ins.With)
	if err != nil {
		return nil, source.Locate(text, err)
	}
	return st, source.Locate(text, names.selection(st, sel))
}

// Expression parses one expression, such as the one that a server shows for a generated column.
func Expression(text string) (e *ast.Expr, err error) {
	defer func() {
		if p := recover(); p != nil {
			e, err = nil, fmt.Errorf("the SQL parser failed on this expression (%v)", p)
		}
	}()
	tree, err := sqlparser.Parse("select " + text + " from t")
	if err != nil {
		return nil, err
	}
	sel, ok := tree.(*sqlparser.Select)
	if !ok || len(sel.SelectExprs) != 1 {
		return nil, errors.New("expected one expression")
	}
	a, ok := sel.SelectExprs[0].(*sqlparser.AliasedExpr)
	if !ok || !a.As.IsEmpty() {
		return nil, errors.New("expected one expression without an alias")
	}
	return converter{}.expr(a.Expr)
}

// insertSelect returns the SELECT of an INSERT, which must have no clauses of its own.
func insertSelect(ins *sqlparser.Insert) (*sqlparser.Select, error) {
	switch {
	case len(ins.OnDup) > 0:
		return nil, errors.New("ON DUPLICATE KEY UPDATE is added by etl: leave it out; COUNT and SUM add, MIN and MAX keep the smaller and the larger")
	case len(ins.Partitions) > 0 || len(ins.Returning) > 0:
		return nil, errors.New("PARTITION and RETURNING are not supported: leave them out")
	}
	switch rows := ins.Rows.(type) {
	case *sqlparser.Select:
		return rows, nil
	case *sqlparser.ParenSelect:
		if sel, ok := rows.Select.(*sqlparser.Select); ok {
			return sel, nil
		}
	case *sqlparser.SetOp:
		return nil, errors.New("UNION is not supported: write one INSERT … SELECT for each SELECT; several statements may write to one table")
	}
	return nil, errors.New("expected INSERT INTO table SELECT … FROM events: rows are made only from events")
}

// rejectClauses rejects the clauses of a SELECT that have no meaning for rows to which later batches add.
func rejectClauses(sel *sqlparser.Select, at places) error {
	switch {
	case sel.QueryOpts.Distinct:
		return errors.New("SELECT DISTINCT is not supported: write GROUP BY with COUNT(*)")
	case len(sel.OrderBy) > 0:
		return at.at(sel.OrderBy[0], errors.New("ORDER BY is not supported because a table has no order: leave it out, and order when you select from the table"))
	case sel.Limit != nil:
		return at.at(sel.Limit, errors.New("LIMIT is not supported because the result would depend on how records fall into batches: leave it out, and limit when you select from the table"))
	case sel.Into != nil || sel.Lock != "" || len(sel.Window) > 0:
		return errors.New("INTO, FOR UPDATE and WINDOW are not supported: leave them out")
	}
	return nil
}

// fill converts the expressions of a SELECT.
func fill(st *ast.Statement, sel *sqlparser.Select, at places) (err error) {
	return converter{places: at}.fill(st, sel)
}

func (c converter) fill(st *ast.Statement, sel *sqlparser.Select) (err error) {
	for _, s := range sel.SelectExprs {
		a, ok := s.(*sqlparser.AliasedExpr)
		if !ok {
			return c.places.at(s, errors.New("SELECT * is not supported: name the columns that the table has"))
		}
		e, err := c.expr(a.Expr)
		if err != nil {
			return err
		}
		st.Items = append(st.Items, ast.Item{Expr: e, Alias: a.As.String()})
	}
	if sel.Where != nil {
		if st.Where, err = c.expr(sel.Where.Expr); err != nil {
			return err
		}
	}
	if sel.Having != nil {
		if st.Having, err = c.expr(sel.Having.Expr); err != nil {
			return err
		}
	}
	for _, g := range sel.GroupBy {
		e, err := c.expr(g)
		if err != nil {
			return err
		}
		st.Group = append(st.Group, e)
	}
	return nil
}
