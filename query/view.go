package query

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-etl/sluice/fold"
	"github.com/sluice-etl/sluice/fold/value"
	"github.com/sluice-etl/sluice/query/ast"
	"github.com/sluice-etl/sluice/query/expr"
	"github.com/sluice-etl/sluice/query/parse"
	"github.com/sluice-etl/sluice/row"
)

// view adds the view of a table of groups to it. All statements into the table must have the same one.
func view(t *row.Table, programs []*program) error {
	for _, p := range programs {
		if own := p.table(); p.step == nil || !strings.EqualFold(own.FullName(), t.FullName()) {
			continue
		}
		v, err := p.view(t)
		switch {
		case err != nil:
			return fmt.Errorf("statement %d: %w", p.number+1, err)
		case t.View != nil && t.View.SQL != v.SQL:
			return fmt.Errorf("statement %d: it computes %s in another way from its groups than an earlier statement: both must write the same HAVING and outer SELECT", p.number+1, p.st.Table)
		}
		t.View = v
	}
	return nil
}

// checkViews rejects a view with the name of a table, and a table of groups that another statement writes directly.
func checkViews(tables []row.Table, programs []*program) error {
	for i := range tables {
		if tables[i].View == nil {
			continue
		}
		shown := tables[i].Shown()
		for _, p := range programs {
			own := p.table()
			if p.step == nil && (strings.EqualFold(own.FullName(), shown.FullName()) || strings.EqualFold(own.FullName(), tables[i].FullName())) {
				return fmt.Errorf("statement %d: it writes %s, but another statement makes %s a view of the table %s: statements into one table write the same HAVING and outer SELECT",
					p.number+1, own.FullName(), shown.FullName(), tables[i].FullName())
			}
		}
	}
	return nil
}

// view writes the view of a statement as SQL.
func (p *program) view(t *row.Table) (*row.View, error) {
	c := newComputation(t)
	c.step = p.step
	var items, group, where []string
	for _, it := range p.step.items {
		text := it.sql
		if text == "" {
			text = c.item(it.x)
		}
		items = append(items, text+" AS "+quoted(it.name))
		if it.key {
			group = append(group, text)
		}
	}
	c.outside = true
	for _, e := range p.step.where {
		where = append(where, c.condition(e))
	}
	c.outside = false
	from := quoted(t.Name)
	if t.Schema != "" {
		from = quoted(t.Schema) + "." + from
	}
	if p.step.session != nil {
		from = p.step.session.from(t, from)
	}
	text := "SELECT " + strings.Join(items, ", ") + " FROM " + from
	if len(where) > 0 {
		text += " WHERE " + strings.Join(where, " AND ")
	}
	if len(group) > 0 {
		text += " GROUP BY " + strings.Join(group, ", ")
	}
	if p.step.having != nil {
		text += " HAVING " + c.condition(p.step.having)
	}
	if c.large || len(text) > maxSQL {
		return nil, fmt.Errorf("the view %s would have more than %d bytes of SQL: compute with fewer columns, or when you select", p.st.Table, maxSQL)
	}
	same := func(stored, database string) bool { return sameView(text, stored, database) }
	return &row.View{Name: p.st.Table, SQL: text, Windows: p.step.session != nil, IsSame: same}, c.Err
}

func quoted(name string) string { return "`" + strings.ReplaceAll(name, "`", "``") + "`" }

// portable holds the aggregates that a view can have: all servers have them, with one result.
var portable = []string{"count", "sum", "min", "max"}

// item returns an item of the view in SQL. A column, and an aggregate of a column, has the type that the server gives it;
// everything else is an expression of numbers.
func (c *computation) item(e *ast.Expr) string {
	if e.Op == ast.OpColumn {
		return quoted(e.Path[0])
	}
	switch {
	case !c.isPlain(e):
	case e.Star:
		return "COUNT(*)"
	case e.Distinct:
		return strings.ToUpper(e.Name) + "(DISTINCT " + quoted(e.Args[0].Path[0]) + ")"
	default:
		return strings.ToUpper(e.Name) + "(" + quoted(e.Args[0].Path[0]) + ")"
	}
	x := c.Number(c.Compile(e))
	if c.Err == nil && x.Kind == value.KindNull {
		c.Fail(e, "is always NULL")
	}
	if c.Err != nil {
		return "NULL"
	}
	return c.rounded(e, scaleOf(x))
}

// isPlain reports whether an item is COUNT(*), or an aggregate of a column that servers compute alike.
func (c *computation) isPlain(e *ast.Expr) bool {
	if !e.IsAggregate() || !c.step.grouped || !slices.Contains(portable, e.Name) || e.Star != (len(e.Args) == 0) || len(e.Args) > 1 {
		return false
	}
	if e.Star {
		return e.Name == "count"
	}
	return e.Args[0].Op == ast.OpColumn && c.suits(e)
}

// suits reports whether an aggregate of a column has one result on every server: what is not a number is only counted
// and compared, and only where the column compares its values by their bytes.
func (c *computation) suits(e *ast.Expr) bool {
	of := c.table.Column(e.Args[0].Path[0])
	switch {
	case of == nil: // a computed column
		return true
	case of.Kind == row.Int || of.Kind == row.Decimal:
		return true
	case of.Kind == row.Datetime:
		return e.Name != "sum"
	case of.Kind == row.Text && (of.Traits().Key || of.Traits().Ordered):
		return e.Name != "sum"
	}
	return e.Name == "count" && !e.Distinct
}

// aggregate compiles an aggregate of the rows of a group of the view. It has a type, and a value only in a dry run.
func (c *computation) aggregate(e *ast.Expr) expr.Compiled {
	x := expr.Compiled{Source: e, Type: value.Type{Kind: value.KindInt}, Eval: func(*fold.Env) value.Value { return value.Null }}
	of := expr.Compiled{}
	switch {
	case c.step == nil || !c.step.grouped || c.outside:
		return c.Fail(e, "an aggregate of groups cannot be here: write it in the outer SELECT or HAVING")
	case c.inside:
		return c.Fail(e, "an aggregate cannot contain another: an expression of aggregates is outside of them, such as SUM(x) / COUNT(*)")
	case !slices.Contains(portable, e.Name):
		return c.Fail(e, "expected COUNT, SUM, MIN, MAX or AVG of one column or expression in an outer SELECT")
	case e.Star && e.Name == "count":
	case e.Star || len(e.Args) != 1:
		return c.Fail(e, "%s takes one argument", strings.ToUpper(e.Name))
	case e.Distinct && e.Name != "min" && e.Name != "max":
		return c.Fail(e, "DISTINCT takes a column of the subquery, and is an item of its own")
	default:
		c.inside = true
		of = c.Number(c.Compile(e.Args[0]))
		c.inside = false
		if e.Name != "count" {
			x.Type = of.Type
			x.Nullable = true
		}
	}
	if c.rows != nil {
		x.Eval = c.rows.add(viewAggregate{name: e.Name, x: of.Eval, kind: row.Decimal})
	}
	return x
}

// aggregateSQL writes an aggregate of the rows of a group of the view.
func (c *computation) aggregateSQL(e *ast.Expr) string {
	if e.Star {
		return "COUNT(*)"
	}
	c.inside = true
	defer func() { c.inside = false }()
	return strings.ToUpper(e.Name) + "(" + c.sql(e.Args[0]) + ")"
}

// sameView reports whether two texts of a view mean the same: ours, and the form in which a server shows it, with the
// names of the schema and the table at each column. database is the schema of names without one.
func sameView(ours, stored, database string) bool {
	a, err := viewForm(ours, database)
	if err != nil {
		return false
	}
	b, err := viewForm(stored, database)
	return err == nil && a == b
}

func viewForm(text, database string) (string, error) {
	levels, err := parse.View(text)
	if err != nil {
		return "", err
	}
	var plain func(e *ast.Expr) *ast.Expr
	plain = func(e *ast.Expr) *ast.Expr {
		out := mapArgs(e, plain)
		switch {
		case out == nil:
		case out.Op == ast.OpColumn:
			out.Path = out.Path[len(out.Path)-1:]
		case out.IsAggregate() && out.Star: // servers show COUNT(0)
			out.Star, out.Args = false, []*ast.Expr{{Op: ast.OpInt, Name: "0"}}
		}
		return out
	}
	var form []string
	for _, v := range levels {
		for _, it := range v.Items {
			if it.Alias == "" {
				return "", errors.New("an item has no name")
			}
			form = append(form, fmt.Sprintf("%q %s", strings.ToLower(it.Alias), normalForm(plain(it.Expr))))
		}
		form = append(form, "where "+normalForm(plain(v.Where)), "having "+normalForm(plain(v.Having)))
		for _, g := range v.Group {
			form = append(form, "group by "+normalForm(plain(g)))
		}
		form = append(form, "from")
	}
	table := levels[len(levels)-1]
	schema := table.Schema
	if schema == "" {
		schema = database
	}
	form = append(form, fmt.Sprintf("%q.%q", strings.ToLower(schema), strings.ToLower(table.Table)))
	return strings.Join(slices.Clip(form), "\n"), nil
}
