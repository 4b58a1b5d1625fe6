package expr

import (
	"slices"
	"strings"

	"github.com/sluice-etl/sluice/fold"
	"github.com/sluice-etl/sluice/fold/value"
)

// Class is what a function takes or returns. The compiler converts arguments to it, or rejects them.
type Class uint8

// The classes.
const (
	Any       Class = iota // what is written; as a result, the type of the first argument
	Branch                 // all arguments of this class are converted to one type, which is also the result's
	Text                   // also integers and decimals, as MySQL writes them, and JSON fields
	Integer                // only integers
	Number                 // a JSON field is read as a decimal
	Exact                  // integers and decimals
	Time                   // a time; text literals and JSON fields are read as times
	Condition              // a truth value, in Compiled.Test
	Interval               // INTERVAL n unit, which is not compiled: only Compiled.Source is set
)

// kinds holds what values of a class are, if the class says it.
var kinds = map[Class]value.Kind{Text: value.KindText, Integer: value.KindInt, Number: value.KindDecimal, Time: value.KindTime}

// Param is a parameter of a function.
type Param struct {
	Name  string // as the manual shows it
	Class Class
	// Constant means that the argument must be a constant, and not NULL.
	Constant bool
	// Optional means that this argument and those after it can be left out. The function then gets the integer Default.
	Optional bool
	Default  int64
}

// Param is a parameter of this class.
func (c Class) Param(name string) Param { return Param{Name: name, Class: c} }

// Const is the parameter p for a constant.
func (p Param) Const() Param {
	p.Constant = true
	return p
}

// Or is the parameter p with a default.
func (p Param) Or(n int64) Param {
	p.Optional, p.Default = true, n
	return p
}

// Function is a function of the values of one row: its signature, its documentation, and how it is computed, which is one
// of Eval1, Eval2, Eval3 and Compile.
type Function struct {
	Name     string // in lower case
	Params   []Param
	Variadic bool // the last parameter can be repeated
	Result   Class
	Doc      string // one line for the manual
	Example  string // the arguments of a valid call, for errors
	Syntax   string // a call as the manual shows it, if it is not a list of Params
	// Eval1, Eval2 and Eval3 compute the result from values that are not NULL. If one is NULL, the result is NULL.
	Eval1 func(r *fold.Env, a value.Value) value.Value
	Eval2 func(r *fold.Env, a, b value.Value) value.Value
	Eval3 func(r *fold.Env, a, b, c value.Value) value.Value
	// Type, if not nil, completes the result's type, which has its kind and is nullable if an argument is.
	Type func(t *value.Type, args []Compiled)
	// Compile compiles what the fields above cannot express. The arguments are converted to their classes. x has the
	// result's type, as far as the signature gives it, and is constant if all arguments are; Compile sets x.Eval.
	Compile func(c *Compiler, x Compiled, args []Compiled) Compiled
}

// Signature is the function as the manual shows it: LEFT(text, n).
func (f *Function) Signature() string {
	if f.Syntax != "" {
		return f.Syntax
	}
	var b strings.Builder
	b.WriteString(strings.ToUpper(f.Name) + "(")
	optional := 0
	for i, p := range f.Params {
		if p.Optional {
			b.WriteString("[")
			optional++
		}
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(p.Name)
	}
	if f.Variadic {
		b.WriteString(", …")
	}
	return b.String() + strings.Repeat("]", optional) + ")"
}

// Call is the example as a call.
func (f *Function) Call() string { return strings.ToUpper(f.Name) + "(" + f.Example + ")" }

// ResultText is the type of the result as the manual shows it.
func (f *Function) ResultText() string {
	switch f.Result {
	case Text:
		return "text"
	case Integer:
		return "integer"
	case Number:
		return "number"
	case Time:
		return "time"
	case Branch:
		if slices.ContainsFunc(f.Params, func(p Param) bool { return p.Class != Branch }) {
			return "the type of " + f.branches()
		}
		return "the type of its arguments"
	}
	return "the type of `" + f.Params[0].Name + "`"
}

// branches lists the parameters that give the result.
func (f *Function) branches() string {
	var names []string
	for _, p := range f.Params {
		if p.Class == Branch {
			names = append(names, "`"+p.Name+"`")
		}
	}
	return strings.Join(names, " and ")
}

// takes reports whether the function can be called with n arguments.
func (f *Function) takes(n int) bool {
	least := slices.IndexFunc(f.Params, func(p Param) bool { return p.Optional })
	if least < 0 {
		least = len(f.Params)
	}
	return n >= least && (f.Variadic || n <= len(f.Params))
}

// param is the parameter of the i-th argument.
func (f *Function) param(i int) *Param { return &f.Params[min(i, len(f.Params)-1)] }

// eval is how a function is computed that has Eval1, Eval2 or Eval3.
func (f *Function) eval(args []Compiled) func(*fold.Env) value.Value {
	a := args[0].Eval
	if eval := f.Eval1; eval != nil {
		return func(r *fold.Env) value.Value {
			p := a(r)
			if !p.Set {
				return value.Null
			}
			return eval(r, p)
		}
	}
	b := args[1].Eval
	if eval := f.Eval2; eval != nil {
		return func(r *fold.Env) value.Value {
			p := a(r)
			if !p.Set {
				return value.Null
			}
			q := b(r)
			if !q.Set {
				return value.Null
			}
			return eval(r, p, q)
		}
	}
	c, eval := args[2].Eval, f.Eval3
	return func(r *fold.Env) value.Value {
		p := a(r)
		if !p.Set {
			return value.Null
		}
		q := b(r)
		if !q.Set {
			return value.Null
		}
		s := c(r)
		if !s.Set {
			return value.Null
		}
		return eval(r, p, q, s)
	}
}

// Library is the functions that expressions can call.
type Library struct {
	Functions []Function // in any order
	// Advice is what to write in place of functions that people expect, by their name in lower case.
	Advice map[string]string
}

// Find returns the function of a name in lower case; nil if there is none.
func (l *Library) Find(name string) *Function {
	i := slices.IndexFunc(l.Functions, func(f Function) bool { return f.Name == name })
	if i < 0 {
		return nil
	}
	return &l.Functions[i]
}
