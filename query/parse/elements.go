package parse

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/dolthub/vitess/go/vt/sqlparser"

	"github.com/sluice-etl/sluice/fold/jsonpath"
	"github.com/sluice-etl/sluice/query/ast"
)

// elementTables removes from a FROM the tables that are joined to what is in front of them: JSON_TABLE, UNNEST, SPLIT and
// tables of MySQL. It returns them in their order.
func (s scope) elementTables(sel *sqlparser.Select) (tables []*ast.Elements, err error) {
	var from sqlparser.TableExprs
	for i, t := range sel.From {
		base, more, err := s.joinedElements(t, i > 0)
		if err != nil {
			return nil, err
		}
		if base != nil {
			from = append(from, base)
		}
		tables = append(tables, more...)
	}
	sel.From = from
	for i, t := range tables {
		for _, o := range tables[:i] {
			if strings.EqualFold(t.Name, o.Name) {
				return nil, t.Errorf("the name %s is given twice", t.Name)
			}
		}
	}
	return tables, nil
}

// joinedElements splits a table of FROM into what stands in front of the first joined table, which is nil if there is
// nothing and follows is set, and these tables.
func (s scope) joinedElements(t sqlparser.TableExpr, follows bool) (base sqlparser.TableExpr, tables []*ast.Elements, err error) {
	switch t := t.(type) {
	case *sqlparser.JSONTableExpr, *sqlparser.TableFuncExpr:
		if !follows {
			return nil, nil, errors.New("FROM begins with a function: write FROM events, and then the function")
		}
		e, err := s.at.elements(t)
		return nil, []*ast.Elements{e}, err
	case *sqlparser.JoinTableExpr:
		if base, tables, err = s.joinedElements(t.LeftExpr, follows); err != nil {
			return nil, nil, err
		}
		switch right := t.RightExpr.(type) {
		case *sqlparser.JSONTableExpr, *sqlparser.TableFuncExpr:
		case *sqlparser.AliasedTableExpr:
			e, err := s.joined(t, right)
			return base, append(tables, e), err
		default:
			return t, nil, nil
		}
		e, err := s.at.elements(t.RightExpr)
		if err != nil {
			return nil, nil, err
		}
		on, isBool := t.Condition.On.(sqlparser.BoolVal)
		switch {
		case t.Join != sqlparser.JoinStr && t.Join != sqlparser.LeftJoinStr:
			return nil, nil, e.Errorf("expected JOIN, CROSS JOIN or LEFT JOIN … ON TRUE, got %s", strings.ToUpper(t.Join))
		case t.Condition.Using != nil || t.Condition.On != nil && (!isBool || !bool(on)):
			return nil, nil, e.Errorf("a condition of the join is not supported: write ON TRUE, and the condition in WHERE")
		}
		e.Left = t.Join == sqlparser.LeftJoinStr
		return base, append(tables, e), nil
	}
	return t, nil, nil
}

// elements converts a table of elements.
func (p places) elements(t sqlparser.TableExpr) (*ast.Elements, error) {
	if f, ok := t.(*sqlparser.TableFuncExpr); ok {
		return p.tableFunction(f)
	}
	t2 := t.(*sqlparser.JSONTableExpr)
	e := &ast.Elements{Name: t2.Alias.String(), Function: "json_table", Text: sqlparser.String(t2), From: p[t2][0], To: p[t2][1]}
	var err error
	if e.Data, err = (converter{places: p}).expr(t2.Data); err != nil {
		return nil, err
	}
	if e.Path, err = jsonpath.ParseAll(t2.Spec.Path); err != nil {
		return nil, e.Errorf("%w", err)
	}
	for _, d := range t2.Spec.Columns {
		c, err := elementColumn(d)
		if err != nil {
			return nil, e.Errorf("%w", err)
		}
		for _, o := range e.Columns {
			if strings.EqualFold(o.Name, c.Name) {
				return nil, e.Errorf("column %s is defined twice", c.Name)
			}
		}
		e.Columns = append(e.Columns, c)
	}
	return e, nil
}

// tableFunction converts UNNEST(x) AS name and SPLIT(text, separator) AS name, which have one column of that name.
func (p places) tableFunction(f *sqlparser.TableFuncExpr) (*ast.Elements, error) {
	e := &ast.Elements{Name: f.Alias.String(), Function: strings.ToLower(f.Name), Text: sqlparser.String(f), From: p[f][0], To: p[f][1]}
	arguments := map[string]int{"unnest": 1, "split": 2}[e.Function]
	if arguments == 0 {
		return nil, e.Errorf("no such function in FROM; there are JSON_TABLE, UNNEST(array) AS name and SPLIT(text, separator) AS name")
	}
	var args []*ast.Expr
	for _, s := range f.Exprs {
		a, ok := s.(*sqlparser.AliasedExpr)
		if !ok {
			return nil, e.Errorf("expected UNNEST(array) AS name or SPLIT(text, separator) AS name")
		}
		x, err := converter{places: p}.expr(a.Expr)
		if err != nil {
			return nil, err
		}
		args = append(args, x)
	}
	switch {
	case len(args) != arguments:
		return nil, e.Errorf("expected UNNEST(array) AS name or SPLIT(text, separator) AS name")
	case e.Name == "":
		return nil, e.Errorf("it needs a name, which is also that of its column: write %s AS name", e.Text)
	}
	e.Data = args[0]
	column := ast.ElementColumn{Name: e.Name, Type: "text", Precision: -1, Scale: -1}
	if e.Function == "unnest" {
		column.Type, e.Path = "json", []jsonpath.Step{{IsCell: true, All: true}}
	} else {
		e.Separator = args[1]
	}
	e.Columns = []ast.ElementColumn{column}
	return e, nil
}

func elementColumn(d *sqlparser.JSONTableColDef) (c ast.ElementColumn, err error) {
	if d.Spec != nil {
		return c, errors.New("NESTED PATH is not supported: join a second JSON_TABLE to a column of type JSON")
	}
	c.Name, c.Type, c.Unsigned = d.Name.String(), strings.ToLower(d.Type.Type), bool(d.Type.Unsigned)
	c.Precision, c.Scale = number(d.Type.Length), number(d.Type.Scale)
	if c.Ordinality = bool(d.Type.Autoincrement); c.Ordinality {
		return c, nil
	}
	if d.Type.Charset != "" || d.Type.Collate != "" {
		return c, fmt.Errorf("column %s: character sets and collations cannot be chosen, text is UTF-8 and compared by its bytes: leave them out", c.Name)
	}
	for _, v := range []sqlparser.Expr{d.Opts.ValOnEmpty, d.Opts.ValOnError} {
		if _, null := v.(*sqlparser.NullVal); v != nil && !null {
			return c, fmt.Errorf("column %s: DEFAULT is not supported because MySQL reads the value as JSON and MariaDB as text: leave it out, and write COALESCE(%s, value) where the column is used", c.Name, c.Name)
		}
	}
	c.Exists, c.ErrorOnEmpty, c.ErrorOnError = d.Opts.Exists, d.Opts.ErrorOnEmpty, d.Opts.ErrorOnError
	if c.Path, err = jsonpath.Parse(d.Opts.Path); err != nil {
		return c, fmt.Errorf("column %s: %w", c.Name, err)
	}
	return c, nil
}

// resolve marks the columns of elements in e, which may be nil. tables are those that e can use.
func resolve(e *ast.Expr, tables []*ast.Elements) error {
	if e == nil {
		return nil
	}
	if e.Op == ast.OpColumn {
		return resolveColumn(e, tables)
	}
	for _, a := range e.Args {
		if err := resolve(a, tables); err != nil {
			return err
		}
	}
	return nil
}

func resolveColumn(e *ast.Expr, tables []*ast.Elements) error {
	path, first, number := e.Path, "", 0
	bare := len(path) == 1
	for _, t := range tables {
		if !bare && !strings.EqualFold(path[0], t.Name) {
			number += len(t.Columns)
			continue
		}
		for i := range t.Columns {
			c := &t.Columns[i]
			if strings.EqualFold(c.Name, path[min(1, len(path)-1)]) {
				switch {
				case (len(path) > 2 || e.JSONPath) && t.Joined != nil:
					return e.Errorf("a path into a column of %s is not supported", t.Name)
				case len(path) > 2 || e.JSONPath:
					return e.Errorf("a path into a column of %s is not supported: write the path in COLUMNS", t.Name)
				case first != "":
					return e.Errorf("both %s and %s have such a column: write %s.%s or %s.%s", first, t.Name, first, c.Name, t.Name, c.Name)
				}
				first = t.Name
				e.Path, e.Element = []string{t.Name, c.Name}, &ast.ElementRef{Number: number + i, Bare: bare}
			}
		}
		if !bare && first == "" {
			return e.Errorf("%s has no such column", t.Name)
		}
		number += len(t.Columns)
	}
	return nil
}

// resolveStatement marks the columns of elements in all expressions of a statement.
func resolveStatement(st *ast.Statement) error {
	for i, t := range st.Elements {
		if t.Joined != nil {
			if err := resolveOn(t, st.Elements[:i+1], st.Elements[i+1:]); err != nil {
				return err
			}
		}
		if err := resolve(t.Data, st.Elements[:i]); err != nil {
			return err
		}
	}
	for _, it := range st.Items {
		if err := resolve(it.Expr, st.Elements); err != nil {
			return err
		}
	}
	for _, g := range st.Group {
		if g.Op == ast.OpColumn && len(g.Path) == 1 && st.Aliased(g.Path[0]) != nil {
			continue // an alias of SELECT
		}
		if err := resolve(g, st.Elements); err != nil {
			return err
		}
	}
	if err := resolveHaving(st, st.Having); err != nil {
		return err
	}
	return resolve(st.Where, st.Elements)
}

// resolveHaving is resolve for HAVING, in which aliases of SELECT stand for items, except within aggregates.
func resolveHaving(st *ast.Statement, e *ast.Expr) error {
	switch {
	case e == nil || e.Op == ast.OpColumn && len(e.Path) == 1 && st.Aliased(e.Path[0]) != nil:
		return nil
	case e.Op == ast.OpColumn || e.IsAggregate() || e.Op == ast.OpCall && slices.Contains(ast.Composed, e.Name):
		return resolve(e, st.Elements)
	}
	for _, a := range e.Args {
		if err := resolveHaving(st, a); err != nil {
			return err
		}
	}
	return nil
}
