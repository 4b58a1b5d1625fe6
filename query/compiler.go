package query

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sluice-etl/sluice/fold"
	"github.com/sluice-etl/sluice/fold/format"
	"github.com/sluice-etl/sluice/fold/jsonpath"
	"github.com/sluice-etl/sluice/fold/value"
	"github.com/sluice-etl/sluice/query/ast"
)

// compiler turns the expressions of one statement into closures. The first error stays; what is compiled after it is
// thrown away.
type compiler struct {
	format  format.Format
	json    bool
	zone    *time.Location
	st      *ast.Statement
	inWhere bool
	windows int // the number of TUMBLEs of the plan so far
	err     error
}

// fail keeps the first error and returns something to go on with.
func (c *compiler) fail(e *ast.Expr, format string, args ...any) compiled {
	if c.err == nil {
		c.err = fmt.Errorf("%s: %w", e.Text, fmt.Errorf(format, args...))
	}
	return compiled{Type: value.Type{Kind: value.KindNull, Nullable: true}, eval: func(*fold.Env) value.Value { return value.Null }, src: e}
}

// expr compiles, and computes what does not depend on the record at once.
func (c *compiler) expr(e *ast.Expr) compiled {
	x := c.compile(e)
	if x.src == nil {
		x.src = e
	}
	if !e.Op.IsCondition() {
		x.test = nil // a value made of a condition is not a condition
	}
	if !x.constant || c.err != nil || e.Op == ast.OpText {
		return x
	}
	r := fold.Constant(c.zone)
	v := x.eval(r)
	if r.Reason != "" {
		return c.fail(e, "%s", r.Reason)
	}
	x.eval, x.test = func(*fold.Env) value.Value { return v }, nil
	x.Nullable = !v.Set
	return x
}

func (c *compiler) compile(e *ast.Expr) compiled {
	switch e.Op {
	case ast.OpColumn:
		return c.column(e)
	case ast.OpInt, ast.OpDecimal, ast.OpDouble, ast.OpText, ast.OpBool, ast.OpNull:
		return c.literal(e)
	case ast.OpCall:
		return c.call(e)
	case ast.OpArith:
		return c.arith(e)
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
	return c.fail(e, "an INTERVAL can only be in TUMBLE(time, INTERVAL n unit)")
}

func (c *compiler) literal(e *ast.Expr) compiled {
	x := compiled{constant: true}
	var v value.Value
	switch e.Op {
	case ast.OpText:
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
			return c.fail(e, "expected a number in the range of a DOUBLE")
		}
		v = value.Double(f)
		x.Kind = value.KindDouble
	default:
		n, scale, ok := value.ParseDecimal([]byte(e.Name))
		if !ok {
			return c.fail(e, "expected a number of at most 38 digits")
		}
		v.Number, v.Scale, v.Set = n, uint8(scale), true
		x.Kind, x.Scale = value.KindInt, scale
		if e.Op == ast.OpDecimal {
			x.Kind = value.KindDecimal
		}
	}
	x.eval = func(*fold.Env) value.Value { return v }
	return x
}

// column finds a name: Kafka's columns first, then the format's.
func (c *compiler) column(e *ast.Expr) compiled {
	path := e.Path
	// A name that FROM's name qualifies is always a field: events._index is the record's own.
	qualified := len(path) > 1 && strings.EqualFold(path[0], c.st.From)
	if qualified {
		path = path[1:]
	}
	name := path[len(path)-1]
	if e.JSONPath {
		return c.jsonPath(e, path)
	}
	if len(path) == 1 {
		if x, ok := virtual(name, c.json); ok && (!qualified || !c.json) {
			return x
		}
		// Where every name is a field, an alias in WHERE would be a field that no record has, in silence; unless the
		// alias is made of a field of this name.
		if it := c.st.Aliased(name); it != nil && c.inWhere && c.json && len(e.Path) == 1 && !it.Mentions(name) {
			return c.fail(e, "is an alias of SELECT, and WHERE is evaluated before SELECT: write %s, or %s.%s if a field of this name is meant", it.Text, c.st.From, name)
		}
	}
	f, ok := c.format.Column(path)
	if !ok {
		return c.unknown(e, path)
	}
	slot, read := f.Slot, f.Read
	x := compiled{Type: f.Type, eval: func(r *fold.Env) value.Value { return r.Values[slot] }}
	if read != nil {
		x.eval = func(r *fold.Env) value.Value {
			if v := r.Values[slot]; v.Set {
				return read(&r.Fields, v)
			}
			return value.Null
		}
	}
	return x
}

// jsonPath compiles name->'$…' and name->>'$…'. The name is always a field.
func (c *compiler) jsonPath(e *ast.Expr, path []string) compiled {
	f, ok := c.format.(format.PathFormat)
	if !ok {
		return c.fail(e, "a JSON path reads a field of --format json, which this format is not")
	}
	slot := f.Path(append(jsonpath.Members(path), e.Steps...), e.Quoted)
	return compiled{Type: value.Type{Kind: value.KindJSON, Nullable: true}, src: e, eval: func(r *fold.Env) value.Value { return r.Values[slot] }}
}

// unquoted is what the operator -> reads as the operator ->> does: a text beside a text is compared without quotes, as
// in MySQL, which makes a JSON text of the other.
func (c *compiler) unquoted(x compiled) compiled {
	if x.src == nil || !x.src.Quoted || x.Kind != value.KindJSON {
		return x
	}
	e := *x.src
	e.Quoted = false
	y := c.column(&e)
	y.src = x.src
	return y
}

func (c *compiler) unknown(e *ast.Expr, path []string) compiled {
	if len(path) > 1 {
		return c.fail(e, "no such column; a name with a point is a field of a field, which only --format json has")
	}
	names := append(append([]string(nil), c.format.Names()...), virtualNames...)
	if it := c.st.Aliased(path[0]); it != nil {
		if c.inWhere {
			return c.fail(e, "is an alias of SELECT, and WHERE is evaluated before SELECT: write %s", it.Text)
		}
		return c.fail(e, "is an alias of SELECT, which only GROUP BY can use: write %s", it.Text)
	}
	if n := nearest(path[0], names); n != "" {
		return c.fail(e, "no such column; did you mean %s? There are %s", n, strings.Join(names, ", "))
	}
	return c.fail(e, "no such column; there are %s", strings.Join(names, ", "))
}

var virtualNames = []string{"_topic", "_partition", "_offset", "_index", "_timestamp", "_event_time", "_key", "_body"}

// maxTopic is the length of Kafka's longest topic name.
const maxTopic = 249

// virtual makes the columns that every format has.
//
// Where every name is a field (json), names are compared with their case, as fields' names are: _Topic is a field.
func virtual(name string, json bool) (x compiled, ok bool) {
	x.Kind = value.KindInt
	if !json {
		name = strings.ToLower(name)
	}
	switch name {
	case "_topic":
		x.Kind, x.MaxChars = value.KindText, maxTopic
		x.eval = func(r *fold.Env) value.Value {
			from := len(r.Text)
			r.Text = append(r.Text, r.Partition.Topic...)
			return value.Text(r.Text[from:len(r.Text):len(r.Text)])
		}
	case "_partition":
		x.eval = func(r *fold.Env) value.Value { return value.Int(int64(r.Partition.ID)) }
	case "_offset":
		x.eval = func(r *fold.Env) value.Value { return value.Int(r.Record.Offset) }
	case "_index":
		x.eval = func(r *fold.Env) value.Value { return value.Int(r.Index) }
	case "_timestamp":
		x.Kind, x.Scale = value.KindTime, 3
		x.RarelyNull = true
		x.eval = kafkaTime
	case "_event_time":
		x.Kind, x.Scale = value.KindTime, 3
		x.RarelyNull = true
		x.eval = eventTime
	case "_key":
		x.Kind, x.Nullable = value.KindText, true
		x.eval = func(r *fold.Env) value.Value { return value.Value{Bytes: r.Record.Key, Set: r.Record.Key != nil} }
	case "_body":
		x.Kind = value.KindText
		x.eval = func(r *fold.Env) value.Value { return value.Text(r.Body) }
	default:
		return x, false
	}
	return x, true
}

// kafkaTime is the record's time in Kafka; NULL where it has none, which Kafka writes as -1.
func kafkaTime(r *fold.Env) value.Value {
	ms := r.Record.Timestamp
	if ms == -1 {
		return value.Null
	}
	if ms < value.MinTime/1000 || ms > value.MaxTime/1000 {
		return r.Fail("the record's timestamp in Kafka is not a time in milliseconds since 1970 between the years 1000 and 9999: its producer may write microseconds or nanoseconds")
	}
	return value.Time(ms * 1000)
}

// eventTime is the header timestamp, in milliseconds since 1970 as Flume's interceptors write it, else the header
// timeStamp, as Log4j 2's Flume appender does, else Kafka's time.
func eventTime(r *fold.Env) value.Value {
	v := r.Header("timestamp")
	if !v.Set {
		v = r.Header("timeStamp")
	}
	if !v.Set {
		return kafkaTime(r)
	}
	ms, ok := value.ParseDigits(v.Bytes)
	if !ok || ms < value.MinTime/1000 || ms > value.MaxTime/1000 {
		return r.Fail("header timestamp: expected milliseconds since 1970, got %s", value.Quote(v.Bytes))
	}
	return value.Time(ms * 1000)
}
