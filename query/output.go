package query

import (
	"cmp"
	"slices"
	"strings"

	"github.com/sluice-etl/sluice/fold"
	"github.com/sluice-etl/sluice/fold/aggregate"
	"github.com/sluice-etl/sluice/query/ast"
	"github.com/sluice-etl/sluice/query/expr"
	"github.com/sluice-etl/sluice/row"
)

// output is one column of the rows that a statement writes.
type output struct {
	name string
	key  bool
	// aggregate is the function that computes a column that is not part of the key.
	aggregate aggregate.Func
	x         expr.Compiled // the key's value or the aggregate's argument; unset for COUNT(*)
	kind      row.Kind      // of the column that the query would create
	source    *ast.Expr     // the aggregate in the query's text; nil for a key, and for a row per record
	hidden    bool          // only computed columns read it, or it is a state
	keepScale bool          // row.Column.KeepScale
	// merge is that of the columns of a sketch, and of those that an order chooses; nil for others, whose merge is that of
	// the aggregate. state is the sketch that a derived column shows, and order the order that chooses a column's value.
	merge row.Merge
	state *output
	order *output
	of    []*ast.Expr // of a sketch: the arguments of its aggregate; of an order: the ordering value, none for Kafka's timestamp
}

// mergeKind returns how values of the column are merged.
func (o *output) mergeKind() row.Merge {
	if o.key {
		return row.Key
	}
	if o.merge != nil {
		return o.merge
	}
	return o.aggregate.Merge()
}

// columnOf returns the column as package fold computes it.
func (o *output) columnOf() fold.Column {
	return fold.Column{Name: o.name, Aggregate: o.aggregate, Kind: o.x.Kind, Eval: o.x.Eval}
}

// companion returns the sketch or the order of a column; nil if it has none.
func (o *output) companion() *output { return cmp.Or(o.state, o.order) }

// addCell adds the column of an aggregate, and its sketch or order, unless another column has the same. names are the
// columns of all items.
func (c *builder) addCell(p *program, names []string, o output) {
	of, what, suffix := &o.state, "sketch", sketchSuffix
	if o.order != nil {
		of, what, suffix = &o.order, "order", orderSuffix[choosers[o.source.Name]]
	}
	if *of == nil || c.Err != nil {
		p.cells = append(p.cells, o)
		return
	}
	for i := range p.cells {
		have := p.cells[i].companion()
		if have != nil && have.merge == (*of).merge && slices.EqualFunc(have.of, (*of).of, c.sameValue) {
			*of = have
			p.cells = append(p.cells, o)
			return
		}
	}
	(*of).name = o.name + suffix
	c.checkName(o.source, "its "+what+" would be in column", "it", (*of).name, names)
	p.cells = append(p.cells, o, **of)
}

// checkName rejects the name of a column that is made for an item of SELECT. place says what the name is for, and item
// which item needs a shorter alias.
func (c *builder) checkName(e *ast.Expr, place, item, name string, names []string) {
	switch {
	case len(name) > maxName:
		c.Fail(e, "%s %s, and a column name has at most %d bytes: give %s a shorter alias", place, name, maxName, item)
	case slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, name) }):
		c.Fail(e, "%s %s, which another item of SELECT has: give that another alias", place, name)
	}
}
