package query

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/sluice-etl/sluice/fold/value"
	"github.com/sluice-etl/sluice/query/ast"
)

// groupedOutputs compiles SELECT … GROUP BY.
func (c *builder) groupedOutputs(p *program, names []string, aggregated bool) error {
	st := c.Statement
	if !aggregated && keptBy(st) == nil && !hasStep(st) {
		for _, it := range st.Items {
			c.Compile(it.Expr) // for AVG, its error is better than the one below
		}
		if c.Err != nil {
			return c.Err
		}
		return fmt.Errorf("GROUP BY without an aggregate: add COUNT(*) AS n to SELECT")
	}
	if len(st.Group) == 0 {
		p.keys = append(p.keys, c.oneRow(names))
	}
	keyOf := make([]bool, len(st.Items))
	keys, err := c.keyItems(st)
	if err != nil {
		return err
	}
	for _, i := range keys {
		keyOf[i] = true
		p.keys = append(p.keys, c.key(names[i], names, st.Items[i].Expr))
	}
	for i, it := range st.Items {
		switch {
		case keyOf[i]:
		case it.IsAggregate():
			c.addCell(p, names, c.aggregate(names[i], it.Expr))
		case keptBy(st) != nil && !it.HasAggregate():
			p.cells = append(p.cells, c.value(names[i], it.Expr, keptBy(st).value))
		case it.HasAggregate(): // below, because it uses the cells of all other items
		default:
			if c.Compile(it.Expr); c.Err != nil {
				return c.Err // for AVG, its error is better than the one below
			}
			return it.Errorf("it is neither in GROUP BY nor an aggregate, so a group has no single value for it: add it to GROUP BY, write MIN(%s) or MAX(%s), or write REPLACE INTO, which keeps that of the last record", it.Text, it.Text)
		}
	}
	if keptBy(st) != nil {
		c.state(p, names)
	}
	for i, it := range st.Items {
		if !keyOf[i] && it.HasAggregate() && !it.IsAggregate() {
			c.computed(p, names, keyOf, i)
		}
	}
	return nil
}

// keyItems returns the indexes of the SELECT items in GROUP BY, in its order.
func (c *builder) keyItems(st *ast.Statement) (keys []int, err error) {
	for _, g := range st.Group {
		i, err := c.groupItem(st, g)
		if err != nil {
			return nil, err
		}
		if slices.Contains(keys, i) {
			return nil, g.Place(fmt.Errorf("GROUP BY %s: the column is listed twice", g.Text))
		}
		keys = append(keys, i)
	}
	return keys, nil
}

// groupItem returns the index of the SELECT item to which a GROUP BY expression refers: by position, by alias or by
// text, in this order.
func (c *builder) groupItem(st *ast.Statement, g *ast.Expr) (int, error) {
	found := -1
	if g.Op == ast.OpInt {
		n, err := strconv.Atoi(g.Name)
		if err != nil || n < 1 || n > len(st.Items) {
			return 0, g.Place(fmt.Errorf("GROUP BY %s: SELECT has %d items", g.Text, len(st.Items)))
		}
		found = n - 1
	}
	if found < 0 && g.Op == ast.OpColumn && len(g.Path) == 1 {
		found = slices.IndexFunc(st.Items, func(it ast.Item) bool { return strings.EqualFold(it.Alias, g.Path[0]) })
	}
	if found < 0 {
		found = slices.IndexFunc(st.Items, func(it ast.Item) bool {
			if it.Op == ast.OpColumn && g.Op == ast.OpColumn {
				return slices.EqualFunc(st.Unqualified(it.Path), st.Unqualified(g.Path), strings.EqualFold)
			}
			return it.Expr.Equal(c.expand(g))
		})
	}
	if found < 0 {
		return 0, g.Place(fmt.Errorf("GROUP BY %s: it is not in SELECT, so the table could not distinguish its groups: add it to SELECT", g.Text))
	}
	if st.Items[found].HasAggregate() {
		return 0, g.Place(fmt.Errorf("GROUP BY %s: it is the aggregate %s; give the aggregate another alias if the field is meant", g.Text, st.Items[found].Text))
	}
	return found, nil
}

// key compiles a column of the group's key. names are the columns of all items.
func (c *builder) key(name string, names []string, e *ast.Expr) output {
	c.NotNull, c.WindowTime = c.excludesNull(), c.windowTimes()
	x := c.keyValue(e)
	c.NotNull, c.WindowTime = nil, nil
	x.Source = e
	if x.Kind == value.KindJSON {
		x = c.Text(x)
	}
	switch {
	case x.Kind == value.KindNull:
		c.Fail(e, "is always NULL, so it distinguishes no groups: leave it out")
	case x.Kind == value.KindDouble:
		c.Fail(e, "is a DOUBLE, which has no exact key: write CAST(%s AS DECIMAL(p,s))", e.Text)
	case x.Kind == value.KindDecimal && x.Scale == value.AnyScale:
		c.Fail(e, "is a number of any scale, but a key column has one scale: write CAST(%s AS SIGNED) or CAST(%s AS DECIMAL(p,s))", e.Text, e.Text)
	}
	if x.Nullable {
		c.checkNullKey(name, names, e)
	}
	return output{name: name, key: true, x: x, kind: x.Column()}
}
