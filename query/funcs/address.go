package funcs

import (
	"bytes"

	"github.com/sluice-etl/sluice/fold"
	"github.com/sluice-etl/sluice/fold/value"
	"github.com/sluice-etl/sluice/query/expr"
	"github.com/sluice-etl/sluice/row"
)

var addresses = []expr.Function{
	{
		Name: "inet_aton", Params: []expr.Param{expr.Text.Param("text")}, Result: expr.Integer, Eval1: inetAton, Type: canBeNull,
		Example: "host", Doc: "the number of an IPv4 address; NULL if the text is something else",
	},
	{
		Name: "inet_ntoa", Params: []expr.Param{expr.Integer.Param("n")}, Result: expr.Text, Eval1: inetNtoa, Type: addressType,
		Example: "bytes", Doc: "the IPv4 address of a number; NULL if it is out of range",
	},
	{
		Name: "is_ipv4", Params: []expr.Param{expr.Text.Param("text")}, Result: expr.Integer, Compile: isIPv4,
		Example: "host", Doc: "1 for an IPv4 address, otherwise 0",
	},
	{
		Name: "is_ipv6", Params: []expr.Param{expr.Text.Param("text")}, Result: expr.Integer, Compile: isIPv6,
		Example: "host", Doc: "1 for an IPv6 address, otherwise 0",
	},
}

func canBeNull(t *value.Type, _ []expr.Compiled) { t.Nullable = true }

func addressType(t *value.Type, _ []expr.Compiled) {
	t.Nullable, t.MaxChars = true, len("255.255.255.255")
}

func inetAton(_ *fold.Env, v value.Value) value.Value {
	if n, ok := parseIPv4(v.Bytes); ok {
		return value.Int(n)
	}
	return value.Null
}

func inetNtoa(r *fold.Env, v value.Value) value.Value {
	n, ok := v.Number.Int64()
	if !ok || n < 0 || n > 1<<32-1 {
		return value.Null
	}
	from := len(r.Text)
	for shift := 24; shift >= 0; shift -= 8 {
		r.Text = row.FromInt(n>>shift&0xff).AppendText(r.Text, 0)
		if shift > 0 {
			r.Text = append(r.Text, '.')
		}
	}
	return made(r, from)
}

func isIPv4(_ *expr.Compiler, x expr.Compiled, args []expr.Compiled) expr.Compiled {
	return predicate(x, args[0], func(b []byte) bool {
		_, ok := parseIPv4(b)
		return ok
	})
}

func isIPv6(_ *expr.Compiler, x expr.Compiled, args []expr.Compiled) expr.Compiled {
	return predicate(x, args[0], func(b []byte) bool {
		_, ok := parseIPv6(b)
		return ok
	})
}

// predicate compiles a function that returns 1 for texts that is recognizes, and 0 for other texts and NULL.
func predicate(x, arg expr.Compiled, is func(b []byte) bool) expr.Compiled {
	x.Nullable = false
	x.Eval = func(r *fold.Env) value.Value {
		v := arg.Eval(r)
		return value.Bool(v.Set && is(v.Bytes))
	}
	return x
}

// parseIPv4 reads four decimal numbers of one to three digits, none above 255.
func parseIPv4(b []byte) (n int64, ok bool) {
	for i := range 4 {
		digits, rest, more := bytes.Cut(b, dot)
		octet, ok := value.ParseDigits(digits)
		if !ok || len(digits) > 3 || octet > 255 || more != (i < 3) {
			return 0, false
		}
		n, b = n<<8|octet, rest
	}
	return n, true
}

var dot = []byte(".")
