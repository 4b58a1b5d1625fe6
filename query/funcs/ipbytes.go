package funcs

import (
	"github.com/sluice-etl/sluice/fold"
	"github.com/sluice-etl/sluice/fold/value"
	"github.com/sluice-etl/sluice/query/ast"
	"github.com/sluice-etl/sluice/query/expr"
)

// addressBytes holds the functions of addresses that are stored as 4 or 16 bytes.
var addressBytes = []expr.Function{
	{
		Name: "inet6_aton", Params: []expr.Param{expr.Text.Param("text")}, Result: expr.Text, Eval1: inet6Aton, Type: ipBytesType,
		Example: "host", Doc: "the 4 or 16 bytes of an IP address; NULL if the text is something else",
	},
	{
		Name: "inet6_ntoa", Params: []expr.Param{expr.Text.Param("bytes")}, Result: expr.Text, Compile: inet6Ntoa,
		Example: "INET6_ATON(host)", Doc: "the IP address of 4 or 16 bytes; NULL for another number of them",
	},
	{
		Name: "is_ipv4_compat", Params: []expr.Param{expr.Text.Param("bytes")}, Result: expr.Integer, Compile: isIPv4Compat,
		Example: "INET6_ATON(host)", Doc: "1 for the bytes of an address such as `::192.0.2.1`, otherwise 0",
	},
	{
		Name: "is_ipv4_mapped", Params: []expr.Param{expr.Text.Param("bytes")}, Result: expr.Integer, Compile: isIPv4Mapped,
		Example: "INET6_ATON(host)", Doc: "1 for the bytes of an address such as `::ffff:192.0.2.1`, otherwise 0",
	},
}

// maxIPChars is the length of the longest address, ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff.
const maxIPChars = 39

func ipBytesType(t *value.Type, _ []expr.Compiled) { t.Nullable, t.Bytes, t.MaxChars = true, true, 16 }

func inet6Aton(r *fold.Env, v value.Value) value.Value {
	a, ok := parseIP(v.Bytes)
	if !ok {
		return value.Null
	}
	from := len(r.Text)
	r.Text = append(r.Text, a.bytes()...)
	return made(r, from)
}

// expectBytes rejects an argument that is text: the text 1::2 has the 4 bytes of another address.
func expectBytes(c *expr.Compiler, arg expr.Compiled) {
	e := arg.Source
	if arg.Bytes || arg.Kind == value.KindNull || e.Op == ast.OpCall && (e.Name == "unhex" || e.Name == "from_base64") {
		return
	}
	c.Fail(e, "is text, but the bytes of an address are expected: write INET6_ATON(%s), or UNHEX(%s) for hexadecimal digits", e.Text, e.Text)
}

func inet6Ntoa(c *expr.Compiler, x expr.Compiled, args []expr.Compiled) expr.Compiled {
	expectBytes(c, args[0])
	x.Nullable, x.MaxChars = true, maxIPChars
	eval := args[0].Eval
	x.Eval = func(r *fold.Env) value.Value {
		v := eval(r)
		a, ok := ipOf(v.Bytes)
		if !v.Set || !ok {
			return value.Null
		}
		from := len(r.Text)
		r.Text = appendIP(r.Text, a)
		return made(r, from)
	}
	return x
}

func isIPv4Compat(c *expr.Compiler, x expr.Compiled, args []expr.Compiled) expr.Compiled {
	expectBytes(c, args[0])
	return predicate(x, args[0], func(b []byte) bool {
		a, ok := ipOf(b)
		return ok && a.isCompatible()
	})
}

func isIPv4Mapped(c *expr.Compiler, x expr.Compiled, args []expr.Compiled) expr.Compiled {
	expectBytes(c, args[0])
	return predicate(x, args[0], func(b []byte) bool {
		a, ok := ipOf(b)
		return ok && a.isMapped()
	})
}
