package query

import (
	"fmt"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-etl/sluice/fold"
	"github.com/sluice-etl/sluice/fold/value"
	"github.com/sluice-etl/sluice/query/ast"
	"github.com/sluice-etl/sluice/query/expr"
	"github.com/sluice-etl/sluice/query/funcs"
	"github.com/sluice-etl/sluice/row"
)

// compute adds the computed columns of a table's statements to it, which must be the same in all of them.
func compute(t *row.Table, programs []*program) error {
	var first *program
	for _, p := range programs {
		if own := p.table(); !strings.EqualFold(own.FullName(), t.FullName()) {
			continue
		}
		columns, err := p.compute(t)
		switch {
		case err != nil:
			return fmt.Errorf("statement %d: %w", p.number+1, p.source.Locate(p.st.Text, err))
		case first == nil:
			first, t.Computed = p, columns
		case len(columns) != len(t.Computed):
			return fmt.Errorf("statement %d: it computes other columns of %s than an earlier statement: statements into one table write the same columns", p.number+1, t.FullName())
		}
		for i := range columns {
			if have := findComputed(t, columns[i].Name); have == nil || have.SQL != columns[i].SQL {
				return fmt.Errorf("statement %d: column %s of %s is computed in another way by an earlier statement: both must write the same expression", p.number+1, columns[i].Name, t.FullName())
			}
		}
	}
	return nil
}

func findComputed(t *row.Table, name string) *row.Computed {
	for i := range t.Computed {
		if strings.EqualFold(t.Computed[i].Name, name) {
			return &t.Computed[i]
		}
	}
	return nil
}

// compute types the computed columns of a statement over the columns of its table, and writes them as SQL.
func (p *program) compute(t *row.Table) (columns []row.Computed, err error) {
	for i := range p.computed {
		c := newComputation(t)
		column := c.column(&p.computed[i])
		if c.Err != nil {
			return nil, c.Err
		}
		columns = append(columns, column)
	}
	return columns, nil
}

// computedLibrary holds the functions that an expression of aggregates can call: those of numbers.
var computedLibrary = func() expr.Library {
	l := expr.Library{Advice: funcs.Library().Advice}
	for _, name := range []string{
		"coalesce", "ifnull", "if", "nullif", "abs", "sign", "ceil", "ceiling", "floor", "round", "truncate", "greatest", "least",
	} {
		l.Functions = append(l.Functions, *funcs.Library().Find(name))
	}
	return l
}()

// computation types an expression over the columns of a table by the language's own rules, except that it has numbers
// only and that CAST and division have no bounds that a value could exceed. Its compiled expressions read Env.Values,
// which hold the values of the table's columns.
type computation struct {
	expr.Compiler
	table *row.Table
	reads []string // columns that were used
	large bool     // the SQL is longer than maxSQL

	// For views:
	step    *step     // nil for computed columns
	inside  bool      // of an aggregate
	outside bool      // of the outer SELECT, where there are no aggregates
	rows    *viewRows // nil where only the SQL is written
}

func newComputation(t *row.Table) *computation {
	c := &computation{table: t}
	c.Compiler = expr.Compiler{Library: &computedLibrary, Zone: time.UTC, Statement: &ast.Statement{}}
	c.Replace = c.replace
	return c
}

// column makes the computed column of an expression.
func (c *computation) column(from *computed) row.Computed {
	x := c.Number(c.Compile(from.x))
	out := row.Computed{Name: from.name}
	if c.Err != nil {
		return out
	}
	if x.Kind == value.KindNull {
		c.Fail(from.x, "is always NULL")
		return out
	}
	out.Scale = scaleOf(x)
	out.SQL = c.rounded(from.x, out.Scale)
	if c.large {
		c.Fail(from.x, "is longer than %d bytes as the expression of a generated column: divide it into several columns", maxSQL)
	}
	out.Reads = c.reads
	out.IsSame = func(stored string) bool { return sameSQL(out.SQL, stored) }
	return out
}

// evaluator returns the computed column and what computes its value from those of the table's columns, as the SQL does;
// ok is false if the value, or one on the way to it, has more than row.MaxDigits digits.
func (from *computed) evaluator(t *row.Table) (column row.Column, eval func(values []value.Value) (v value.Value, ok bool)) {
	c := newComputation(t)
	x := c.Number(c.Compile(from.x))
	scale := scaleOf(x)
	env := fold.Constant(time.UTC)
	return row.Column{Name: from.name, Kind: row.Decimal, Scale: scale, Nullable: true}, func(values []value.Value) (value.Value, bool) {
		env.Values, env.Reason = values, ""
		v := x.Eval(env)
		n, ok := v.Number.Rescale(int(v.Scale), scale)
		v.Number, v.Scale = n, uint8(scale)
		return v, ok && env.Reason == ""
	}
}

// scaleOf returns the number of digits after the point of a number.
func scaleOf(x expr.Compiled) int {
	if x.Kind != value.KindDecimal {
		return 0
	}
	return x.Scale
}

// replace compiles what differs from expressions of a record.
func (c *computation) replace(e *ast.Expr) (x expr.Compiled, ok bool) {
	store := "give what it needs columns of their own, and compute it when you select"
	if c.step != nil {
		store = "select it in the subquery, as an item of its GROUP BY, or write it when you select from " + strings.TrimSuffix(c.table.Name, groupsSuffix)
	}
	switch e.Op {
	case ast.OpColumn:
		return c.cell(e), true
	case ast.OpText:
		return c.Fail(e, "is text, but a column is computed from numbers only, because servers and sessions compare text differently: %s", store), true
	case ast.OpDouble:
		return c.Fail(e, "is a DOUBLE, but a column is computed from exact numbers only: write it without an exponent"), true
	case ast.OpLike:
		return c.Fail(e, "LIKE cannot be in an expression of aggregates, which has numbers only: write it within the aggregate, as in COUNT(IF(%s, 1, NULL))", e.Text), true
	case ast.OpCast:
		return c.cast(e), true
	case ast.OpArith:
		if e.Name == "/" {
			return c.divide(e), true
		}
	case ast.OpCall:
		if e.Name == squareRoot {
			return c.squareRoot(e), true
		}
		if e.IsAggregate() {
			return c.aggregate(e), true
		}
		if computedLibrary.Find(e.Name) == nil && funcs.Library().Find(e.Name) != nil {
			return c.Fail(e, "%s cannot be in an expression of aggregates, which has numbers only: write it within the aggregate, or %s", strings.ToUpper(e.Name), store), true
		}
	}
	return x, false
}

// cell compiles a column of the table.
func (c *computation) cell(e *ast.Expr) expr.Compiled {
	for i := range c.table.Columns {
		if column := &c.table.Columns[i]; column.Name == e.Path[0] {
			x := expr.Compiled{Source: e, Eval: func(r *fold.Env) value.Value { return r.Values[i] }}
			x.Nullable = column.Nullable
			switch column.Kind {
			case row.Int:
				x.Kind = value.KindInt
			case row.Decimal:
				x.Kind, x.Scale = value.KindDecimal, column.Scale
			default:
				return c.Fail(e, "holds %s, but a column is computed from numbers only, because %s differ from server to server and from session to session: use it when you select", column.Kind, column.Kind)
			}
			return x
		}
	}
	if i := slices.IndexFunc(c.table.Computed, func(computed row.Computed) bool { return strings.EqualFold(computed.Name, e.Path[0]) }); i >= 0 {
		x := expr.Compiled{Source: e, Type: value.Type{Kind: value.KindDecimal, Scale: c.table.Computed[i].Scale, Nullable: true}}
		at := len(c.table.Columns) + i // of a row of a view
		x.Eval = func(r *fold.Env) value.Value { return r.Values[at] }
		return x
	}
	panic("BUG: no column " + e.Path[0])
}

// divide compiles x / y. Its quotient has as many digits as the types of both determine, whatever the digits of the
// values are, because the SQL does so.
func (c *computation) divide(e *ast.Expr) expr.Compiled {
	a, b := c.Number(c.Compile(e.Args[0])), c.Number(c.Compile(e.Args[1]))
	x := expr.Compiled{Constant: a.Constant && b.Constant, Source: e, Type: value.Type{Kind: value.KindDecimal, Nullable: true}}
	if a.Kind == value.KindNull || b.Kind == value.KindNull {
		x.Kind, x.Eval = value.KindNull, func(*fold.Env) value.Value { return value.Null }
		return x
	}
	x.Scale = min(scaleOf(a)+4, value.MaxScale)
	digits := value.QuotientDigits(scaleOf(a), scaleOf(b))
	left, right := a.Eval, b.Eval
	x.Eval = func(r *fold.Env) value.Value {
		p, q := left(r), right(r)
		if !p.Set || !q.Set || q.Number.Sign() == 0 {
			return value.Null
		}
		if n, ok := p.Number.Rescale(int(p.Scale), max(digits, int(p.Scale))); ok {
			p.Number, p.Scale = n, uint8(max(digits, int(p.Scale)))
		}
		v, ok := value.Divide(p, q)
		if !ok {
			return r.Fail("%s: the result has more than %d digits", e.Text, row.MaxDigits)
		}
		return truncated(v, digits)
	}
	return x
}

// squareRoot compiles the square root of a quotient. The quotient has twice as many digits after the point as the root,
// and four more, so that cutting it changes no digit of the root but the last, by one at most. The root is computed by
// the server as a DOUBLE.
func (c *computation) squareRoot(e *ast.Expr) expr.Compiled {
	quotient := e.Args[0]
	a, b := c.Compile(quotient.Args[0]), c.Compile(quotient.Args[1])
	x := expr.Compiled{Source: e, Type: value.Type{Kind: value.KindDecimal, Scale: e.Scale, Nullable: true}}
	left, right, digits := a.Eval, b.Eval, rootDigits(e)
	x.Eval = func(r *fold.Env) value.Value {
		p, q := left(r), right(r)
		if !p.Set || !q.Set || q.Number.Sign() == 0 {
			return value.Null
		}
		scaled := new(big.Int).Mul(p.Number.Big(), row.Pow10(digits-int(p.Scale)).Big())
		square, err := strconv.ParseFloat(scaled.Quo(scaled, q.Number.Big()).String()+fmt.Sprintf("e-%d", digits), 64)
		root := math.Sqrt(square)
		n, scale, ok := value.ParseDecimal(strconv.AppendFloat(nil, root, 'f', -1, 64))
		if ok && err == nil {
			n, ok = n.Rescale(scale, e.Scale)
		}
		if !ok || err != nil {
			return r.Fail("%s: the result has more than %d digits", e.Text, row.MaxDigits)
		}
		return value.Value{Number: n, Scale: uint8(e.Scale), Set: true}
	}
	return x
}

// rootDigits returns the number of digits after the point of the quotient within a square root.
func rootDigits(e *ast.Expr) int { return 2*e.Scale + 4 }

// truncated cuts a number to so many digits after the point.
func truncated(v value.Value, digits int) value.Value {
	if int(v.Scale) > digits {
		v.Number, _ = v.Number.QuoRem(row.Pow10(int(v.Scale) - digits))
		v.Scale = uint8(digits)
	}
	return v
}

// cast compiles CAST to an integer or a DECIMAL, which only rounds: a server would change a value that exceeds the type
// to the type's largest one.
func (c *computation) cast(e *ast.Expr) expr.Compiled {
	x := c.Number(c.Compile(e.Args[0]))
	digits := max(e.Scale, 0)
	switch {
	case e.Name == "signed":
	case e.Name == "decimal" && digits <= value.MaxScale && e.Precision >= -1 && e.Scale >= -1:
	default:
		return c.Fail(e, "expected CAST to SIGNED or DECIMAL(p,s) in an expression of aggregates, with s from 0 to %d", value.MaxScale)
	}
	if x.Kind == value.KindNull {
		return x
	}
	x = rounding(x, e, digits)
	if e.Name == "signed" {
		x.Kind = value.KindInt
	}
	return x
}

// rounding returns x, rounded half away from zero.
func rounding(x expr.Compiled, e *ast.Expr, digits int) expr.Compiled {
	eval := x.Eval
	x.Source, x.Kind, x.Scale, x.Precision = e, value.KindDecimal, digits, 0
	x.Eval = func(r *fold.Env) value.Value {
		v := eval(r)
		n, ok := v.Number.Rescale(int(v.Scale), digits)
		if !ok {
			return r.Fail("%s: the result has more than %d digits", e.Text, row.MaxDigits)
		}
		v.Number, v.Scale = n, uint8(digits)
		return v
	}
	return x
}
