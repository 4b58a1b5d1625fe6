package funcs

import (
	"bytes"
	"unicode/utf8"

	"github.com/sluice-etl/sluice/fold"
	"github.com/sluice-etl/sluice/fold/value"
	"github.com/sluice-etl/sluice/query/expr"
)

// searches holds the functions that search one text in another. Texts are compared by their bytes, as by = and LIKE.
var searches = []expr.Function{
	{
		Name: "locate", Params: []expr.Param{expr.Text.Param("part"), expr.Text.Param("text"), expr.Integer.Param("from").Or(1)}, Result: expr.Integer, Eval3: locate,
		Example: "'?', path", Doc: "the position of `part` in the text, not before `from`; 0 if there is none",
	},
	{
		Name: "instr", Params: []expr.Param{expr.Text.Param("text"), expr.Text.Param("part")}, Result: expr.Integer, Eval2: instr,
		Example: "path, '?'", Doc: "the same as `LOCATE(part, text)`",
	},
	{
		Name: "find_in_set", Params: []expr.Param{expr.Text.Param("text"), expr.Text.Param("list")}, Result: expr.Integer, Eval2: findInSet,
		Example: "method, 'GET,HEAD'", Doc: "the position of the text in a list with commas; 0 if there is none",
	},
	{
		Name: "field", Params: []expr.Param{expr.Branch.Param("x"), expr.Branch.Param("y")}, Variadic: true, Result: expr.Integer, Compile: field,
		Example: "method, 'GET', 'HEAD'", Doc: "the position of `x` among the other arguments; 0 if there is none",
	},
	{
		Name: "interval", Params: []expr.Param{expr.Exact.Param("x"), expr.Exact.Param("bound").Const()}, Variadic: true, Result: expr.Integer, Compile: interval,
		Example: "bytes, 1000, 10000", Doc: "how many of the bounds, ascending constants, are not above `x`; -1 for NULL",
	},
	{
		Name: "replace", Params: []expr.Param{expr.Text.Param("text"), expr.Text.Param("part"), expr.Text.Param("by")}, Result: expr.Text, Eval3: replace,
		Example: "path, '//', '/'", Doc: "the text with `by` in place of each `part`",
	},
}

func locate(_ *fold.Env, part, text, from value.Value) value.Value {
	at := clamp(from)
	if at < 1 {
		return value.Int(0)
	}
	before := value.Cut(text.Bytes, at-1)
	if len(before) == len(text.Bytes) && at-1 > utf8.RuneCount(before) {
		return value.Int(0)
	}
	i := bytes.Index(text.Bytes[len(before):], part.Bytes)
	if i < 0 {
		return value.Int(0)
	}
	return value.Int(int64(at + utf8.RuneCount(text.Bytes[len(before):len(before)+i])))
}

func instr(r *fold.Env, text, part value.Value) value.Value {
	return locate(r, part, text, value.Int(1))
}

func findInSet(_ *fold.Env, text, list value.Value) value.Value {
	rest := list.Bytes
	if len(rest) == 0 || bytes.IndexByte(text.Bytes, ',') >= 0 {
		return value.Int(0)
	}
	for n := int64(1); ; n++ {
		item, after, more := bytes.Cut(rest, comma)
		if bytes.Equal(item, text.Bytes) {
			return value.Int(n)
		}
		if !more {
			return value.Int(0)
		}
		rest = after
	}
}

var comma = []byte(",")

func field(c *expr.Compiler, x expr.Compiled, args []expr.Compiled) expr.Compiled {
	x.Nullable = false
	compare := comparator(c, args)
	x.Eval = func(r *fold.Env) value.Value {
		v := args[0].Eval(r)
		if !v.Set {
			return value.Int(0)
		}
		for i := 1; i < len(args); i++ {
			if w := args[i].Eval(r); w.Set && compare(v, w) == 0 {
				return value.Int(int64(i))
			}
		}
		return value.Int(0)
	}
	return x
}

// interval compiles INTERVAL(x, bound, …). In another order the result of MySQL depends on how it searches.
func interval(c *expr.Compiler, x expr.Compiled, args []expr.Compiled) expr.Compiled {
	x.Nullable = false
	of, bounds := args[0], args[1:]
	values := make([]value.Value, len(bounds))
	compare := make([]func(a, b value.Value) int, len(bounds))
	for i := range bounds {
		values[i] = bounds[i].Eval(fold.Constant(c.Zone))
		compare[i] = c.Comparator(&of, &bounds[i])
		if i > 0 && c.Err == nil && c.Comparator(&bounds[i-1], &bounds[i])(values[i-1], values[i]) > 0 {
			return c.Fail(bounds[i].Source, "is below the bound before it: the bounds must ascend")
		}
	}
	x.Eval = func(r *fold.Env) value.Value {
		v := of.Eval(r)
		if !v.Set {
			return value.Int(-1)
		}
		n := 0
		for n < len(values) && compare[n](v, values[n]) >= 0 {
			n++
		}
		return value.Int(int64(n))
	}
	return x
}

func replace(r *fold.Env, text, part, by value.Value) value.Value {
	n := 0
	if len(part.Bytes) > 0 {
		n = bytes.Count(text.Bytes, part.Bytes)
	}
	if n == 0 {
		return text
	}
	if len(text.Bytes)+n*(len(by.Bytes)-len(part.Bytes)) > maxMade {
		return tooLong(r, "REPLACE")
	}
	from, rest := len(r.Text), text.Bytes
	for range n {
		i := bytes.Index(rest, part.Bytes)
		r.Text = append(append(r.Text, rest[:i]...), by.Bytes...)
		rest = rest[i+len(part.Bytes):]
	}
	r.Text = append(r.Text, rest...)
	return made(r, from)
}
