package funcs

import (
	"unicode/utf8"

	"github.com/sluice-etl/sluice/fold"
	"github.com/sluice-etl/sluice/fold/value"
	"github.com/sluice-etl/sluice/query/expr"
)

// composed holds the functions whose result is longer than a part of one argument: they join, repeat or fill texts.
var composed = []expr.Function{
	{
		Name: "concat", Params: []expr.Param{expr.Text.Param("text")}, Variadic: true, Result: expr.Text, Compile: concat,
		Example: "host, path", Doc: "the texts joined; NULL if one of them is NULL",
	},
	{
		Name: "concat_ws", Params: []expr.Param{expr.Text.Param("separator"), expr.Text.Param("text")}, Variadic: true, Result: expr.Text, Compile: concatWS,
		Example: "' ', method, path", Doc: "the texts that are not NULL joined, with separators between them",
	},
	{
		Name: "repeat", Params: []expr.Param{expr.Text.Param("text"), expr.Integer.Param("n")}, Result: expr.Text, Eval2: repeat, Type: repeatType,
		Example: "method, 3", Doc: "the text `n` times",
	},
	{
		Name: "lpad", Params: []expr.Param{expr.Text.Param("text"), expr.Integer.Param("n").Const(), expr.Text.Param("fill").Const()}, Result: expr.Text, Compile: lpad,
		Example: "status, 5, '0'", Doc: "`n` characters: the text cut, or filled in front",
	},
	{
		Name: "rpad", Params: []expr.Param{expr.Text.Param("text"), expr.Integer.Param("n").Const(), expr.Text.Param("fill").Const()}, Result: expr.Text, Compile: rpad,
		Example: "host, 20, '.'", Doc: "`n` characters: the text cut, or filled behind",
	},
	{
		Name: "reverse", Params: []expr.Param{expr.Text.Param("text")}, Result: expr.Text, Eval1: reverse, Type: sameChars,
		Example: "host", Doc: "the characters in the opposite order",
	},
}

// maxMade is the most bytes that a text can have that a function makes longer. It is MariaDB's max_allowed_packet.
const maxMade = 16 << 20

func tooLong(r *fold.Env, name string) value.Value {
	return r.Fail("%s: the result has more than %d bytes", name, maxMade)
}

// made returns the text that was appended to r.Text since its length was from.
func made(r *fold.Env, from int) value.Value {
	return value.Text(r.Text[from:len(r.Text):len(r.Text)])
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
		return joined(r, "CONCAT", value.Text(nil), evals, false)
	}
	return x
}

// joined joins the texts that are not NULL. It is NULL if one is NULL, unless skip is set.
func joined(r *fold.Env, name string, separator value.Value, evals []func(*fold.Env) value.Value, skip bool) value.Value {
	// The arguments may append their own texts to r.Text, so all of them are evaluated before the first is copied.
	base, size := len(r.Parts), 0
	defer func() { r.Parts = r.Parts[:base] }()
	for _, eval := range evals {
		v := eval(r)
		switch {
		case v.Set:
			r.Parts = append(r.Parts, v)
			size += len(v.Bytes) + len(separator.Bytes)
		case !skip:
			return value.Null
		}
	}
	parts := r.Parts[base:]
	if len(parts) > 0 {
		size -= len(separator.Bytes)
	}
	if size > maxMade {
		return tooLong(r, name)
	}
	from := len(r.Text)
	for i, v := range parts {
		if i > 0 {
			r.Text = append(r.Text, separator.Bytes...)
		}
		r.Text = append(r.Text, v.Bytes...)
	}
	return made(r, from)
}

func concatWS(_ *expr.Compiler, x expr.Compiled, args []expr.Compiled) expr.Compiled {
	x.Nullable = args[0].Nullable
	bounded := true
	for i, a := range args {
		bounded = bounded && a.MaxChars > 0
		x.MaxChars += a.MaxChars
		if i > 1 {
			x.MaxChars += args[0].MaxChars
		}
	}
	if x.MaxChars -= args[0].MaxChars; !bounded {
		x.MaxChars = 0
	}
	var evals []func(*fold.Env) value.Value
	for _, a := range args[1:] {
		evals = append(evals, a.Eval)
	}
	x.Eval = func(r *fold.Env) value.Value {
		separator := args[0].Eval(r)
		if !separator.Set {
			return value.Null
		}
		return joined(r, "CONCAT_WS", separator, evals, true)
	}
	return x
}

func repeatType(t *value.Type, args []expr.Compiled) {
	if n := args[1]; n.Constant && !n.Nullable && args[0].MaxChars > 0 {
		if n := clamp(n.Eval(nil)); n <= maxMade/args[0].MaxChars {
			t.MaxChars = max(1, n*args[0].MaxChars)
		}
	}
}

func repeat(r *fold.Env, text, n value.Value) value.Value {
	times := max(0, clamp(n))
	if len(text.Bytes) == 0 {
		times = 0
	} else if times > maxMade/len(text.Bytes) {
		return tooLong(r, "REPEAT")
	}
	from := len(r.Text)
	for range times {
		r.Text = append(r.Text, text.Bytes...)
	}
	return made(r, from)
}

func lpad(c *expr.Compiler, x expr.Compiled, args []expr.Compiled) expr.Compiled {
	return pad(c, x, args, true)
}

func rpad(c *expr.Compiler, x expr.Compiled, args []expr.Compiled) expr.Compiled {
	return pad(c, x, args, false)
}

// maxPad is the maximum number of characters to which LPAD and RPAD fill up: the maximum of a VARCHAR.
const maxPad = 16383

// pad truncates a text to a constant number of characters or fills it up. An empty fill is an error, because servers
// give different results for it.
func pad(c *expr.Compiler, x expr.Compiled, args []expr.Compiled, front bool) expr.Compiled {
	n, fill := clamp(args[1].Eval(nil)), args[2].Eval(nil).Bytes
	if n < 0 || n > maxPad || len(fill) == 0 {
		return c.Fail(x.Source, "expected a number of characters from 0 to %d, and a text to fill with that is not empty", maxPad)
	}
	x.MaxChars = max(1, n)
	return notNull(x, args[0], func(r *fold.Env, v value.Value) value.Value {
		missing := n - utf8.RuneCount(v.Bytes)
		if missing <= 0 {
			return value.Text(value.Cut(v.Bytes, n))
		}
		from := len(r.Text)
		if !front {
			r.Text = append(r.Text, v.Bytes...)
		}
		for chars := utf8.RuneCount(fill); missing > 0; missing -= chars {
			r.Text = append(r.Text, value.Cut(fill, missing)...)
		}
		if front {
			r.Text = append(r.Text, v.Bytes...)
		}
		return made(r, from)
	})
}

func reverse(r *fold.Env, v value.Value) value.Value {
	from := len(r.Text)
	for b := v.Bytes; len(b) > 0; {
		_, size := utf8.DecodeLastRune(b)
		r.Text = append(r.Text, b[len(b)-size:]...)
		b = b[:len(b)-size]
	}
	return made(r, from)
}
