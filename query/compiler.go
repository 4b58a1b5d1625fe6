package query

import (
	"fmt"
	"strings"
	"time"
)

// compiler turns the expressions of one statement into closures. The first error stays; what is compiled after it is
// thrown away.
type compiler struct {
	format  format
	json    bool
	zone    *time.Location
	st      *statement
	inWhere bool
	windows int // the number of TUMBLEs of the plan so far
	err     error
}

// fail keeps the first error and returns something to go on with.
func (c *compiler) fail(e *expr, format string, args ...any) compiled {
	if c.err == nil {
		c.err = fmt.Errorf("%s: %w", e.text, fmt.Errorf(format, args...))
	}
	return compiled{typ: typ{kind: kNull, null: true}, eval: func(*rec) value { return null }, src: e}
}

// expr compiles, and computes what does not depend on the record at once.
func (c *compiler) expr(e *expr) compiled {
	x := c.compile(e)
	if x.src == nil {
		x.src = e
	}
	if e.op < opCompare || e.op > opNot {
		x.test = nil // what is made of a condition is none any more
	}
	if !x.constant || c.err != nil || e.op == opText {
		return x
	}
	r := &rec{zone: c.zone, explain: true}
	v := x.eval(r)
	if r.fault != "" {
		return c.fail(e, "%s", r.fault)
	}
	x.eval, x.test = func(*rec) value { return v }, nil
	x.null = !v.set
	return x
}

func (c *compiler) compile(e *expr) compiled {
	switch e.op {
	case opColumn:
		return c.column(e)
	case opInt, opDecimal, opDouble, opText, opBool, opNull:
		return c.literal(e)
	case opCall:
		return c.call(e)
	case opArith:
		return c.arith(e)
	case opNegate:
		return c.negate(e)
	case opCompare:
		return c.compare(e)
	case opLike:
		return c.like(e)
	case opIn:
		return c.in(e)
	case opBetween:
		return c.between(e)
	case opIs:
		return c.is(e)
	case opAnd, opOr, opXor, opNot:
		return c.logic(e)
	case opCase:
		return c.caseWhen(e)
	case opCast:
		return c.cast(e)
	}
	return c.fail(e, "an INTERVAL stands in TUMBLE(time, INTERVAL n unit) alone")
}

func (c *compiler) literal(e *expr) compiled {
	x := compiled{constant: true}
	var v value
	switch e.op {
	case opText:
		v = textValue([]byte(e.name))
		x.kind, x.chars = kText, max(1, runeCount(v.b))
	case opBool:
		v = boolValue(!e.not)
		x.kind = kInt
	case opNull:
		x.kind, x.null = kNull, true
	case opDouble:
		f, ok := parseDouble([]byte(e.name))
		if !ok {
			return c.fail(e, "want a number of a DOUBLE's range")
		}
		v = doubleValue(f)
		x.kind = kDouble
	default:
		n, scale, ok := parseDecimal([]byte(e.name))
		if !ok {
			return c.fail(e, "want a number of at most 38 digits")
		}
		v.num, v.scale, v.set = n, uint8(scale), true
		x.kind, x.scale = kInt, scale
		if e.op == opDecimal {
			x.kind = kDecimal
		}
	}
	x.eval = func(*rec) value { return v }
	return x
}

// column finds a name: Kafka's columns first, then the format's.
func (c *compiler) column(e *expr) compiled {
	path := e.path
	// A name that FROM's name qualifies is always a field: events._index is the record's own.
	qualified := len(path) > 1 && strings.EqualFold(path[0], c.st.from)
	if qualified {
		path = path[1:]
	}
	name := path[len(path)-1]
	if e.jsonPath {
		return c.jsonPath(e, path)
	}
	if len(path) == 1 {
		if x, ok := virtual(name, c.json); ok && (!qualified || !c.json) {
			return x
		}
		// Where every name is a field, an alias in WHERE would be a field that no record has, in silence; unless the
		// alias is made of a field of this name.
		if it := c.st.aliased(name); it != nil && c.inWhere && c.json && len(e.path) == 1 && !it.mentions(name) {
			return c.fail(e, "is an alias of SELECT, and WHERE is evaluated before SELECT: write %s, or %s.%s if a field of this name is meant", it.text, c.st.from, name)
		}
	}
	f, ok := c.format.column(path)
	if !ok {
		return c.unknown(e, path)
	}
	slot, read := f.slot, f.read
	x := compiled{typ: f.typ, eval: func(r *rec) value { return r.fields[slot] }}
	if read != nil {
		x.eval = func(r *rec) value {
			if v := r.fields[slot]; v.set {
				return read(r, v)
			}
			return null
		}
	}
	return x
}

// jsonPath compiles name->'$…' and name->>'$…'. The name is always a field.
func (c *compiler) jsonPath(e *expr, path []string) compiled {
	f, ok := c.format.(*jsonFormat)
	if !ok {
		return c.fail(e, "a JSON path reads a field of --format json, which this format is not")
	}
	slot := f.slot(append(names(path), e.steps...), e.quoted)
	return compiled{typ: typ{kind: kJSON, null: true}, src: e, eval: func(r *rec) value { return r.fields[slot] }}
}

// unquoted is what the operator -> reads as the operator ->> does: a text beside a text is compared without quotes, as
// in MySQL, which makes a JSON text of the other.
func (c *compiler) unquoted(x compiled) compiled {
	if x.src == nil || !x.src.quoted || x.kind != kJSON {
		return x
	}
	e := *x.src
	e.quoted = false
	y := c.column(&e)
	y.src = x.src
	return y
}

func (c *compiler) unknown(e *expr, path []string) compiled {
	if len(path) > 1 {
		return c.fail(e, "no such column; a name with a point is a field within a field, which only --format json has")
	}
	names := append(append([]string(nil), c.format.names()...), virtualNames...)
	if it := c.st.aliased(path[0]); it != nil {
		if c.inWhere {
			return c.fail(e, "is an alias of SELECT, and WHERE is evaluated before SELECT: write %s", it.text)
		}
		return c.fail(e, "is an alias of SELECT, which only GROUP BY can use: write %s", it.text)
	}
	if n := nearest(path[0], names); n != "" {
		return c.fail(e, "no such column; did you mean %s? There are %s", n, strings.Join(names, ", "))
	}
	return c.fail(e, "no such column; there are %s", strings.Join(names, ", "))
}

// aliased finds the SELECT item of an alias.
func (st *statement) aliased(name string) *item {
	for i := range st.items {
		if strings.EqualFold(st.items[i].alias, name) {
			return &st.items[i]
		}
	}
	return nil
}

var virtualNames = []string{"_topic", "_partition", "_offset", "_index", "_timestamp", "_event_time", "_key", "_body"}

// maxTopic is the length of Kafka's longest topic name.
const maxTopic = 249

// virtual makes the columns that every format has.
//
// Where every name is a field (json), names are compared with their case, as fields' names are: _Topic is a field.
func virtual(name string, json bool) (x compiled, ok bool) {
	x.kind = kInt
	if !json {
		name = strings.ToLower(name)
	}
	switch name {
	case "_topic":
		x.kind, x.chars = kText, maxTopic
		x.eval = func(r *rec) value {
			from := len(r.text)
			r.text = append(r.text, r.part.Topic...)
			return textValue(r.text[from:len(r.text):len(r.text)])
		}
	case "_partition":
		x.eval = func(r *rec) value { return intValue(int64(r.part.ID)) }
	case "_offset":
		x.eval = func(r *rec) value { return intValue(r.in.Offset) }
	case "_index":
		x.eval = func(r *rec) value { return intValue(r.index) }
	case "_timestamp":
		x.kind, x.scale = kTime, 3
		x.rareNull = true
		x.eval = kafkaTime
	case "_event_time":
		x.kind, x.scale = kTime, 3
		x.rareNull = true
		x.eval = eventTime
	case "_key":
		x.kind, x.null = kText, true
		x.eval = func(r *rec) value { return value{b: r.in.Key, set: r.in.Key != nil} }
	case "_body":
		x.kind = kText
		x.eval = func(r *rec) value { return textValue(r.event.Body) }
	default:
		return x, false
	}
	return x, true
}

// kafkaTime is the record's time in Kafka; NULL where it has none, which Kafka writes as -1.
func kafkaTime(r *rec) value {
	ms := r.in.Timestamp
	if ms == -1 {
		return null
	}
	if ms < minTime/1000 || ms > maxTime/1000 {
		return r.fail("the record's timestamp in Kafka is no time in milliseconds since 1970 between the years 1000 and 9999: its producer may write microseconds or nanoseconds")
	}
	return timeValue(ms * 1000)
}

// eventTime is the header timestamp, in milliseconds since 1970 as Flume's interceptors write it, else the header
// timeStamp, as Log4j 2's Flume appender does, else Kafka's time.
func eventTime(r *rec) value {
	v := findHeader(r, "timestamp")
	if !v.set {
		v = findHeader(r, "timeStamp")
	}
	if !v.set {
		return kafkaTime(r)
	}
	ms, ok := parseSmall(v.b)
	if !ok || ms < minTime/1000 || ms > maxTime/1000 {
		return r.fail("header timestamp: want milliseconds since 1970, the record has %s", quote(v.b))
	}
	return timeValue(ms * 1000)
}

// findHeader looks among the event's own headers, then among Kafka's.
func findHeader(r *rec, name string) value {
	if v := r.event.Headers.Get(name); v != nil {
		return textValue(v)
	}
	for i := range r.in.Headers {
		if h := &r.in.Headers[i]; h.Key == name {
			return value{b: h.Value, set: h.Value != nil}
		}
	}
	return null
}
