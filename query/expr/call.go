package expr

import (
	"slices"
	"strings"

	"github.com/sluice-etl/sluice/query/ast"
)

// Function is a function of the values of one row.
type Function struct {
	Name   string // in lower case
	Args   string // the arguments, as the manual shows them
	Result string // the result's type, as the manual shows it
	Doc    string // one line for the manual
	// Least and Most are how many arguments it takes; Most is -1 for any number.
	Least, Most int
	// Compile compiles a call whose number of arguments was checked.
	Compile func(c *Compiler, e *ast.Expr) Compiled
}

// Library is the functions that expressions can call.
type Library struct {
	Functions []Function // in any order
	// Advice is what to write in place of functions that people expect, by their name in lower case.
	Advice map[string]string
}

// Find finds a function by its name in lower case.
func (l *Library) Find(name string) (f Function, ok bool) {
	i := slices.IndexFunc(l.Functions, func(f Function) bool { return f.Name == name })
	if i < 0 {
		return f, false
	}
	return l.Functions[i], true
}

// call compiles the call of a function.
func (c *Compiler) call(e *ast.Expr) Compiled {
	if e.IsAggregate() {
		if c.InWhere {
			return c.Fail(e, "an aggregate cannot be in WHERE, which is evaluated for each record")
		}
		return c.Fail(e, "an aggregate must be a whole item of SELECT, because each column of a row is added to by itself: store each, and compute with them when you select")
	}
	f, ok := c.Library.Find(e.Name)
	if !ok {
		return c.noFunction(e)
	}
	if e.Star || e.Distinct || len(e.Args) < f.Least || f.Most >= 0 && len(e.Args) > f.Most {
		if f.Least == f.Most {
			return c.Fail(e, "%s takes %d arguments", strings.ToUpper(e.Name), f.Least)
		}
		return c.Fail(e, "%s takes at least %d arguments", strings.ToUpper(e.Name), f.Least)
	}
	return f.Compile(c, e)
}

// noFunction is the error for a function that does not exist.
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
