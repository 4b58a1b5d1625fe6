package expr

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-etl/sluice/fold"
	"github.com/sluice-etl/sluice/fold/value"
	"github.com/sluice-etl/sluice/query/ast"
)

// call compiles a function call.
func (c *Compiler) call(e *ast.Expr) Compiled {
	if e.IsAggregate() {
		return c.Fail(e, "an aggregate cannot be in WHERE or in another aggregate, which are evaluated for each record")
	}
	f := c.Library.Find(e.Name)
	if f == nil {
		return c.noFunction(e)
	}
	return c.Call(e, f)
}

// Call compiles the call of a function.
func (c *Compiler) Call(e *ast.Expr, f *Function) Compiled {
	switch {
	case e.Star:
		return c.misused(e, f, "its argument is *")
	case e.Distinct:
		return c.misused(e, f, "only an aggregate has DISTINCT")
	case !f.takes(len(e.Args)):
		return c.misused(e, f, fmt.Sprintf("the number of its arguments is %d", len(e.Args)))
	}
	x := Compiled{Constant: true, Source: e}
	args, branch := c.arguments(e, f)
	if c.Err != nil {
		return nothing(e)
	}
	for i, a := range args {
		x.Nullable = x.Nullable || a.Nullable
		x.Constant = x.Constant && (a.Constant || f.param(i).Class == Interval)
	}
	switch f.Result {
	case Any:
		x.Type = args[0].Type
	case Branch:
		x.Type = branch
	default:
		x.Kind = kinds[f.Result]
	}
	if f.Type != nil {
		f.Type(&x.Type, args)
	}
	if f.Compile != nil {
		return f.Compile(c, x, args)
	}
	x.Eval = f.eval(args)
	return x
}

// misused reports a call that does not fit the signature: what was seen, what is expected, and an example.
func (c *Compiler) misused(e *ast.Expr, f *Function, seen string) Compiled {
	return c.Fail(e, "%s; expected %s, such as %s", seen, f.Signature(), f.Call())
}

// arguments compiles the arguments of a call, each converted to the class of its parameter. branch is the type of those of
// class Branch.
func (c *Compiler) arguments(e *ast.Expr, f *Function) (args []Compiled, branch value.Type) {
	var branches []Compiled
	for i, arg := range e.Args {
		p := f.param(i)
		if p.Class == Interval {
			if arg.Op != ast.OpInterval {
				c.misused(e, f, arg.Text+" is not an INTERVAL")
			}
			args = append(args, Compiled{Source: arg})
			continue
		}
		x := c.Compile(arg)
		if p.Class == Branch {
			branches = append(branches, x)
		}
		x = c.known(c.argument(x, p.Class))
		if p.Constant && (!x.Constant || x.Nullable) {
			seen := arg.Text + " is not a constant"
			if x.Constant {
				seen = arg.Text + " is NULL"
			}
			c.misused(e, f, seen)
		}
		args = append(args, x)
	}
	branches, branch = c.branches(branches)
	for i := range args {
		if f.param(i).Class == Branch {
			args[i], branches = branches[0], branches[1:]
		}
	}
	for _, p := range f.Params[min(len(args), len(f.Params)):] {
		v := value.Int(p.Default)
		args = append(args, Compiled{Type: value.Type{Kind: value.KindInt}, Constant: true, Eval: func(*fold.Env) value.Value { return v }})
	}
	return args, branch
}

// IntervalNumber compiles the number of an INTERVAL, which must be an integer. It may be in quotes, as in standard SQL.
func (c *Compiler) IntervalNumber(interval *ast.Expr) Compiled {
	if arg := interval.Args[0]; arg.Op == ast.OpText {
		if n, scale, ok := value.ParseDecimal([]byte(arg.Name)); ok && scale == 0 {
			v := value.Value{Number: n, Set: true}
			return Compiled{Type: value.Type{Kind: value.KindInt}, Constant: true, Source: arg, Eval: func(*fold.Env) value.Value { return v }}
		}
	}
	return c.known(c.argument(c.Compile(interval.Args[0]), Integer))
}

// argument converts an argument to a class.
func (c *Compiler) argument(x Compiled, to Class) Compiled {
	switch to {
	case Text:
		return c.Text(x)
	case Number:
		return c.Number(x)
	case Integer:
		x = c.Number(x)
		if x.Kind != value.KindInt && x.Kind != value.KindNull {
			return c.Fail(x.Source, "is %s, but an integer is expected: write CAST(%s AS SIGNED)", x.Kind, x.Source.Text)
		}
	case Exact:
		x = c.Number(x)
		if x.Kind == value.KindDouble {
			return c.Fail(x.Source, "is a DOUBLE, but an exact number is expected: write CAST(%s AS DECIMAL(p,s))", x.Source.Text)
		}
	case Double:
		return c.double(x)
	case Time:
		return c.time(x)
	case Condition:
		x.Test = c.Truth(x)
	case JSON:
		return c.document(x)
	}
	return x
}

// document returns the text of an argument that is JSON. A JSON field alone can mean two things: its JSON, or the JSON that
// its text contains.
func (c *Compiler) document(x Compiled) Compiled {
	if e := x.Source; x.Kind == value.KindJSON && x.Unquoted == nil && (e.Op != ast.OpColumn || !e.JSONPath) {
		if e.Op != ast.OpColumn {
			return c.Fail(e, "is a JSON field: write CAST(%s AS CHAR) for the JSON that its text contains", e.Text)
		}
		return c.Fail(e, "is a JSON field: write %s->'$' for its JSON, or %s->>'$' for the JSON that its text contains", e.Text, e.Text)
	}
	return c.Text(x)
}

// time converts x to a time: text literals and JSON fields are parsed as times. Anything else is an error.
func (c *Compiler) time(x Compiled) Compiled {
	if x.Kind == value.KindJSON {
		x = c.CastTime(c.Text(x), 6)
	}
	x = c.TimeLiteral(x)
	switch x.Kind {
	case value.KindTime:
		return x
	case value.KindNull:
		return c.Fail(x.Source, "is NULL, but a time is expected")
	}
	return c.Fail(x.Source, "is %s, but a time is expected: write FROM_UNIXTIME(%s) for seconds since 1970", x.Kind, x.Source.Text)
}

// known evaluates x once if it is a constant, so that x.Eval returns the result from then on.
func (c *Compiler) known(x Compiled) Compiled {
	if !x.Constant || c.Err != nil {
		return x
	}
	r := fold.Constant(c.Zone)
	v := x.Eval(r)
	if r.Reason != "" {
		return c.Fail(x.Source, "%s", r.Reason)
	}
	x.Eval = func(*fold.Env) value.Value { return v }
	x.Nullable = !v.Set
	return x
}

// noFunction reports the call of a function that does not exist, with advice or the most similar name.
func (c *Compiler) noFunction(e *ast.Expr) Compiled {
	if advice := c.Library.Advice[e.Name]; advice != "" {
		return c.Fail(e, "not supported: %s", advice)
	}
	names := slices.Clone(ast.Aggregates)
	for _, f := range c.Library.Functions {
		names = append(names, f.Name)
	}
	slices.Sort(names)
	if n := nearest(e.Name, names); n != "" {
		return c.Fail(e, "no such function; did you mean %s?", strings.ToUpper(n))
	}
	return c.Fail(e, "no such function; there are %s", strings.ToUpper(strings.Join(names, ", ")))
}
