package funcs

import (
	"bytes"
	"unicode/utf8"

	"github.com/sluice-etl/sluice/fold"
	"github.com/sluice-etl/sluice/fold/value"
	"github.com/sluice-etl/sluice/query/expr"
)

// parts holds the functions whose result is a part of a text, or its length.
var parts = []expr.Function{
	{
		Name: "left", Params: []expr.Param{expr.Text.Param("text"), expr.Integer.Param("n")}, Result: expr.Text, Eval2: left, Type: cutType,
		Example: "path, 100", Doc: "the first `n` characters",
	},
	{
		Name: "right", Params: []expr.Param{expr.Text.Param("text"), expr.Integer.Param("n")}, Result: expr.Text, Eval2: right, Type: cutType,
		Example: "path, 4", Doc: "the last `n` characters",
	},
	{
		Name: "substring", Params: []expr.Param{expr.Text.Param("text"), expr.Integer.Param("from"), expr.Integer.Param("n").Or(maxCut)}, Result: expr.Text, Eval3: substring, Type: substringType,
		Example: "path, 2, 10", Doc: "`n` characters or all, beginning with character `from`; -1 is the last",
	},
	{
		Name: "substr", Params: []expr.Param{expr.Text.Param("text"), expr.Integer.Param("from"), expr.Integer.Param("n").Or(maxCut)}, Result: expr.Text, Eval3: substring, Type: substringType,
		Example: "path, 2, 10", Doc: "the same as `SUBSTRING`",
	},
	{
		Name: "mid", Params: []expr.Param{expr.Text.Param("text"), expr.Integer.Param("from"), expr.Integer.Param("n").Or(maxCut)}, Result: expr.Text, Eval3: substring, Type: substringType,
		Example: "path, 2, 10", Doc: "the same as `SUBSTRING`",
	},
	{
		Name: "substring_index", Params: []expr.Param{expr.Text.Param("text"), expr.Text.Param("delimiter").Const(), expr.Integer.Param("n").Const()}, Result: expr.Text, Eval3: substringIndexOf, Type: sameChars,
		Example: "path, '?', 1", Doc: "before the `n`-th delimiter; if `n` < 0, after the `-n`-th last one",
	},
	{
		Name: "trim", Params: []expr.Param{expr.Text.Param("text"), expr.Text.Param("pattern").Const(), expr.Text.Param("direction").Const()}, Result: expr.Text, Compile: trim, Type: sameChars,
		Syntax: "TRIM([[LEADING | TRAILING] pattern FROM] text)", Example: "path", Doc: "the text without patterns, or spaces, at its ends",
	},
	{
		Name: "ltrim", Params: []expr.Param{expr.Text.Param("text")}, Result: expr.Text, Eval1: ltrim, Type: sameChars,
		Example: "path", Doc: "the text without spaces in front",
	},
	{
		Name: "rtrim", Params: []expr.Param{expr.Text.Param("text")}, Result: expr.Text, Eval1: rtrim, Type: sameChars,
		Example: "path", Doc: "the text without spaces at its end",
	},
	{
		Name: "length", Params: []expr.Param{expr.Text.Param("text")}, Result: expr.Integer, Eval1: length,
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
}

// maxCut bounds a number of characters, so that it fits an int.
const maxCut = 1 << 30

// clamp converts an integer to an int. Integers beyond the bounds become the nearest bound.
func clamp(n value.Value) int {
	if v, ok := n.Number.Int64(); ok {
		return int(min(max(v, -maxCut), maxCut))
	}
	return maxCut * n.Number.Sign()
}

// sameChars sets the type of a text that is at most as long as the first argument.
func sameChars(t *value.Type, args []expr.Compiled) { t.MaxChars = args[0].MaxChars }

// cutType sets the type of a text that is cut to a number of characters, which is the second argument.
func cutType(t *value.Type, args []expr.Compiled) {
	sameChars(t, args)
	cutTo(t, args[1])
}

func substringType(t *value.Type, args []expr.Compiled) {
	sameChars(t, args)
	cutTo(t, args[2])
}

// cutTo limits the length in the type of a text to a number of characters if that number is constant.
func cutTo(t *value.Type, n expr.Compiled) {
	if !n.Constant || n.Nullable {
		return
	}
	if n := clamp(n.Eval(nil)); n < maxCut && (t.MaxChars == 0 || n < t.MaxChars) {
		t.MaxChars = max(1, n)
	}
}

func left(_ *fold.Env, text, n value.Value) value.Value {
	return value.Text(value.Cut(text.Bytes, max(0, clamp(n))))
}

func right(_ *fold.Env, text, n value.Value) value.Value {
	return value.Text(last(text.Bytes, max(0, clamp(n))))
}

// last returns the last n characters of a text, or all of it if there are fewer.
func last(b []byte, n int) []byte {
	at := len(b)
	for ; n > 0 && at > 0; n-- {
		_, size := utf8.DecodeLastRune(b[:at])
		at -= size
	}
	return b[at:]
}

// substring returns the text from a position on, counted from 1, or from the end if it is negative. It is empty if it
// would begin before the first character, as in MySQL.
func substring(_ *fold.Env, text, from, n value.Value) value.Value {
	b, at, chars := text.Bytes, clamp(from), clamp(n)
	switch {
	case at == 0 || chars <= 0 || at < 0 && -at > utf8.RuneCount(b):
		return value.Text(b[:0])
	case at < 0:
		b = last(b, -at)
	default:
		b = b[len(value.Cut(b, at-1)):]
	}
	return value.Text(value.Cut(b, chars))
}

func ltrim(_ *fold.Env, v value.Value) value.Value {
	return value.Text(bytes.TrimLeft(v.Bytes, " "))
}

func rtrim(_ *fold.Env, v value.Value) value.Value {
	return value.Text(bytes.TrimRight(v.Bytes, " "))
}

// trim compiles TRIM, which removes a constant pattern from one end or both. The third argument is the direction, from
// package parse.
func trim(_ *expr.Compiler, x expr.Compiled, args []expr.Compiled) expr.Compiled {
	eval, pattern, direction := args[0].Eval, args[1].Eval(nil).Bytes, string(args[2].Eval(nil).Bytes)
	x.Eval = func(r *fold.Env) value.Value {
		v := eval(r)
		for len(pattern) > 0 && direction != "trailing" && bytes.HasPrefix(v.Bytes, pattern) {
			v.Bytes = v.Bytes[len(pattern):]
		}
		for len(pattern) > 0 && direction != "leading" && bytes.HasSuffix(v.Bytes, pattern) {
			v.Bytes = v.Bytes[:len(v.Bytes)-len(pattern)]
		}
		return v
	}
	return x
}

func length(_ *fold.Env, v value.Value) value.Value { return value.Int(int64(len(v.Bytes))) }

func charLength(_ *fold.Env, v value.Value) value.Value {
	return value.Int(int64(utf8.RuneCount(v.Bytes)))
}
