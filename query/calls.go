package query

import (
	"bytes"
	"slices"
	"sort"
	"strings"
	"unicode/utf8"

	"github.com/sluice-etl/sluice/fold"
	"github.com/sluice-etl/sluice/fold/value"
	"github.com/sluice-etl/sluice/query/ast"
)

// function compiles a call whose number of arguments was checked.
type function struct {
	least, most int // arguments; most -1 is any number
	compile     func(c *compiler, e *ast.Expr) compiled
}

func (c *compiler) functions() map[string]function {
	return map[string]function{
		"coalesce":         {1, -1, (*compiler).coalesce},
		"ifnull":           {2, 2, (*compiler).coalesce},
		"if":               {3, 3, (*compiler).ifThen},
		"nullif":           {2, 2, (*compiler).nullIf},
		"left":             {2, 2, (*compiler).left},
		"concat":           {1, -1, (*compiler).concat},
		"length":           {1, 1, (*compiler).length},
		"char_length":      {1, 1, (*compiler).length},
		"substring_index":  {3, 3, (*compiler).substringIndex},
		"header":           {1, 1, (*compiler).header},
		"tumble":           {2, 2, (*compiler).tumble},
		"from_unixtime":    {1, 1, (*compiler).fromUnix},
		"character_length": {1, 1, (*compiler).length},
	}
}

// instead says what to write for functions that people expect.
var instead = map[string]string{
	"avg":                   "an average cannot be computed by adding to a row: store SUM(x) and COUNT(x), and divide when you select",
	"std":                   "it cannot be computed by adding to a row: store COUNT(x), SUM(x) and SUM(x * x), and compute it when you select",
	"group_concat":          "it cannot be computed by adding to a row: group by the value, with COUNT(*)",
	"approx_count_distinct": "it cannot be computed by adding to a row: group by the value, with COUNT(*), and count rows when you select",
	"lower":                 "case mapping depends on the versions of Unicode and MySQL: store the text as it is, and use LOWER when you select",
	"upper":                 "case mapping depends on the versions of Unicode and MySQL: store the text as it is, and use UPPER when you select",
	"now":                   "the query would give different rows when it runs again: use _timestamp or _event_time",
	"rand":                  "the query would give different rows when it runs again",
	"uuid":                  "the query would give different rows when it runs again: use _topic, _partition, _offset",
	"date":                  "write TUMBLE(time, INTERVAL 1 DAY)",
	"date_format":           "write TUMBLE(time, INTERVAL n unit), and format when you select",
	"substring":             "write LEFT(text, n) or SUBSTRING_INDEX(text, delimiter, n)",
}

var sameAdvice = map[string]string{
	"stddev": "std", "stddev_pop": "std", "stddev_samp": "std", "variance": "std", "var_pop": "std", "var_samp": "std",
	"lcase": "lower", "ucase": "upper", "curdate": "now", "current_timestamp": "now", "sysdate": "now", "unix_timestamp": "now",
	"utc_timestamp": "now", "substr": "substring", "mid": "substring",
}

func (c *compiler) call(e *ast.Expr) compiled {
	if e.IsAggregate() {
		if c.inWhere {
			return c.fail(e, "an aggregate cannot be in WHERE, which is evaluated for each record")
		}
		return c.fail(e, "an aggregate must be a whole item of SELECT, because each column of a row is added to by itself: store each, and compute with them when you select")
	}
	all := c.functions()
	f, ok := all[e.Name]
	if !ok {
		name := e.Name
		if s := sameAdvice[name]; s != "" {
			name = s
		}
		if advice := instead[name]; advice != "" {
			return c.fail(e, "not supported: %s", advice)
		}
		names := slices.Clone(ast.Aggregates)
		for n := range all {
			names = append(names, n)
		}
		sort.Strings(names)
		if n := nearest(e.Name, names); n != "" {
			return c.fail(e, "no such function; did you mean %s?", strings.ToUpper(n))
		}
		return c.fail(e, "no such function; there are %s", strings.ToUpper(strings.Join(names, ", ")))
	}
	if e.Star || e.Distinct || len(e.Args) < f.least || f.most >= 0 && len(e.Args) > f.most {
		if f.least == f.most {
			return c.fail(e, "%s takes %d arguments", strings.ToUpper(e.Name), f.least)
		}
		return c.fail(e, "%s takes at least %d arguments", strings.ToUpper(e.Name), f.least)
	}
	return f.compile(c, e)
}

// branches compiles expressions of which one gives the value, and makes them all yield one kind. Beside a time a text
// literal is one too.
func (c *compiler) branches(e *ast.Expr, args []*ast.Expr) ([]compiled, value.Type) {
	var xs []compiled
	times := false
	for _, a := range args {
		xs = append(xs, c.expr(a))
		times = times || xs[len(xs)-1].Kind == value.KindTime
	}
	var t value.Type
	for i, x := range xs {
		if times {
			x = c.timeLiteral(x)
			xs[i] = x
		}
		if i == 0 {
			t = x.Type
			continue
		}
		u, ok := unify(t, x.Type)
		if !ok {
			c.unlike(xs[:i+1], t.Kind)
			return xs, t
		}
		t = u
	}
	for i := range xs {
		xs[i] = c.coerce(xs[i], t)
	}
	return xs, t
}

// unlike says how to make the last branch and those before it alike.
func (c *compiler) unlike(xs []compiled, before value.Kind) {
	x := xs[len(xs)-1]
	if before == value.KindTime || x.Kind == value.KindTime {
		number := xs[slices.IndexFunc(xs, func(x compiled) bool { return x.Kind.IsNumber() })]
		c.fail(number.src, "is %s, but another branch is a time; convert it: write FROM_UNIXTIME(%s) for seconds since 1970", number.Kind, number.src.Text)
		return
	}
	if x.Kind == value.KindText {
		c.fail(x.src, "is text, but the branch before it is %s; convert it: write CAST(%s AS SIGNED) or CAST(%s AS DECIMAL(p,s))", before, x.src.Text, x.src.Text)
		return
	}
	c.fail(x.src, "is %s, but the branch before it is text; convert it: write CAST(%s AS CHAR)", x.Kind, x.src.Text)
}

func (c *compiler) coalesce(e *ast.Expr) compiled {
	xs, t := c.branches(e, e.Args)
	x := compiled{Type: t, constant: true, src: e}
	evals := make([]func(*fold.Env) value.Value, len(xs))
	x.Nullable = true
	for i := range xs {
		evals[i] = xs[i].eval
		x.Nullable = x.Nullable && xs[i].Nullable
		x.constant = x.constant && xs[i].constant
	}
	if len(evals) == 2 {
		first, second := evals[0], evals[1]
		x.eval = func(r *fold.Env) value.Value {
			if v := first(r); v.Set {
				return v
			}
			return second(r)
		}
		return x
	}
	x.eval = func(r *fold.Env) value.Value {
		for _, eval := range evals {
			if v := eval(r); v.Set {
				return v
			}
		}
		return value.Null
	}
	return x
}

func (c *compiler) ifThen(e *ast.Expr) compiled {
	cond := c.expr(e.Args[0])
	test := c.truth(cond)
	xs, t := c.branches(e, e.Args[1:])
	then, otherwise := xs[0].eval, xs[1].eval
	return compiled{Type: t, constant: cond.constant && xs[0].constant && xs[1].constant, src: e, eval: func(r *fold.Env) value.Value {
		if test(r) == value.Yes {
			return then(r)
		}
		return otherwise(r)
	}}
}

// nullIf is NULL where both are equal, else the first.
func (c *compiler) nullIf(e *ast.Expr) compiled {
	raw, b := c.expr(e.Args[0]), c.expr(e.Args[1])
	a := raw
	compare := c.comparator(&a, &b)
	first, left, right := raw.eval, a.eval, b.eval
	x := raw
	x.src, x.Nullable, x.constant = e, true, raw.constant && b.constant
	x.eval = func(r *fold.Env) value.Value {
		p, q := left(r), right(r)
		if p.Set && q.Set && compare(p, q) == 0 {
			return value.Null
		}
		return first(r)
	}
	return x
}

// caseWhen compiles both forms of CASE.
func (c *compiler) caseWhen(e *ast.Expr) compiled {
	var results []*ast.Expr
	var tests []func(*fold.Env) value.Truth
	constant := true
	n := len(e.Args)
	for i := 1; i+1 < n; i += 2 {
		when := e.Args[i]
		if e.Args[0] != nil {
			when = &ast.Expr{Op: ast.OpCompare, Name: "=", Args: []*ast.Expr{e.Args[0], when}, Text: e.Text}
		}
		x := c.expr(when)
		tests = append(tests, c.truth(x))
		constant = constant && x.constant
		results = append(results, e.Args[i+1])
	}
	last := e.Args[n-1]
	if last == nil {
		last = &ast.Expr{Op: ast.OpNull, Text: "null"}
	}
	xs, t := c.branches(e, append(results, last))
	x := compiled{Type: t, constant: constant, src: e}
	for i := range xs {
		x.constant = x.constant && xs[i].constant
	}
	x.eval = func(r *fold.Env) value.Value {
		for i, test := range tests {
			if test(r) == value.Yes {
				return xs[i].eval(r)
			}
		}
		return xs[len(xs)-1].eval(r)
	}
	return x
}

// left is the first characters of a text.
func (c *compiler) left(e *ast.Expr) compiled {
	a, n := c.text(c.expr(e.Args[0])), c.number(c.expr(e.Args[1]))
	if n.Kind != value.KindInt || !n.constant || n.Nullable {
		return c.fail(e, "LEFT takes a text and a number of characters, such as LEFT(path, 100)")
	}
	chars, ok := n.eval(nil).Number.Int64()
	chars = max(chars, 0)
	if !ok || chars > 1<<30 {
		return c.fail(e, "LEFT cuts to at most 2^30 characters")
	}
	eval := a.eval
	x := compiled{Type: a.Type, constant: a.constant, src: e}
	if x.MaxChars == 0 || int(chars) < x.MaxChars {
		x.MaxChars = max(1, int(chars))
	}
	x.eval = func(r *fold.Env) value.Value {
		v := eval(r)
		v.Bytes = value.Cut(v.Bytes, int(chars))
		return v
	}
	return x
}

func (c *compiler) concat(e *ast.Expr) compiled {
	x := compiled{Type: value.Type{Kind: value.KindText}, constant: true, src: e}
	var evals []func(*fold.Env) value.Value
	bounded := true
	for _, arg := range e.Args {
		a := c.text(c.expr(arg))
		evals = append(evals, a.eval)
		x.Nullable = x.Nullable || a.Nullable
		x.constant = x.constant && a.constant
		bounded = bounded && a.MaxChars > 0
		x.MaxChars += a.MaxChars
	}
	if !bounded {
		x.MaxChars = 0
	}
	x.eval = func(r *fold.Env) value.Value {
		// The parts may put texts of their own into r.Text, so that all are evaluated before the first is copied.
		var room [8]value.Value
		parts := room[:0]
		for _, eval := range evals {
			v := eval(r)
			if !v.Set {
				return value.Null
			}
			parts = append(parts, v)
		}
		from := len(r.Text)
		for _, v := range parts {
			r.Text = append(r.Text, v.Bytes...)
		}
		return value.Text(r.Text[from:len(r.Text):len(r.Text)])
	}
	return x
}

// length counts bytes (LENGTH) or characters (CHAR_LENGTH).
func (c *compiler) length(e *ast.Expr) compiled {
	a := c.text(c.expr(e.Args[0]))
	eval, chars := a.eval, e.Name != "length"
	return compiled{Type: value.Type{Kind: value.KindInt, Nullable: a.Nullable}, constant: a.constant, src: e, eval: func(r *fold.Env) value.Value {
		v := eval(r)
		switch {
		case !v.Set:
			return value.Null
		case chars:
			return value.Int(int64(utf8.RuneCount(v.Bytes)))
		}
		return value.Int(int64(len(v.Bytes)))
	}}
}

// substringIndex compiles SUBSTRING_INDEX(text, delimiter, n).
func (c *compiler) substringIndex(e *ast.Expr) compiled {
	a, d, n := c.text(c.expr(e.Args[0])), c.text(c.expr(e.Args[1])), c.number(c.expr(e.Args[2]))
	if !d.constant || d.Nullable || n.Kind != value.KindInt || !n.constant || n.Nullable {
		return c.fail(e, "SUBSTRING_INDEX takes a text, a delimiter and a number, such as SUBSTRING_INDEX(path, '?', 1)")
	}
	delim := d.eval(&fold.Env{}).Bytes
	count, ok := n.eval(nil).Number.Int64()
	if !ok {
		return c.fail(e, "the number is out of range")
	}
	eval := a.eval
	x := compiled{Type: a.Type, constant: a.constant, src: e}
	x.eval = func(r *fold.Env) value.Value {
		v := eval(r)
		v.Bytes = substringIndex(v.Bytes, delim, count)
		return v
	}
	return x
}

// substringIndex is what stands before the n-th delimiter, or for n < 0 after the n-th from the end. Delimiters are
// found from the left and never overlap, for n < 0 too: 'aaa' holds one 'aa', and 'a' follows it.
func substringIndex(b, delim []byte, count int64) []byte {
	if count == 0 || len(delim) == 0 {
		return b[:0]
	}
	if count < 0 {
		if count += int64(bytes.Count(b, delim)) + 1; count <= 0 {
			return b
		}
		return b[endOf(b, delim, count):]
	}
	if end := endOf(b, delim, count); end >= 0 {
		return b[:end-len(delim)]
	}
	return b
}

// endOf is where the n-th delimiter ends, -1 where there are fewer.
func endOf(b, delim []byte, n int64) int {
	at := 0
	for ; n > 0; n-- {
		i := bytes.Index(b[at:], delim)
		if i < 0 {
			return -1
		}
		at += i + len(delim)
	}
	return at
}

// header is the value of a Kafka record's header, which is where a Flume event's headers are. The first of that name.
func (c *compiler) header(e *ast.Expr) compiled {
	if e.Args[0].Op != ast.OpText {
		return c.fail(e, "header takes a name in quotes, such as header('host')")
	}
	name := e.Args[0].Name
	return compiled{Type: value.Type{Kind: value.KindText, Nullable: true}, src: e, eval: func(r *fold.Env) value.Value { return r.Header(name) }}
}
