package query

import (
	"slices"
	"strings"

	"github.com/sluice-etl/sluice/fold"
	"github.com/sluice-etl/sluice/fold/value"
	"github.com/sluice-etl/sluice/query/expr"
	"github.com/sluice-etl/sluice/row"
)

// Aggregates without GROUP BY are those of all records that WHERE selects: one row. An upsert needs a key, so the table
// has a hidden column that is always 0.

// oneRowColumn is the name of the key of a table with one row.
const oneRowColumn = "etl__row"

// oneRow returns the key of a statement without GROUP BY. names are the columns of all items.
func (c *builder) oneRow(names []string) output {
	if i := slices.IndexFunc(names, func(n string) bool { return strings.EqualFold(n, oneRowColumn) }); i >= 0 {
		c.Fail(c.Statement.Items[i].Expr, "its column is %s, which is the key of a table with one row: give it another alias", oneRowColumn)
	}
	x := expr.Compiled{Type: value.Type{Kind: value.KindInt}, Eval: func(*fold.Env) value.Value { return value.Int(0) }}
	return output{name: oneRowColumn, key: true, hidden: true, x: x, kind: row.Int}
}
