package query

import (
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
