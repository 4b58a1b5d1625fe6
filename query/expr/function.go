package expr

import (
	"slices"
	"strings"

	"github.com/sluice-etl/sluice/fold"
	"github.com/sluice-etl/sluice/fold/lookup"
	"github.com/sluice-etl/sluice/fold/value"
)

// Class is the class of values that a function takes or returns. The compiler converts arguments to it, or rejects
// them.
type Class uint8

// The classes.
const (
	Any       Class = iota // an argument of any type; as a result, the type of the first argument
	Branch                 // all arguments of this class are converted to one type, which is also the result's
	Text                   // also integers and decimals, as MySQL writes them, and JSON fields
	Integer                // only integers
	Number                 // a JSON field is read as a decimal
	Exact                  // integers and decimals
	Double                 // other numbers are converted
	Time                   // a time; text literals and JSON fields are read as times
	Condition              // a truth value, in Compiled.Test
	JSON                   // a text that is JSON, or a value of JSON; its text is the argument
	Interval               // INTERVAL n unit, which is not compiled: only Compiled.Source is set
)

// kinds holds the kind of the values of a class, for classes that have only one.
var kinds = map[Class]value.Kind{Text: value.KindText, Integer: value.KindInt, Number: value.KindDecimal, Double: value.KindDouble, Time: value.KindTime, JSON: value.KindJSON}

// Param is a parameter of a function.
type Param struct {
	Name  string // as the manual shows it
	Class Class
	// Constant means that the argument must be a constant that is not NULL.
	Constant bool
	// Optional means that this argument and those after it can be omitted. The function then gets the integer Default.
	Optional bool
	Default  int64
}

// Param returns a parameter of this class.
func (c Class) Param(name string) Param { return Param{Name: name, Class: c} }

// Const returns p for an argument that must be a constant.
func (p Param) Const() Param {
	p.Constant = true
	return p
}

// Or returns p as an optional parameter whose default is n.
func (p Param) Or(n int64) Param {
	p.Optional, p.Default = true, n
	return p
}

// Function is a function of the values of one row: its signature, its documentation, and its computation, which is one
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
	// Type, if not nil, completes the type of the result, which already has its kind and is nullable if an argument is.
	Type func(t *value.Type, args []Compiled)
	// Compile compiles a call that the fields above cannot express. The arguments are already converted to their
	// classes. x has the result's type, as far as the signature determines it, and is constant if all arguments are;
	// Compile sets x.Eval.
	Compile func(c *Compiler, x Compiled, args []Compiled) Compiled
}

// Signature returns the function as the manual shows it, such as LEFT(text, n).
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

// Call returns a valid call with the arguments of Example.
func (f *Function) Call() string { return strings.ToUpper(f.Name) + "(" + f.Example + ")" }

// ResultText returns the type of the result as the manual shows it.
func (f *Function) ResultText() string {
	switch f.Result {
	case Text:
		return "text"
	case Integer:
		return "integer"
	case Number:
		return "number"
	case Double:
		return "DOUBLE"
	case Time:
		return "time"
	case JSON:
		return "JSON"
	case Branch:
		if slices.ContainsFunc(f.Params, func(p Param) bool { return p.Class != Branch }) {
			return "the type of " + f.branches()
		}
		return "the type of its arguments"
	}
	return "the type of `" + f.Params[0].Name + "`"
}

// branches lists the parameters that determine the type of the result.
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

// param returns the parameter of the i-th argument. A variadic function repeats its last one.
func (f *Function) param(i int) *Param { return &f.Params[min(i, len(f.Params)-1)] }

// eval returns the function that computes a call from Eval1, Eval2 or Eval3: NULL if an argument is NULL.
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
	if f.Eval2 != nil {
		return NotNull(a, b, f.Eval2)
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

// NotNull returns the function that computes eval of two values, or NULL if one of them is NULL. b is not evaluated if a
// is NULL.
func NotNull(a, b func(*fold.Env) value.Value, eval func(r *fold.Env, p, q value.Value) value.Value) func(*fold.Env) value.Value {
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

// Library is the set of functions that expressions can call. It must not be changed while it is used.
type Library struct {
	Functions []Function // in any order
	// Advice holds what to write in place of functions of MySQL that are not supported, by their name in lower case.
	Advice map[string]string
	// ParseIP reads an IP address as functions of the library do: its 4 or 16 bytes. ParseNetwork reads a network. ok is
	// false if the text is something else.
	ParseIP      func(text []byte) (room [16]byte, size int, ok bool)
	ParseNetwork func(text []byte) (n lookup.Network, ok bool)
}

// Find returns the function with a name in lower case; nil if there is none. The result is shared and must not be
// changed.
func (l *Library) Find(name string) *Function {
	i := slices.IndexFunc(l.Functions, func(f Function) bool { return f.Name == name })
	if i < 0 {
		return nil
	}
	return &l.Functions[i]
}
