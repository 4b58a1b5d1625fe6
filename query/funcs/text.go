package funcs

import (
	"bytes"
	"unicode/utf8"

	"github.com/sluice-etl/sluice/fold"
	"github.com/sluice-etl/sluice/fold/value"
	"github.com/sluice-etl/sluice/query/expr"
)

var texts = []expr.Function{
	{
		Name: "left", Params: []expr.Param{expr.Text.Param("text"), expr.Integer.Param("n").Const()},
		Result: expr.Text, Eval2: left, Type: leftType,
		Example: "path, 100", Doc: "the first `n` characters",
	},
	{
		Name: "concat", Params: []expr.Param{expr.Text.Param("text")}, Variadic: true, Result: expr.Text, Compile: concat,
		Example: "host, path", Doc: "the texts joined; NULL where one of them is NULL",
	},
	{
		Name: "length", Params: []expr.Param{expr.Text.Param("text")}, Result: expr.Integer,
		Eval1:   func(_ *fold.Env, v value.Value) value.Value { return value.Int(int64(len(v.Bytes))) },
		Example: "path", Doc: "the number of bytes",
	},
	{
		Name: "char_length", Params: []expr.Param{expr.Text.Param("text")}, Result: expr.Integer, Eval1: charLength,
		Example: "path", Doc: "the number of characters",
	},
	{
		Name: "character_length", Params: []expr.Param{expr.Text.Param("text")}, Result: expr.Integer, Eval1: charLength,
		Example: "path", Doc: "the same as `CHAR_LENGTH`",
	},
	{
		Name: "substring_index", Params: []expr.Param{expr.Text.Param("text"), expr.Text.Param("delimiter").Const(), expr.Integer.Param("n").Const()},
		Result: expr.Text, Eval3: substringIndexOf, Type: sameChars,
		Example: "path, '?', 1", Doc: "before the `n`-th delimiter; if `n` < 0, after the `-n`-th last one",
	},
}

// maxCut bounds a number of characters, so that it fits an int.
const maxCut = 1 << 30

// clamp is an integer within bounds that fit an int.
func clamp(n value.Value) int {
	if v, ok := n.Number.Int64(); ok {
		return int(min(max(v, -maxCut), maxCut))
	}
	return maxCut * n.Number.Sign()
}

// sameChars is the type of a text that is at most as long as the first argument.
func sameChars(t *value.Type, args []expr.Compiled) { t.MaxChars = args[0].MaxChars }

func left(_ *fold.Env, text, n value.Value) value.Value {
	return value.Text(value.Cut(text.Bytes, max(0, clamp(n))))
}

// leftType is the type of a text that is cut to a constant number of characters, the second argument.
func leftType(t *value.Type, args []expr.Compiled) {
	sameChars(t, args)
	if n := clamp(args[1].Eval(nil)); n < maxCut && (t.MaxChars == 0 || n < t.MaxChars) {
		t.MaxChars = max(1, n)
	}
}

func concat(_ *expr.Compiler, x expr.Compiled, args []expr.Compiled) expr.Compiled {
	var evals []func(*fold.Env) value.Value
	bounded := true
	for _, a := range args {
		evals = append(evals, a.Eval)
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

func charLength(_ *fold.Env, v value.Value) value.Value {
	return value.Int(int64(utf8.RuneCount(v.Bytes)))
}

func substringIndexOf(_ *fold.Env, text, delim, n value.Value) value.Value {
	return value.Text(substringIndex(text.Bytes, delim.Bytes, int64(clamp(n))))
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

// endOf is the index at which the n-th delimiter ends; -1 if there are fewer.
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
