package query

import (
	"slices"
	"strings"

	"github.com/sluice-etl/sluice/fold"
	"github.com/sluice-etl/sluice/fold/aggregate"
	"github.com/sluice-etl/sluice/fold/value"
	"github.com/sluice-etl/sluice/query/ast"
	"github.com/sluice-etl/sluice/query/expr"
	"github.com/sluice-etl/sluice/row"
)

// MIN_BY(x, y) and MAX_BY(x, y) keep the value x of one row. Which one, a hidden column decides: the order, which is y and
// then the position of the row in Kafka (row.OrderPosition), because several rows can have the same y. FIRST(x) and
// LAST(x) are the same with the record's timestamp in Kafka as y.

// choosers maps the functions to whether they choose the highest order.
var choosers = map[string]bool{"min_by": false, "max_by": true, "first": false, "last": true}

// orderSuffix ends the name of the hidden column of an order, which begins with the name of the first column that it
// chooses. The lowest and the highest have different names, so that no query takes the one for the other.
var orderSuffix = map[bool]string{false: "__min", true: "__max"}

// isChosen reports whether an aggregate keeps the value of one row.
func isChosen(e *ast.Expr) bool { _, ok := choosers[e.Name]; return ok }

// chosen compiles an aggregate that keeps the value of one row: the column that shows it, whose output has the order.
func (c *builder) chosen(name string, e *ast.Expr) output {
	o := output{name: name, aggregate: aggregate.Chosen, source: e}
	highest, byTime, function := choosers[e.Name], e.Name == "first" || e.Name == "last", strings.ToUpper(e.Name)
	extreme := "lowest"
	if highest {
		extreme = "highest"
	}
	switch {
	case byTime && (len(e.Args) != 1 || e.Star || e.Distinct):
		c.Fail(e, "expected %s(x), the x of the record with the %s timestamp in Kafka", function, extreme)
		return o
	case !byTime && (len(e.Args) != 2 || e.Star || e.Distinct):
		c.Fail(e, "expected %s(x, y), the x of the record with the %s y", function, extreme)
		return o
	case slices.ContainsFunc(e.Args, (*ast.Expr).HasAggregate):
		c.Fail(e, "an aggregate cannot contain another: an expression of aggregates is outside of them, such as SUM(x) / COUNT(*)")
		return o
	}
	if c.Compile(e.Args[0]).Kind == value.KindNull {
		c.Fail(e, "%s of NULL is always NULL", function)
		return o
	}
	o = c.value(name, e.Args[0], aggregate.Chosen)
	o.source = e
	by, of := c.kafkasTime(), []*ast.Expr(nil)
	if !byTime {
		by, of = c.ordering(e, e.Args[1]), e.Args[1:]
	}
	if c.Err != nil {
		return o
	}
	order := output{aggregate: aggregate.Order, kind: row.Bytes, hidden: true, of: of}
	order.x = expr.Compiled{Type: value.Type{Kind: value.KindText, Bytes: true, Nullable: by.Nullable}, Source: by.Source, Eval: c.order(e, by)}
	values := kindsOf([]expr.Compiled{by})
	o.merge, order.merge = row.OfLowest, row.Lowest(values)
	if highest {
		o.merge, order.merge = row.OfHighest, row.Highest(values)
	}
	o.x.Nullable = o.x.Nullable || by.Nullable
	o.order = &order
	return o
}

// kafkasTime returns the record's timestamp in Kafka, whatever fields an event has.
func (c *builder) kafkasTime() expr.Compiled {
	x, _ := expr.RecordColumn("_timestamp", true)
	x.Source = &ast.Expr{Op: ast.OpColumn, Path: []string{"_timestamp"}, Text: "_timestamp"}
	return x
}

// ordering compiles the ordering value of a call.
func (c *builder) ordering(call, y *ast.Expr) expr.Compiled {
	x := c.Compile(y)
	x.Source = y
	name, of := strings.ToUpper(call.Name), call.Args[0].Text
	switch x.Kind {
	case value.KindNull:
		c.Fail(call, "%s is always NULL, so it chooses no record: write FIRST(%s) or LAST(%s) for the order of time", y.Text, of, of)
	case value.KindJSON:
		c.Fail(call, "%s is a JSON field, and text and numbers compare differently: write %s(%s, CAST(%s AS CHAR)) or %s(%s, CAST(%s AS DECIMAL(p,s)))",
			y.Text, name, of, y.Text, name, of, y.Text)
	}
	return x
}

// maxOrderBytes is the maximum number of bytes of a text that orders. A zero byte takes two in its order, and a BLOB has
// to hold the order.
const maxOrderBytes = 16 << 10

// order returns what computes the order of a row. by is the ordering value.
func (c *builder) order(call *ast.Expr, by expr.Compiled) func(*fold.Env) value.Value {
	text, source := call.Text, by.Source.Text
	numbered, number := c.numbered, c.number
	position := row.OrderPosition{Statement: c.statementNumber}
	return func(e *fold.Env) value.Value {
		v := by.Eval(e)
		switch {
		case e.Reason != "":
			return value.Null
		case !v.Set && !by.Nullable:
			return e.Fail("%s: %s is NULL, so the record has no place in the order", text, source)
		case !v.Set:
			return value.Null
		case len(v.Bytes) > maxOrderBytes:
			return e.Fail("%s orders by a text of %d bytes, must have at most %d (LEFT(text, %d) cuts): %s",
				text, value.RecordNumber(len(v.Bytes)), maxOrderBytes, maxOrderBytes/4, value.Quote(v.Bytes))
		}
		p := position
		p.Topic, p.Partition, p.Offset, p.Index = e.TopicID, e.Partition.ID, e.Record.Offset, e.Index
		if numbered {
			p.Element = e.Row[number].Number.Lo
		}
		from := len(e.Text)
		e.Text = aggregate.AppendOrder(e.Text, &v, by.Kind)
		e.Text = row.AppendOrderPosition(e.Text, p)
		return value.Text(e.Text[from:len(e.Text):len(e.Text)])
	}
}
