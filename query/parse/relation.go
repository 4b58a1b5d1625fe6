package parse

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/dolthub/vitess/go/vt/sqlparser"

	"github.com/sluice-etl/sluice/query/ast"
)

// A subquery in FROM, and a WITH, are names for expressions: where a SELECT uses a name of the one below it, the
// expression is put in its place, and the conditions of both WHEREs are joined by AND. So the statement that is compiled
// reads events directly. An expression whose name is used twice is evaluated twice, with the same value.

//
// A subquery with GROUP BY is more: its groups are counted, and what reads them is a Step. The names of such a subquery
// are columns of groups.

// relation is what a FROM names: events, or a SELECT over another relation.
type relation struct {
	name    string // qualifies its columns
	below   *relation
	columns []named        // the SELECT's; nil for events and SELECT *, which have the columns of the relation below
	where   *ast.Expr      // over events, or over groups; nil takes every record or group
	groups  *ast.Statement // makes the groups; nil if the relation is over events
}

// named is a column of a relation: a name for an expression over events.
type named struct {
	name string
	x    *ast.Expr
}

// scope holds the relations that a FROM can name beside events: those of WITH. Later ones hide earlier ones.
type scope struct {
	relations []*relation
	declared  []*ast.CreateTable // the tables that can be joined
	at        places
}

// with returns the scope within a statement that has a WITH.
func (s scope) with(w *sqlparser.With) (scope, error) {
	if w == nil {
		return s, nil
	}
	if w.Recursive {
		return s, errors.New("WITH RECURSIVE is not supported: a record is read once")
	}
	s.relations = slices.Clone(s.relations)
	for i, cte := range w.Ctes {
		name := cte.As.String()
		if slices.ContainsFunc(w.Ctes[:i], func(c *sqlparser.CommonTableExpr) bool { return strings.EqualFold(c.As.String(), name) }) {
			return s, fmt.Errorf("WITH %s: the name is given twice", name)
		}
		r, err := s.subquery(name, cte.Expr.(*sqlparser.Subquery).Select, cte.Columns)
		if err != nil {
			return s, err
		}
		s.relations = append(s.relations, r)
	}
	return s, nil
}

// from returns the relation that a SELECT reads.
func (s scope) from(sel *sqlparser.Select) (*relation, error) {
	want := errors.New("expected FROM events, or a subquery of it; a table of MySQL is joined by JOIN name ON name.column = expression")
	if len(sel.From) != 1 {
		return nil, want
	}
	want = s.at.at(sel.From[0], want)
	from, ok := sel.From[0].(*sqlparser.AliasedTableExpr)
	if !ok || from.AsOf != nil || from.Hints != nil || len(from.Partitions) > 0 || from.Lateral {
		return nil, want
	}
	as := from.As.String()
	switch table := from.Expr.(type) {
	case *sqlparser.Subquery:
		return s.subquery(as, table.Select, table.Columns)
	case sqlparser.TableName:
		if !table.DbQualifier.IsEmpty() {
			return nil, want
		}
		name := table.Name.String()
		r := &relation{name: "events"}
		if i := lastNamed(s, name); i >= 0 {
			named := *s.relations[i]
			r = &named
		} else if !strings.EqualFold(name, "events") {
			return nil, want
		}
		if as != "" {
			r.name = as
		}
		return r, nil
	}
	return nil, want
}

func lastNamed(s scope, name string) int {
	for i, r := range slices.Backward(s.relations) {
		if strings.EqualFold(r.name, name) {
			return i
		}
	}
	return -1
}

// subquery returns the relation of a SELECT in parentheses. names, if any, are those of its columns.
func (s scope) subquery(name string, sub sqlparser.SelectStatement, names sqlparser.Columns) (*relation, error) {
	r, err := s.relation(name, sub, names)
	if err != nil {
		return nil, fmt.Errorf("subquery %s: %w", name, err)
	}
	return r, nil
}

func (s scope) relation(name string, sub sqlparser.SelectStatement, names sqlparser.Columns) (*relation, error) {
	for paren, ok := sub.(*sqlparser.ParenSelect); ok; paren, ok = sub.(*sqlparser.ParenSelect) {
		sub = paren.Select
	}
	sel, ok := sub.(*sqlparser.Select)
	if !ok {
		return nil, errors.New("expected SELECT … FROM events: UNION and VALUES are not supported; write one INSERT … SELECT for each SELECT, several statements may write to one table")
	}
	r, err := s.names(name, sel)
	if err != nil {
		return nil, err
	}
	return r, r.rename(names)
}

// names returns the relation of a SELECT.
func (s scope) names(name string, sel *sqlparser.Select) (*relation, error) {
	if err := rejectClauses(sel, s.at); err != nil {
		return nil, err
	}
	if isGrouped(sel) {
		return s.grouped(name, sel)
	}
	s, err := s.with(sel.With)
	if err != nil {
		return nil, err
	}
	below, err := s.from(sel)
	if err != nil {
		return nil, err
	}
	r := &relation{name: name, below: below, groups: below.groups}
	if !selectsAll(sel) {
		if r.columns, err = below.items(sel.SelectExprs, s.at); err != nil {
			return nil, err
		}
	}
	var own *ast.Expr
	if sel.Where != nil {
		if own, err = (converter{places: s.at}).expr(sel.Where.Expr); err != nil {
			return nil, err
		}
		if err := below.checkWhere(own, r.columns); err != nil {
			return nil, err
		}
	}
	r.where, err = below.condition(own)
	return r, err
}

// selectsAll reports whether a SELECT is SELECT *.
func selectsAll(sel *sqlparser.Select) bool {
	if len(sel.SelectExprs) != 1 {
		return false
	}
	star, ok := sel.SelectExprs[0].(*sqlparser.StarExpr)
	return ok && star.TableName.IsEmpty()
}

// items returns the columns of a subquery that reads r.
func (r *relation) items(list sqlparser.SelectExprs, at places) (columns []named, err error) {
	for _, s := range list {
		a, ok := s.(*sqlparser.AliasedExpr)
		if !ok {
			return nil, errors.New("SELECT * beside other columns is not supported: name the columns that are used")
		}
		e, err := converter{places: at}.expr(a.Expr)
		if err != nil {
			return nil, err
		}
		name := a.As.String()
		switch {
		case e.Calls("hop"):
			return nil, e.Errorf("HOP makes several rows of a record, so it can only be in a SELECT with GROUP BY: write it in the outer SELECT and its GROUP BY")
		case e.Calls("session"):
			return nil, e.Errorf("SESSION makes groups, so it can only be in a SELECT with GROUP BY: write it in the outer SELECT and its GROUP BY")
		case name == "" && e.Op != ast.OpColumn:
			return nil, e.Errorf("it needs a name: write %s AS name", e.Text)
		case name == "":
			name = e.ColumnName()
		}
		if slices.ContainsFunc(columns, func(c named) bool { return strings.EqualFold(c.name, name) }) {
			return nil, fmt.Errorf("column %s is selected twice", name)
		}
		x, err := r.inline(e)
		if err != nil {
			return nil, err
		}
		columns = append(columns, named{name, x})
	}
	return columns, nil
}

// rename gives the columns the names of a list behind the relation's name.
func (r *relation) rename(names sqlparser.Columns) error {
	switch {
	case len(names) == 0:
		return nil
	case r.columns == nil:
		return errors.New("it lists columns, but SELECT * has no order of columns here: name them in SELECT")
	case len(names) != len(r.columns):
		return fmt.Errorf("the list of its columns has %d names, and its query %d", len(names), len(r.columns))
	}
	for i, name := range names {
		if slices.ContainsFunc(r.columns[:i], func(c named) bool { return strings.EqualFold(c.name, name.String()) }) {
			return fmt.Errorf("column %s is listed twice", name)
		}
		r.columns[i].name = name.String()
	}
	return nil
}

// events returns the name that qualifies columns of events in inlined expressions.
func (r *relation) events() string {
	for r.below != nil {
		r = r.below
	}
	return r.name
}

// passes reports whether any name can be a column of r, because r has the columns of events.
func (r *relation) passes() bool { return r.columns == nil && (r.below == nil || r.below.passes()) }

// checkWhere rejects aliases of a SELECT that reads r in its WHERE. If any name can be a column, such a name would
// silently be a column that no record has.
func (r *relation) checkWhere(where *ast.Expr, selected []named) error {
	if where == nil || !r.passes() {
		return nil
	}
	if where.Op == ast.OpColumn && len(where.Path) == 1 {
		for _, c := range selected {
			if strings.EqualFold(c.name, where.Path[0]) && !c.x.Mentions(where.Path[0]) {
				return where.Errorf("is an alias of SELECT, and WHERE is evaluated before SELECT: write %s, or %s.%s if a column of this name is meant", c.x.Text, r.name, where.Path[0])
			}
		}
	}
	for _, a := range where.Args {
		if err := r.checkWhere(a, selected); err != nil {
			return err
		}
	}
	return nil
}

// condition returns the condition of the records of a SELECT that reads r: that of r, and own over r's columns. Both may
// be nil. own is evaluated only for records of r.
func (r *relation) condition(own *ast.Expr) (*ast.Expr, error) {
	if own == nil {
		return r.where, nil
	}
	x, err := r.inline(own)
	if err != nil || r.where == nil {
		return x, err
	}
	below := &ast.Expr{Op: ast.OpIs, Name: "true", Args: []*ast.Expr{r.where}, Precision: -1, Scale: -1, Text: r.where.Text}
	x = &ast.Expr{Op: ast.OpAnd, Args: []*ast.Expr{below, x}, Precision: -1, Scale: -1, Text: r.where.Text + " and " + x.Text}
	return x, measure(x)
}

// inline returns an expression over the columns of r as one over events.
func (r *relation) inline(e *ast.Expr) (*ast.Expr, error) {
	x, err := r.replace(e)
	if err != nil {
		return nil, err
	}
	return x, measure(x)
}

func (r *relation) replace(e *ast.Expr) (*ast.Expr, error) {
	if e == nil {
		return nil, nil
	}
	if e.Op == ast.OpColumn {
		return r.column(e)
	}
	out := *e
	out.Args = make([]*ast.Expr, len(e.Args))
	for i, a := range e.Args {
		var err error
		if out.Args[i], err = r.replace(a); err != nil {
			return nil, err
		}
	}
	return &out, nil
}

// column returns what a column of r stands for.
func (r *relation) column(e *ast.Expr) (*ast.Expr, error) {
	out := *e
	if r.below == nil {
		out.Inner = true
		return &out, nil
	}
	path := e.Path
	if len(path) > 1 && strings.EqualFold(path[0], r.name) {
		path = path[1:]
	}
	if r.columns == nil {
		out.Path = path
		if len(path) > 1 && strings.EqualFold(path[0], r.below.name) {
			out.Path = append([]string{r.below.name}, path...) // else the name of a field would qualify
		}
		return r.below.column(&out)
	}
	i := slices.IndexFunc(r.columns, func(c named) bool { return strings.EqualFold(c.name, path[0]) })
	if i < 0 {
		var names []string
		for _, c := range r.columns {
			names = append(names, c.name)
		}
		return nil, e.Errorf("no such column in %s, which selects %s: add it there", r.name, strings.Join(names, ", "))
	}
	x := r.columns[i].x
	if x.OfGroup && (len(path) > 1 || e.JSONPath) {
		return nil, e.Errorf("%s is a column of groups, which has no fields: use the path within the subquery", path[0])
	}
	if x.OfGroup {
		out := *x
		out.From, out.To = e.From, e.To
		return &out, nil
	}
	if len(path) == 1 && !e.JSONPath {
		return x, nil
	}
	if x.Op != ast.OpColumn || x.JSONPath && (!x.Quoted || len(path) > 1) {
		return nil, e.Errorf("%s is %s, which is not a field: use the path within the subquery", path[0], x.Text)
	}
	out.Path = append(slices.Clone(x.Path), path[1:]...)
	out.Steps = append(slices.Clone(x.Steps), e.Steps...)
	out.Inner = true
	return &out, nil
}

// inlineStatement replaces the names of r, which a statement reads, in all its expressions.
func (r *relation) inlineStatement(st *ast.Statement) (err error) {
	var selected []named
	for i := range st.Items {
		it := &st.Items[i]
		if it.Alias == "" && it.Op == ast.OpColumn {
			it.Alias = it.ColumnName()
		}
		selected = append(selected, named{it.Alias, it.Expr})
	}
	if err := r.checkWhere(st.Where, selected); err != nil {
		return err
	}
	for i, g := range st.Group {
		if g.Op == ast.OpColumn && len(g.Path) == 1 && st.Aliased(g.Path[0]) != nil {
			continue // an alias of SELECT
		}
		if st.Group[i], err = r.inline(g); err != nil {
			return err
		}
	}
	if st.Having, err = r.inlineHaving(st, st.Having); err != nil {
		return err
	}
	for i := range st.Items {
		if st.Items[i].Expr, err = r.inline(st.Items[i].Expr); err != nil {
			return err
		}
	}
	st.Where, err = r.condition(st.Where)
	return err
}

// maxNodes is the maximum number of operators of an expression. Names of names of expressions could grow without bound.
const maxNodes = 20_000

// measure checks the size of an expression.
func measure(e *ast.Expr) error {
	nodes := 0
	var walk func(e *ast.Expr, depth int) error
	walk = func(e *ast.Expr, depth int) error {
		if e == nil {
			return nil
		}
		if nodes++; nodes > maxNodes || depth > maxDepth {
			return fmt.Errorf("with the expressions of its names, an expression has more than %d operators or is nested more than %d deep", maxNodes, maxDepth)
		}
		for _, a := range e.Args {
			if err := walk(a, depth+1); err != nil {
				return err
			}
		}
		return nil
	}
	return walk(e, 1)
}
