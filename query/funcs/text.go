package funcs

import (
	"bytes"
	"unicode/utf8"

	"github.com/sluice-etl/sluice/fold"
	"github.com/sluice-etl/sluice/fold/value"
	"github.com/sluice-etl/sluice/query/ast"
	"github.com/sluice-etl/sluice/query/expr"
)

// leftText compiles LEFT(text, n): the first n characters.
func leftText(c *expr.Compiler, e *ast.Expr) expr.Compiled {
	a, n := c.Text(c.Compile(e.Args[0])), c.Number(c.Compile(e.Args[1]))
	if n.Kind != value.KindInt || !n.Constant || n.Nullable {
		return c.Fail(e, "LEFT takes a text and a number of characters, such as LEFT(path, 100)")
	}
	chars, ok := n.Eval(nil).Number.Int64()
	chars = max(chars, 0)
	if !ok || chars > 1<<30 {
		return c.Fail(e, "LEFT cuts to at most 2^30 characters")
	}
	eval := a.Eval
	x := expr.Compiled{Type: a.Type, Constant: a.Constant, Source: e}
	if x.MaxChars == 0 || int(chars) < x.MaxChars {
		x.MaxChars = max(1, int(chars))
	}
	x.Eval = func(r *fold.Env) value.Value {
		v := eval(r)
		v.Bytes = value.Cut(v.Bytes, int(chars))
		return v
	}
	return x
}

// concat compiles CONCAT(text, …).
func concat(c *expr.Compiler, e *ast.Expr) expr.Compiled {
	x := expr.Compiled{Type: value.Type{Kind: value.KindText}, Constant: true, Source: e}
	var evals []func(*fold.Env) value.Value
	bounded := true
	for _, arg := range e.Args {
		a := c.Text(c.Compile(arg))
		evals = append(evals, a.Eval)
		x.Nullable = x.Nullable || a.Nullable
		x.Constant = x.Constant && a.Constant
		bounded = bounded && a.MaxChars > 0
		x.MaxChars += a.MaxChars
	}
	if !bounded {
		x.MaxChars = 0
	}
	x.Eval = func(r *fold.Env) value.Value {
		// The arguments may append their own texts to r.Text, so all of them are evaluated before the first is copied.
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

// lengthOf compiles LENGTH, which counts bytes, and CHAR_LENGTH, which counts characters.
func lengthOf(c *expr.Compiler, e *ast.Expr) expr.Compiled {
	a := c.Text(c.Compile(e.Args[0]))
	eval, chars := a.Eval, e.Name != "length"
	return expr.Compiled{Type: value.Type{Kind: value.KindInt, Nullable: a.Nullable}, Constant: a.Constant, Source: e, Eval: func(r *fold.Env) value.Value {
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

// substringIndexOf compiles SUBSTRING_INDEX(text, delimiter, n).
func substringIndexOf(c *expr.Compiler, e *ast.Expr) expr.Compiled {
	a, d, n := c.Text(c.Compile(e.Args[0])), c.Text(c.Compile(e.Args[1])), c.Number(c.Compile(e.Args[2]))
	if !d.Constant || d.Nullable || n.Kind != value.KindInt || !n.Constant || n.Nullable {
		return c.Fail(e, "SUBSTRING_INDEX takes a text, a delimiter and a number, such as SUBSTRING_INDEX(path, '?', 1)")
	}
	delim := d.Eval(&fold.Env{}).Bytes
	count, ok := n.Eval(nil).Number.Int64()
	if !ok {
		return c.Fail(e, "the number is out of range")
	}
	eval := a.Eval
	x := expr.Compiled{Type: a.Type, Constant: a.Constant, Source: e}
	x.Eval = func(r *fold.Env) value.Value {
		v := eval(r)
		v.Bytes = substringIndex(v.Bytes, delim, count)
		return v
	}
	return x
}

// substringIndex is what precedes the n-th delimiter, or for n < 0 what follows the n-th from the end. Delimiters are found
// from the left and never overlap, for n < 0 too: 'aaa' contains one 'aa', which is followed by 'a'.
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

// endOf is the index at which the n-th delimiter ends; -1 where there are fewer.
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
