package funcs

import (
	"bytes"
	"unicode/utf8"

	"github.com/sluice-etl/sluice/fold"
	"github.com/sluice-etl/sluice/fold/value"
	"github.com/sluice-etl/sluice/query/expr"
)

// urls holds the functions of URLs, which MySQL does not have.
var urls = []expr.Function{
	{
		Name: "url_scheme", Params: []expr.Param{expr.Text.Param("url")}, Result: expr.Text, Eval1: urlPart(func(u *urlParts) []byte { return u.scheme }), Type: decodedType,
		Example: "referer", Doc: "the part before the first colon, such as `https`",
	},
	{
		Name: "url_host", Params: []expr.Param{expr.Text.Param("url")}, Result: expr.Text, Eval1: urlPart(func(u *urlParts) []byte { return u.host }), Type: decodedType,
		Example: "referer", Doc: "the host, without user, port and brackets",
	},
	{
		Name: "url_port", Params: []expr.Param{expr.Text.Param("url")}, Result: expr.Integer, Eval1: urlPort, Type: canBeNull,
		Example: "referer", Doc: "the port; NULL if none is written",
	},
	{
		Name: "url_path", Params: []expr.Param{expr.Text.Param("url")}, Result: expr.Text, Eval1: urlPart(func(u *urlParts) []byte { return u.path }), Type: decodedType,
		Example: "referer", Doc: "the path, up to `?` or `#`",
	},
	{
		Name: "url_query", Params: []expr.Param{expr.Text.Param("url")}, Result: expr.Text, Eval1: urlPart(func(u *urlParts) []byte { return u.query }), Type: decodedType,
		Example: "path", Doc: "what stands between `?` and `#`",
	},
	{
		Name: "url_fragment", Params: []expr.Param{expr.Text.Param("url")}, Result: expr.Text, Eval1: urlPart(func(u *urlParts) []byte { return u.fragment }), Type: decodedType,
		Example: "referer", Doc: "what stands behind `#`",
	},
	{
		Name: "url_parameter", Params: []expr.Param{expr.Text.Param("url"), expr.Text.Param("'name'").Const()}, Result: expr.Text, Eval2: urlParameter, Type: decodedType,
		Example: "path, 'utm_source'", Doc: "the first parameter of this name in the query, decoded",
	},
	{
		Name: "url_decode", Params: []expr.Param{expr.Text.Param("text")}, Result: expr.Text, Eval1: urlDecode, Type: decodedType,
		Example: "path", Doc: "the text with `%xx` decoded and spaces in place of `+`; NULL if it is invalid",
	},
}

// urlPart returns a function that computes a part of a URL. It is NULL if the URL does not have it.
func urlPart(part func(*urlParts) []byte) func(*fold.Env, value.Value) value.Value {
	return func(_ *fold.Env, v value.Value) value.Value {
		u, ok := splitURL(v.Bytes)
		if b := part(&u); ok && b != nil {
			return value.Text(b)
		}
		return value.Null
	}
}

func urlPort(_ *fold.Env, v value.Value) value.Value {
	u, ok := splitURL(v.Bytes)
	if !ok || u.port == nil {
		return value.Null
	}
	n, _ := portOf(u.port)
	return value.Int(n)
}

// urlParameter decodes the names of parameters, too. Parameters are separated by &.
func urlParameter(r *fold.Env, v, name value.Value) value.Value {
	u, ok := splitURL(v.Bytes)
	if !ok || u.query == nil {
		return value.Null
	}
	for rest, more := u.query, true; more; {
		var pair []byte
		pair, rest, more = bytes.Cut(rest, ampersand)
		written, of, _ := bytes.Cut(pair, equalSign)
		if len(pair) == 0 {
			continue
		}
		from := len(r.Text)
		decoded := urlDecode(r, value.Text(written))
		r.Text = r.Text[:from] // the name is compared before anything is written over it
		if decoded.Set && bytes.Equal(decoded.Bytes, name.Bytes) {
			return urlDecode(r, value.Text(of))
		}
	}
	return value.Null
}

var ampersand, equalSign = []byte("&"), []byte("=")

// urlDecode decodes a part of a query. It is NULL if a % is not followed by two hexadecimal digits, or if the decoded text
// is not UTF-8.
func urlDecode(r *fold.Env, v value.Value) value.Value {
	if bytes.IndexByte(v.Bytes, '%') < 0 && bytes.IndexByte(v.Bytes, '+') < 0 {
		return value.Value{Bytes: v.Bytes, Set: utf8.Valid(v.Bytes)}
	}
	from := len(r.Text)
	for b := v.Bytes; len(b) > 0; b = b[1:] {
		switch b[0] {
		case '+':
			r.Text = append(r.Text, ' ')
		case '%':
			if len(b) < 3 || !isHex(b[1]) || !isHex(b[2]) {
				return value.Null
			}
			high, _ := digit(b[1])
			low, _ := digit(b[2])
			r.Text = append(r.Text, high<<4|low)
			b = b[2:]
		default:
			r.Text = append(r.Text, b[0])
		}
	}
	if !utf8.Valid(r.Text[from:]) {
		return value.Null
	}
	return made(r, from)
}
