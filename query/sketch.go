package query

import (
	"strings"
	"unicode/utf8"

	"github.com/sluice-etl/sluice/fold"
	"github.com/sluice-etl/sluice/fold/aggregate"
	"github.com/sluice-etl/sluice/fold/value"
	"github.com/sluice-etl/sluice/query/ast"
	"github.com/sluice-etl/sluice/query/expr"
	"github.com/sluice-etl/sluice/row"
)

// Some aggregates need to know more than their value to add a record: COUNT(DISTINCT x) needs the values that were
// counted. This is the sketch, a state in a hidden column. The visible column shows what the sketch says, and is computed
// by the sink whenever it writes the sketch.

// sketchSuffix ends the name of a sketch's hidden column, which begins with the name of the column that shows it.
const sketchSuffix = "__state"

// isSketch reports whether an aggregate needs a sketch.
func isSketch(e *ast.Expr) bool {
	return e.Name == "count" && e.Distinct || e.Name == "group_concat" || isEstimate(e)
}

// isEstimate reports whether an aggregate is an approximation.
func isEstimate(e *ast.Expr) bool { return strings.HasPrefix(e.Name, "approx_") }

// sketch compiles an aggregate with a sketch: the column that shows it, whose output has the sketch as its state.
func (c *builder) sketch(name string, e *ast.Expr) output {
	o := output{name: name, aggregate: aggregate.Sketch, kind: row.Int, source: e}
	switch e.Name {
	case "approx_percentile":
		return c.percentile(o, e)
	case "group_concat":
		return c.list(o, e)
	}
	args := c.sketched(e)
	if c.Err != nil {
		return o
	}
	state := output{aggregate: aggregate.Sketch, kind: row.Bytes, hidden: true, of: e.Args}
	state.x.Kind = value.KindText
	switch e.Name {
	case "count":
		o.merge, state.merge = row.DistinctCount, row.Distinct(kindsOf(args))
		state.x.Eval = limited("COUNT", element(args))
	case "approx_count_distinct":
		o.merge, state.merge = row.DistinctEstimate, row.HyperLogLog(kindsOf(args))
		state.x.Eval = hashed(element(args))
	}
	o.state = &state
	return o
}

// percentile compiles APPROX_PERCENTILE(x, share). All of one x share a sketch.
func (c *builder) percentile(o output, e *ast.Expr) output {
	if len(e.Args) != 2 || e.Distinct || e.Star {
		c.Fail(e, "expected a number and a share from 0 to 1, such as (x, 0.95)")
		return o
	}
	share := e.Args[1]
	n, digits, ok := value.ParseDecimal([]byte(share.Name))
	if share.Op != ast.OpInt && share.Op != ast.OpDecimal || !ok || digits > row.MaxPercentileDigits || n.Sign() < 0 || n.Compare(row.Pow10(digits)) > 0 {
		c.Fail(share, "expected a constant from 0 to 1 with at most %d digits after the point, such as 0.95", row.MaxPercentileDigits)
		return o
	}
	of := *e
	of.Args = e.Args[:1]
	args := c.sketched(&of)
	if c.Err != nil {
		return o
	}
	x := args[0]
	if x.Kind == value.KindText && x.Source == e.Args[0] {
		x = c.Compile(e.Args[0]) // a JSON field is a number here
		x.Source = e.Args[0]
	}
	if x.Kind == value.KindDouble {
		c.Fail(e, "a DOUBLE can be so close to 0 that no bucket holds it: write APPROX_PERCENTILE(CAST(%s AS DECIMAL(p,s)), %s)", e.Args[0].Text, share.Text)
		return o
	}
	x = c.Number(x)
	eval := x.Eval
	state := output{aggregate: aggregate.Sketch, kind: row.Bytes, hidden: true, of: of.Args, merge: row.Histogram}
	state.x.Kind = value.KindInt
	state.x.Eval = func(e *fold.Env) value.Value {
		v := eval(e)
		if !v.Set {
			return value.Null
		}
		return aggregate.Bucket(&v)
	}
	share64, _ := n.Int64()
	o.kind, o.x.Nullable = row.Double, true
	o.merge, o.state = row.Percentile(share64, digits), &state
	return o
}

// list compiles GROUP_CONCAT(DISTINCT text SEPARATOR separator).
func (c *builder) list(o output, e *ast.Expr) output {
	of := *e
	of.Args = e.Args[:1]
	if !e.Distinct {
		c.Fail(e, "every record would make it longer, in an order that is not defined: write GROUP_CONCAT(DISTINCT %s), or group by the text too, with COUNT(*)", e.Args[0].Text)
		return o
	}
	args := c.sketched(&of)
	if c.Err != nil {
		return o
	}
	if args[0].Kind != value.KindText {
		c.Fail(e, "its values are %s, but texts are joined: write GROUP_CONCAT(DISTINCT CAST(%s AS CHAR))", args[0].Column(), e.Args[0].Text)
		return o
	}
	separator := e.Args[1].Name
	state := output{aggregate: aggregate.Sketch, kind: row.Bytes, hidden: true, of: of.Args, merge: row.List(separator)}
	state.x.Kind = value.KindText
	state.x.Eval = onlyUTF8(limited("GROUP_CONCAT", element(args)))
	o.kind, o.x.Nullable = row.Text, true
	o.merge, o.state = row.ListText(separator), &state
	return o
}

// onlyUTF8 makes a record a dead letter if its text is not UTF-8, which a text column does not take.
func onlyUTF8(eval func(*fold.Env) value.Value) func(*fold.Env) value.Value {
	return func(e *fold.Env) value.Value {
		v := eval(e)
		if v.Set && !utf8.Valid(v.Bytes) {
			e.Fail("GROUP_CONCAT: the value is not valid UTF-8: %s", value.Quote(v.Bytes))
		}
		return v
	}
}

// sketched compiles the arguments of an aggregate with a sketch.
func (c *builder) sketched(e *ast.Expr) (args []expr.Compiled) {
	if e.Star || len(e.Args) == 0 {
		c.Fail(e, "expected an expression whose values are counted")
		return nil
	}
	for _, a := range e.Args {
		if a.HasAggregate() {
			c.Fail(e, "an aggregate cannot contain another: an expression of aggregates is outside of them, such as SUM(x) / COUNT(*)")
			return nil
		}
		x := c.Compile(a)
		x.Source = a
		switch x.Kind {
		case value.KindNull:
			c.Fail(e, "%s is always NULL, which is not counted", a.Text)
		case value.KindJSON:
			x = c.Text(x) // as in GROUP BY
		}
		args = append(args, x)
	}
	return args
}

// kindsOf says what the values of expressions are, as far as they can be equal.
func kindsOf(args []expr.Compiled) string {
	var kinds []string
	for _, x := range args {
		switch x.Kind {
		case value.KindInt, value.KindDecimal:
			kinds = append(kinds, "numbers")
		default:
			kinds = append(kinds, x.Column().String())
		}
	}
	return strings.Join(kinds, ", ")
}

// element returns the element of a record, which is NULL if one of its values is, as in MySQL.
func element(args []expr.Compiled) func(*fold.Env) value.Value {
	if len(args) == 1 && args[0].Kind == value.KindText {
		return args[0].Eval
	}
	if len(args) == 1 {
		x := args[0]
		return func(e *fold.Env) value.Value {
			v := x.Eval(e)
			if !v.Set {
				return value.Null
			}
			from := len(e.Text)
			e.Text = aggregate.AppendElement(e.Text, &v, x.Kind)
			return value.Text(e.Text[from:len(e.Text):len(e.Text)])
		}
	}
	return func(e *fold.Env) value.Value {
		base := len(e.Parts)
		for i := range args {
			v := args[i].Eval(e)
			if !v.Set {
				e.Parts = e.Parts[:base]
				return value.Null
			}
			e.Parts = append(e.Parts, v)
		}
		from := len(e.Text)
		for i := range args {
			e.Text = aggregate.AppendPart(e.Text, &e.Parts[base+i], args[i].Kind)
		}
		e.Parts = e.Parts[:base]
		return value.Text(e.Text[from:len(e.Text):len(e.Text)])
	}
}

// limited makes a record a dead letter if its element is too long for a set.
func limited(aggregate string, eval func(*fold.Env) value.Value) func(*fold.Env) value.Value {
	return func(e *fold.Env) value.Value {
		v := eval(e)
		if v.Set && len(v.Bytes) > row.MaxDistinctValue {
			e.Fail("%s(DISTINCT …): the value has %d bytes, must have at most %d (LEFT(text, %d) cuts): %s",
				aggregate, value.RecordNumber(len(v.Bytes)), row.MaxDistinctValue, row.MaxDistinctValue/4, value.Quote(v.Bytes))
		}
		return v
	}
}

// hashed returns the hash of a record's element.
func hashed(eval func(*fold.Env) value.Value) func(*fold.Env) value.Value {
	return func(e *fold.Env) value.Value {
		v := eval(e)
		if v.Set {
			v.Number.Lo = aggregate.Hash(v.Bytes)
		}
		return v
	}
}
