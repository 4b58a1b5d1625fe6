package funcs

import (
	"encoding/base64"
	"encoding/hex"
	"math"
	"strconv"

	"github.com/sluice-etl/sluice/fold"
	"github.com/sluice-etl/sluice/fold/value"
	"github.com/sluice-etl/sluice/query/expr"
	"github.com/sluice-etl/sluice/row"
)

var encodings = []expr.Function{
	{
		Name: "hex", Params: []expr.Param{expr.Any.Param("x")}, Result: expr.Text, Compile: hexOf,
		Example: "path", Doc: "the bytes of a text, or an integer, in hexadecimal digits",
	},
	{
		Name: "unhex", Params: []expr.Param{expr.Text.Param("text")}, Result: expr.Text, Eval1: unhex, Type: decodedType,
		Example: "header('id')", Doc: "the bytes of hexadecimal digits; NULL if the text is something else",
	},
	{
		Name: "to_base64", Params: []expr.Param{expr.Text.Param("text")}, Result: expr.Text, Eval1: toBase64,
		Example: "path", Doc: "the bytes in base64, in lines of 76 characters",
	},
	{
		Name: "from_base64", Params: []expr.Param{expr.Text.Param("text")}, Result: expr.Text, Eval1: fromBase64, Type: decodedType,
		Example: "header('token')", Doc: "the bytes of base64; NULL if the text is something else",
	},
}

func hexOf(c *expr.Compiler, x expr.Compiled, args []expr.Compiled) expr.Compiled {
	eval, name := args[0].Eval, x.Source.Text
	switch args[0].Kind {
	case value.KindText, value.KindNull:
		if n := args[0].MaxChars; n > 0 {
			x.MaxChars = 2 * 4 * n // bytes of a character
		}
		x.Eval = func(r *fold.Env) value.Value {
			v := eval(r)
			if !v.Set {
				return value.Null
			}
			if len(v.Bytes) > maxMade/2 {
				return tooLong(r, "HEX")
			}
			from := len(r.Text)
			r.Text = hex.AppendEncode(r.Text, v.Bytes)
			toUpper(r.Text[from:])
			return made(r, from)
		}
		return x
	case value.KindInt:
		x.MaxChars = 16
		low, high := row.FromInt(math.MinInt64), row.Number{Lo: math.MaxUint64}
		x.Eval = func(r *fold.Env) value.Value {
			v := eval(r)
			switch {
			case !v.Set:
				return value.Null
			case v.Number.Compare(low) < 0 || v.Number.Compare(high) > 0:
				return r.Fail("%s: %s is out of range: it must have at most 64 bits", name, value.Show(v, value.KindInt))
			}
			from := len(r.Text)
			r.Text = strconv.AppendUint(r.Text, v.Number.Lo, 16)
			toUpper(r.Text[from:])
			return made(r, from)
		}
		return x
	}
	text := args[0].Source.Text
	return c.Fail(args[0].Source, "is %s, but a text or an integer is expected: write CAST(%s AS CHAR) or CAST(%s AS SIGNED)", args[0].Kind, text, text)
}

// toUpper maps ASCII letters to upper case, in place.
func toUpper(b []byte) {
	for i, c := range b {
		if c-'a' < 26 {
			b[i] = c - 0x20
		}
	}
}

// decodedType sets the type of a text that can be NULL and is at most as long as the text that it is decoded from.
func decodedType(t *value.Type, args []expr.Compiled) {
	sameChars(t, args)
	t.Nullable = true
}

// unhex decodes hexadecimal digits. An odd number of them gets a 0 in front, as in MySQL.
func unhex(r *fold.Env, v value.Value) value.Value {
	from, b := len(r.Text), v.Bytes
	if len(b)%2 == 1 {
		d, ok := digit(b[0])
		if !ok {
			return value.Null
		}
		r.Text, b = append(r.Text, d), b[1:]
	}
	for ; len(b) > 0; b = b[2:] {
		d, ok1 := digit(b[0])
		e, ok2 := digit(b[1])
		if !ok1 || !ok2 {
			return value.Null
		}
		r.Text = append(r.Text, d<<4|e)
	}
	return made(r, from)
}

// digit returns the value of a hexadecimal digit.
func digit(c byte) (d byte, ok bool) {
	switch {
	case c-'0' < 10:
		return c - '0', true
	case c|0x20-'a' < 6:
		return c | 0x20 - 'a' + 10, true
	}
	return 0, false
}

// line is the number of bytes that MySQL encodes in one line of base64, which has 76 characters.
const line = 57

func toBase64(r *fold.Env, v value.Value) value.Value {
	if len(v.Bytes) > maxMade/2 {
		return tooLong(r, "TO_BASE64")
	}
	from := len(r.Text)
	for b := v.Bytes; len(b) > 0; {
		n := min(len(b), line)
		if len(r.Text) > from {
			r.Text = append(r.Text, '\n')
		}
		r.Text = base64.StdEncoding.AppendEncode(r.Text, b[:n])
		b = b[n:]
	}
	return made(r, from)
}

// fromBase64 decodes base64. It skips white space, as MySQL does.
func fromBase64(r *fold.Env, v value.Value) value.Value {
	from := len(r.Text)
	for _, c := range v.Bytes {
		if !value.IsSpace(c) {
			r.Text = append(r.Text, c)
		}
	}
	b := r.Text[from:]
	n, err := base64.StdEncoding.Decode(b, b)
	if err != nil {
		return value.Null
	}
	return value.Text(b[:n:n])
}
