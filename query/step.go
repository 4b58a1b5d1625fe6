package query

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-etl/sluice/query/ast"
)

// HAVING, and a SELECT that reads the groups of a subquery, depend on all records of a group. A group grows with every
// batch, so neither can be kept by adding to a row. The groups are counted in a table of their own, t__groups, and t is a
// view of it (row.View), which the server evaluates whenever it is read. The fold and the sink see only the table.
//
// The SQL of the view is ours, and its result must not depend on the session that reads it. So it has columns,
// aggregates of columns, and the expressions of numbers that computed columns have, too (computedsql.go). Everything that
// follows from the group's key alone is evaluated for each record instead, where the whole language is available: such a
// condition is moved to WHERE, and such an item of the outer GROUP BY becomes a further column of the key. The key of the
// groups determines its value, so it divides no group.

// groupsSuffix ends the name of the table of groups.
const groupsSuffix = "__groups"

// step is what a view computes from a table of groups. In its expressions, columns are those of the table, by the names
// that they have there.
type step struct {
	items   []stepItem
	where   []*ast.Expr // joined by AND
	having  *ast.Expr   // nil if there is none
	grouped bool        // the view has aggregates, of the rows with the same values of its keys
	session *session    // nil if the groups are not parts of sessions
}

// stepItem is a column of the view.
type stepItem struct {
	name string
	key  bool // in the outer GROUP BY
	x    *ast.Expr
	sql  string // in place of x
}

// hasStep reports whether a statement's target is a view.
func hasStep(st *ast.Statement) bool {
	return st.Having != nil || st.Step != nil || sessionItem(st) >= 0
}

// stepBuilder compiles the step of a statement.
type stepBuilder struct {
	*builder
	names  []string    // of the columns of the groups, one for each item of the statement
	shown  []string    // of the columns of the view, if there are sessions
	keys   []int       // the items in GROUP BY
	having []*ast.Expr // conditions of HAVING over columns of the groups and aggregates
}

// groupNames returns the column of each SELECT item in the table that the statement writes.
func groupNames(st *ast.Statement) ([]string, error) {
	if st.Step == nil {
		return columnNames(st)
	}
	inner := *st
	inner.Columns = nil
	return columnNames(&inner)
}

// newStep begins the step of a statement: it moves to WHERE the conditions that follow from the key. It returns nil if
// the statement has none.
func (c *builder) newStep(p *program, names []string) (*stepBuilder, error) {
	st := c.Statement
	if !hasStep(st) {
		return nil, nil
	}
	switch {
	case !p.grouped:
		if i := sessionItem(st); i >= 0 {
			c.Compile(st.Items[i].Expr) // fails, with what to write
			return nil, c.Err
		}
		return nil, errors.New("HAVING needs GROUP BY: write the condition in WHERE")
	case keptBy(st) != nil:
		return nil, fmt.Errorf("%s takes neither HAVING, SESSION nor a subquery with GROUP BY: leave HAVING out, and select from the table with WHERE", keptBy(st).words)
	case len(st.Table)+len(groupsSuffix) > maxName:
		return nil, fmt.Errorf("the groups would be counted in the table %s%s, and a table name has at most %d bytes: give %s a shorter name", st.Table, groupsSuffix, maxName, st.Table)
	}
	keys, err := c.keyItems(st)
	if err != nil {
		return nil, err
	}
	b := &stepBuilder{builder: c, names: names, keys: keys}
	p.step = &step{}
	if sessionItem(st) >= 0 {
		if b.newSession(p); c.Err != nil {
			return nil, c.Err
		}
	}
	b.having = b.moved(conjuncts(nil, b.overGroups(c.expand(st.Having))))
	if st.Step != nil {
		p.step.where = b.moved(conjuncts(nil, b.expandOuter(st.Step.Where)))
	}
	return b, c.Err
}

// moved moves the conditions that follow from the key to WHERE, and returns the others.
func (b *stepBuilder) moved(conditions []*ast.Expr) (others []*ast.Expr) {
	st := b.Statement
	for _, e := range conditions {
		if x := b.ofRecord(e); x == nil {
			others = append(others, e)
		} else if st.Where == nil {
			st.Where = x
		} else {
			selected := &ast.Expr{Op: ast.OpIs, Name: "true", Args: []*ast.Expr{st.Where}, Precision: -1, Scale: -1, Text: st.Where.Text}
			st.Where = &ast.Expr{Op: ast.OpAnd, Args: []*ast.Expr{selected, x}, Precision: -1, Scale: -1, Text: st.Where.Text + " and " + x.Text}
		}
	}
	return others
}

// conjuncts appends the conditions that AND joins. IS TRUE changes nothing for a condition of a SELECT.
func conjuncts(list []*ast.Expr, e *ast.Expr) []*ast.Expr {
	switch {
	case e == nil:
		return list
	case e.Op == ast.OpAnd:
		return conjuncts(conjuncts(list, e.Args[0]), e.Args[1])
	case e.Op == ast.OpIs && e.Name == "true" && !e.Not:
		return conjuncts(list, e.Args[0])
	}
	return append(list, e)
}

// column returns a column of the groups.
func (b *stepBuilder) column(i int, text string) *ast.Expr {
	return &ast.Expr{Op: ast.OpColumn, Path: []string{b.names[i]}, OfGroup: true, Text: text, Precision: -1, Scale: -1}
}

// item returns the item of which a column of the groups holds the values.
func (b *stepBuilder) item(e *ast.Expr) int {
	return slices.IndexFunc(b.names, func(n string) bool { return strings.EqualFold(n, e.Path[0]) })
}

// overGroups returns HAVING with columns of the groups in place of aliases and of items of the key. Aggregates stay.
func (b *stepBuilder) overGroups(e *ast.Expr) *ast.Expr {
	if e == nil || e.IsAggregate() {
		return e
	}
	st := b.Statement
	aliased := -1
	if e.Op == ast.OpColumn && len(e.Path) == 1 && !e.JSONPath && !e.Inner {
		aliased = slices.IndexFunc(st.Items, func(it ast.Item) bool { return strings.EqualFold(it.Alias, e.Path[0]) })
	}
	for _, k := range b.keys {
		if !b.sameValue(st.Items[k].Expr, e) {
			continue
		}
		if aliased >= 0 && aliased != k {
			b.Fail(e, "is an alias of SELECT and an item of GROUP BY: give the alias another name")
		}
		return b.column(k, e.Text)
	}
	if aliased >= 0 {
		return b.column(aliased, e.Text)
	}
	if e.Op == ast.OpColumn {
		b.Fail(e, "it is neither in GROUP BY nor in an aggregate, so a group has no single value for it: write the condition in WHERE, or MIN(%s) or MAX(%s)", e.Text, e.Text)
	}
	return mapArgs(e, b.overGroups)
}

// mapArgs returns an expression with other arguments.
func mapArgs(e *ast.Expr, change func(*ast.Expr) *ast.Expr) *ast.Expr {
	if e == nil {
		return nil
	}
	out := *e
	out.Args = make([]*ast.Expr, len(e.Args))
	for i, a := range e.Args {
		out.Args[i] = change(a)
	}
	return &out
}

// ofRecord returns an expression over columns of the groups as one over events, if it follows from the group's key;
// otherwise nil.
func (b *stepBuilder) ofRecord(e *ast.Expr) *ast.Expr {
	ok := true
	var replace func(e *ast.Expr) *ast.Expr
	replace = func(e *ast.Expr) *ast.Expr {
		switch {
		case e == nil:
			return nil
		case e.IsAggregate():
			ok = false
			return e
		case e.Op == ast.OpColumn && e.OfGroup:
			i := b.item(e)
			ok = ok && slices.Contains(b.keys, i)
			return inner(b.Statement.Items[i].Expr)
		}
		return mapArgs(e, replace)
	}
	x := replace(e)
	if !ok || x.Calls("hop") || x.Calls("session") {
		return nil
	}
	return x
}

// inner returns an expression over events whose columns are no aliases of SELECT.
func inner(e *ast.Expr) *ast.Expr {
	out := mapArgs(e, inner)
	if out != nil && out.Op == ast.OpColumn {
		out.Inner = true
	}
	return out
}

// finish completes the step of a statement whose columns are known.
func (b *stepBuilder) finish(p *program) error {
	st, s := b.Statement, p.step
	hidden := 0
	var cells func(e *ast.Expr) *ast.Expr
	cells = func(e *ast.Expr) *ast.Expr {
		if e != nil && e.IsAggregate() {
			return columnFor(b.cellOf(p, b.names, "having", e, &hidden), e)
		}
		return mapArgs(e, cells)
	}
	for i, e := range b.having {
		b.having[i] = cells(e)
	}
	if s.session != nil {
		b.sessions(p)
		return nil
	}
	s.where = append(b.having, s.where...)
	if st.Step == nil {
		for i, name := range b.names {
			s.items = append(s.items, stepItem{name: name, x: b.column(i, name)})
		}
		return nil
	}
	return b.outer(p)
}

// outer compiles the outer SELECT.
func (b *stepBuilder) outer(p *program) error {
	s := p.step
	st := &ast.Statement{Table: b.Statement.Table, Columns: b.Statement.Columns, Items: b.Statement.Step.Items, Group: b.Statement.Step.Group}
	names, err := columnNames(st)
	if err != nil {
		return err
	}
	for i := range st.Items {
		st.Items[i].Expr = b.expandOuter(st.Items[i].Expr)
	}
	keys, err := b.keyItems(st)
	if err != nil {
		return err
	}
	s.having = b.aliases(st, b.expandOuter(b.Statement.Step.Having))
	s.grouped = len(keys) > 0 || s.having != nil || slices.ContainsFunc(st.Items, func(it ast.Item) bool { return it.HasAggregate() })
	var made []output
	for i, it := range st.Items {
		item := stepItem{name: names[i], key: slices.Contains(keys, i), x: it.Expr}
		if item.key && it.Op != ast.OpColumn {
			if x := b.ofRecord(it.Expr); x != nil {
				if b.taken(p, names[i]) {
					b.Fail(it.Expr, "its column %s is a column of the subquery, too: give one of them another alias", names[i])
				}
				made = append(made, b.key(names[i], slices.Concat(b.names, names), x))
				item.x = columnFor(names[i], it.Expr)
			}
		}
		s.items = append(s.items, item)
	}
	p.keys = append(made, p.keys...)
	if s.grouped {
		for _, it := range s.items {
			if !it.key {
				b.checkGrouped(s, it.x)
			}
		}
		b.checkGrouped(s, s.having)
	}
	return nil
}

// expandOuter replaces AVG in an outer SELECT.
func (b *stepBuilder) expandOuter(e *ast.Expr) *ast.Expr {
	out := mapArgs(e, b.expandOuter)
	if out == nil || out.Op != ast.OpCall || !slices.Contains(ast.Composed, out.Name) {
		return out
	}
	if out.Name != "avg" || len(out.Args) != 1 || out.Star || out.Distinct {
		b.Fail(e, "expected COUNT, SUM, MIN, MAX or AVG of one column or expression in an outer SELECT")
		return out
	}
	return arith(e.Text, "/", totalOf(out, "sum", out.Args[0]), totalOf(out, "count", out.Args[0]))
}

// taken reports whether the table of groups has a column of that name.
func (b *stepBuilder) taken(p *program, name string) bool {
	same := func(o output) bool { return strings.EqualFold(o.name, name) }
	return slices.ContainsFunc(p.keys, same) || slices.ContainsFunc(p.cells, same) ||
		slices.ContainsFunc(b.names, func(n string) bool { return strings.EqualFold(n, name) })
}

// aliases returns the HAVING of an outer SELECT with the items that its aliases stand for.
func (b *stepBuilder) aliases(st *ast.Statement, e *ast.Expr) *ast.Expr {
	if e == nil || e.Op != ast.OpColumn || e.OfGroup {
		return mapArgs(e, func(a *ast.Expr) *ast.Expr { return b.aliases(st, a) })
	}
	it := st.Aliased(e.Path[0])
	if it == nil || !it.IsAggregate() && it.Op != ast.OpColumn {
		b.Fail(e, "cannot be in the outer HAVING: write the aggregate that it stands for")
		return e
	}
	return it.Expr
}

// checkGrouped rejects columns that have no single value for the rows of a group of the view.
func (b *stepBuilder) checkGrouped(s *step, e *ast.Expr) {
	if e == nil || e.IsAggregate() {
		return
	}
	if e.Op == ast.OpColumn && !slices.ContainsFunc(s.items, func(it stepItem) bool { return it.key && it.x.Op == ast.OpColumn && it.x.Path[0] == e.Path[0] }) {
		b.Fail(e, "it is neither in the outer GROUP BY nor in an aggregate, so a group has no single value for it: add it to GROUP BY, or write MIN(%s) or MAX(%s)", e.Text, e.Text)
	}
	for _, a := range e.Args {
		b.checkGrouped(s, a)
	}
}
