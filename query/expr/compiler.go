package expr

import (
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sluice-etl/sluice/fold"
	"github.com/sluice-etl/sluice/fold/format"
	"github.com/sluice-etl/sluice/fold/jsonpath"
	"github.com/sluice-etl/sluice/fold/value"
	"github.com/sluice-etl/sluice/query/ast"
)

// Compiler compiles the expressions of one statement into functions. It keeps the first error; everything that is
// compiled after it must be discarded. It is not safe for concurrent use.
type Compiler struct {
	Format    format.Format
	Library   *Library
	Zone      *time.Location // of times that are written without one
	Statement *ast.Statement
	InWhere   bool // the expression is in WHERE
	// Replace, if not nil, compiles an expression in place of the Compiler; ok is false for those that it leaves to it.
	Replace func(e *ast.Expr) (x Compiled, ok bool)
	// RowMakers make several rows of one. Each takes what is to be done with every row that it makes.
	RowMakers []func(fold.Rows) fold.Rows
	// Joined holds the joined tables of all statements.
	Joined *Joined
	// Columns are the columns of Statement.Elements, and UsesElements reports whether an expression has read one.
	Columns      []Compiled
	UsesElements bool
	// Fields are the columns of events that expressions read, each once.
	Fields []Compiled
	// InWindows is the number of windows of HOP that a record is in; 0 if there is no HOP.
	InWindows int
	// NotNull, if not nil, reports whether an expression is never NULL where what is compiled is evaluated.
	NotNull func(e *ast.Expr) bool
	// WindowTime, if not nil, compiles the time of a window: the first argument of TUMBLE, HOP and DATE.
	WindowTime func(time Compiled) Compiled
	fold.Sizes       // of the fold, for all statements so far
	Err        error // the first error
}

// Fail records an error of an expression unless there is an earlier one, and returns NULL to continue with.
func (c *Compiler) Fail(e *ast.Expr, format string, args ...any) Compiled {
	if c.Err == nil {
		c.Err = e.Errorf(format, args...)
	}
	return nothing(e)
}

// nothing returns the literal NULL in place of an expression that has an error.
func nothing(e *ast.Expr) Compiled {
	return Compiled{Type: value.Type{Kind: value.KindNull, Nullable: true}, Eval: func(*fold.Env) value.Value { return value.Null }, Source: e}
}

// Compile compiles an expression. If it does not depend on the record, it is evaluated once, here. Check Err after the
// last Compile.
func (c *Compiler) Compile(e *ast.Expr) Compiled {
	x := c.operator(e)
	if x.Source == nil {
		x.Source = e
	}
	if !e.Op.IsCondition() {
		x.Test = nil // an expression that contains a condition is not itself one
	}
	if x.Nullable && c.NotNull != nil && c.NotNull(e) {
		x.Nullable = false
	}
	if !x.Constant || c.Err != nil || e.Op == ast.OpText {
		return x
	}
	r := fold.Constant(c.Zone)
	v := x.Eval(r)
	if r.Reason != "" {
		return c.Fail(e, "%s", r.Reason)
	}
	x.Eval, x.Test = func(*fold.Env) value.Value { return v }, nil
	x.Nullable = !v.Set
	return x
}

// read adds a column to Fields, unless it is a column of elements.
func (c *Compiler) read(e *ast.Expr, x Compiled) {
	if e.Element == nil && !slices.ContainsFunc(c.Fields, func(f Compiled) bool { return f.Source.Equal(e) }) {
		x.Source = e
		c.Fields = append(c.Fields, x)
	}
}

// everyNameIsAField reports whether any name can be a field, as in JSON and logfmt.
func (c *Compiler) everyNameIsAField() bool { return len(c.Format.Names()) == 0 }

func (c *Compiler) operator(e *ast.Expr) Compiled {
	if c.Replace != nil {
		if x, ok := c.Replace(e); ok {
			return x
		}
	}
	switch e.Op {
	case ast.OpColumn:
		x := c.column(e)
		c.read(e, x)
		return x
	case ast.OpInt, ast.OpDecimal, ast.OpDouble, ast.OpText, ast.OpBytes, ast.OpBool, ast.OpNull:
		return c.literal(e)
	case ast.OpCall:
		return c.call(e)
	case ast.OpArith:
		return c.arith(e)
	case ast.OpBit:
		return c.bit(e)
	case ast.OpNegate:
		return c.negate(e)
	case ast.OpCompare:
		return c.compare(e)
	case ast.OpLike:
		return c.like(e)
	case ast.OpIn:
		return c.in(e)
	case ast.OpBetween:
		return c.between(e)
	case ast.OpIs:
		return c.is(e)
	case ast.OpAnd, ast.OpOr, ast.OpXor, ast.OpNot:
		return c.logic(e)
	case ast.OpCase:
		return c.caseWhen(e)
	case ast.OpCast:
		return c.cast(e)
	}
	return c.Fail(e, "an INTERVAL can only be added to a time or subtracted, or be in TUMBLE(time, INTERVAL n unit)")
}

func (c *Compiler) literal(e *ast.Expr) Compiled {
	x := Compiled{Constant: true}
	var v value.Value
	switch e.Op {
	case ast.OpText, ast.OpBytes:
		v = value.Text([]byte(e.Name))
		x.Kind, x.MaxChars = value.KindText, max(1, utf8.RuneCount(v.Bytes))
	case ast.OpBool:
		v = value.Bool(!e.Not)
		x.Kind = value.KindInt
	case ast.OpNull:
		x.Kind, x.Nullable = value.KindNull, true
	case ast.OpDouble:
		f, ok := value.ParseDouble([]byte(e.Name))
		if !ok {
			return c.Fail(e, "expected a number in the range of a DOUBLE")
		}
		v = value.Double(f)
		x.Kind = value.KindDouble
	default:
		n, scale, ok := value.ParseDecimal([]byte(e.Name))
		if !ok {
			return c.Fail(e, "expected a number of at most 38 digits")
		}
		v.Number, v.Scale, v.Set = n, uint8(scale), true
		x.Kind, x.Scale = value.KindInt, scale
		if e.Op == ast.OpDecimal {
			x.Kind = value.KindDecimal
		}
	}
	x.Eval = func(*fold.Env) value.Value { return v }
	return x
}

// column compiles a name: a column of the record, else a column of the format.
func (c *Compiler) column(e *ast.Expr) Compiled {
	if e.Element != nil {
		return c.elementColumn(e)
	}
	path := e.Path
	// A qualified name is always a field: events._index is a field of the object.
	qualified := len(path) > 1 && strings.EqualFold(path[0], c.Statement.From)
	if qualified {
		path = path[1:]
	}
	name := path[len(path)-1]
	if e.JSONPath {
		return c.jsonPath(e, path)
	}
	if len(path) == 1 {
		if x, ok := RecordColumn(name, c.everyNameIsAField()); ok && (!qualified || !c.everyNameIsAField()) {
			return x
		}
		// Where every name is a field, an alias in WHERE would silently be a field that no record has, unless the alias
		// stands for an expression of a field of this name.
		if it := c.Statement.Aliased(name); it != nil && c.InWhere && !e.Inner && c.everyNameIsAField() && len(e.Path) == 1 && !it.Mentions(name) {
			return c.Fail(e, "is an alias of SELECT, and WHERE is evaluated before SELECT: write %s, or %s.%s if a field of this name is meant", it.Text, c.Statement.From, name)
		}
	}
	f, ok := c.Format.Column(path)
	if !ok {
		return c.unknown(e, path)
	}
	slot, read := f.Slot, f.Read
	x := Compiled{Type: f.Type, Eval: func(r *fold.Env) value.Value { return r.Values[slot] }}
	if read != nil {
		x.Eval = func(r *fold.Env) value.Value {
			if v := r.Values[slot]; v.Set {
				return read(&r.Fields, v)
			}
			return value.Null
		}
	}
	return x
}

// jsonPath compiles name->'$…' and name->>'$…'. The name is always a field.
func (c *Compiler) jsonPath(e *ast.Expr, path []string) Compiled {
	f, ok := c.Format.(format.PathFormat)
	if !ok {
		return c.textPath(e)
	}
	slot, ok := f.Path(path, e.Steps, e.Quoted)
	if !ok {
		return c.textPath(e)
	}
	return Compiled{Type: value.Type{Kind: value.KindJSON, Nullable: true}, Source: e, Eval: func(r *fold.Env) value.Value { return r.Values[slot] }}
}

// textPath compiles a JSON path behind a column that is a text, as JSON_EXTRACT.
func (c *Compiler) textPath(e *ast.Expr) Compiled {
	column := *e
	column.JSONPath, column.Steps, column.Text = false, nil, strings.Join(e.Path, ".")
	path := &ast.Expr{Op: ast.OpText, Name: jsonpath.Text(e.Steps), Text: "path"}
	x := c.call(&ast.Expr{Op: ast.OpCall, Name: "json_extract", Args: []*ast.Expr{&column, path}, Text: e.Text})
	if !e.Quoted && c.Err == nil {
		x.Eval, x.Unquoted = x.Unquoted, nil
	}
	x.Source = e
	return x
}

// unquoted compiles the operator -> as ->>, which reads strings without quotes. So a comparison with a text compares
// texts. The result is the same as in MySQL, which converts the text to JSON instead.
func (c *Compiler) unquoted(x Compiled) Compiled {
	if x.Unquoted != nil && x.Kind == value.KindJSON {
		x.Eval, x.Unquoted = x.Unquoted, nil
		return x
	}
	if x.Source == nil || !x.Source.Quoted || x.Kind != value.KindJSON {
		return x
	}
	e := *x.Source
	e.Quoted = false
	y := c.column(&e)
	y.Source = x.Source
	return y
}

// rejected says why a name that the format has is no column; it is empty for other names.
func (c *Compiler) rejected(path []string) string {
	if f, ok := c.Format.(format.ReasonedFormat); ok {
		return f.Rejected(path)
	}
	return ""
}

func (c *Compiler) unknown(e *ast.Expr, path []string) Compiled {
	if why := c.rejected(path); why != "" {
		return c.Fail(e, "%s", why)
	}
	if len(path) > 1 {
		return c.Fail(e, "no such column; a name with a point is a field of a field, which log format json has, avro in records, and syslog in structured_data")
	}
	names := append(append([]string(nil), c.Format.Names()...), recordColumns...)
	if it := c.Statement.Aliased(path[0]); it != nil && !e.Inner {
		if c.InWhere {
			return c.Fail(e, "is an alias of SELECT, and WHERE is evaluated before SELECT: write %s", it.Text)
		}
		return c.Fail(e, "is an alias of SELECT, which only GROUP BY can use: write %s", it.Text)
	}
	if n := nearest(path[0], names); n != "" {
		return c.Fail(e, "no such column; did you mean %s? There are %s", n, strings.Join(names, ", "))
	}
	return c.Fail(e, "no such column; there are %s", strings.Join(names, ", "))
}

var recordColumns = []string{"_topic", "_partition", "_offset", "_index", "_timestamp", "_event_time", "_key", "_body"}

// maxTopic is the maximum number of characters of the name of a Kafka topic.
const maxTopic = 249

// Operators returns the arithmetic operators, the comparison operators and the types of CAST, each sorted.
func Operators() (arithmetics, compares, castTypes []string) {
	return slices.Sorted(maps.Keys(arithmetic)), slices.Sorted(maps.Keys(comparisons)), slices.Sorted(maps.Keys(casts))
}
