package funcs

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/sluice-etl/sluice/fold"
	"github.com/sluice-etl/sluice/fold/lookup"
	"github.com/sluice-etl/sluice/fold/value"
	"github.com/sluice-etl/sluice/query/expr"
)

// networks holds the functions of networks, which MySQL does not have.
var networks = []expr.Function{
	{
		Name: "ip_in", Params: []expr.Param{expr.Text.Param("text"), expr.Text.Param("'network'").Const()}, Variadic: true, Result: expr.Integer, Compile: ipIn,
		Example: "host, '10.0.0.0/8', 'fd00::/8'", Doc: "1 for an IP address in one of the networks, 0 for another; else NULL",
	},
	{
		Name: "anonymize_ip", Params: []expr.Param{expr.Text.Param("text"), expr.Integer.Param("v4").Const().Or(24), expr.Integer.Param("v6").Const().Or(48)}, Result: expr.Text, Compile: anonymizeIP,
		Example: "host", Doc: "an IP address with its first `v4` or `v6` bits; else NULL",
	},
}

// network is a block of addresses: those whose first bits are those of first.
type network struct {
	first ip
	bits  int
}

// parseNetwork reads a network such as 10.0.0.0/8, or a single address.
func parseNetwork(b []byte) (n network, err error) {
	text, bits, hasBits := bytes.Cut(b, []byte("/"))
	first, ok := parseIP(text)
	if !ok {
		return n, fmt.Errorf("%q is not a network: write an address and its number of bits, such as '10.0.0.0/8'", b)
	}
	n = network{first, 8 * first.size}
	if hasBits {
		most := n.bits
		small, ok := value.ParseDigits(bits)
		if n.bits = int(small); !ok || small > int64(most) {
			return n, fmt.Errorf("%q is not a network: the number of bits must be from 0 to %d", b, most)
		}
	}
	if whole := first.prefix(n.bits); whole != first {
		return n, fmt.Errorf("%q is not a network: the address has other bits than the first %d: write '%s/%d'", b, n.bits, appendIP(nil, whole), n.bits)
	}
	return n, nil
}

// readIP is parseIP for other packages.
func readIP(text []byte) (room [16]byte, size int, ok bool) {
	a, ok := parseIP(text)
	return a.room, a.size, ok
}

// readNetwork is parseNetwork for other packages.
func readNetwork(text []byte) (n lookup.Network, ok bool) {
	in, err := parseNetwork(text)
	return lookup.Network{First: in.first.room, Size: in.first.size, Bits: in.bits}, err == nil
}

// prefix returns an address of which all but the first bits are 0.
func (a ip) prefix(bits int) ip {
	for i := range a.size {
		keep := min(max(bits-8*i, 0), 8)
		a.room[i] &= ^byte(0xff >> keep)
	}
	return a
}

// contains reports whether an address is in the network. An IPv4-mapped IPv6 address is also in the networks of its IPv4
// address, because servers that listen on IPv6 log IPv4 clients so.
func (n network) contains(a ip) bool {
	if a.isMapped() && n.first.size == 4 {
		a, _ = ipOf(a.room[12:16])
	}
	return a.size == n.first.size && a.prefix(n.bits) == n.first
}

func ipIn(c *expr.Compiler, x expr.Compiled, args []expr.Compiled) expr.Compiled {
	var in []network
	for _, arg := range args[1:] {
		n, err := parseNetwork(arg.Eval(nil).Bytes)
		if err != nil {
			return c.Fail(x.Source, "%w", err)
		}
		in = append(in, n)
	}
	eval := args[0].Eval
	x.Nullable = true
	x.Eval = func(r *fold.Env) value.Value {
		v := eval(r)
		a, ok := parseIP(v.Bytes)
		if !v.Set || !ok {
			return value.Null
		}
		return value.Bool(slices.ContainsFunc(in, func(n network) bool { return n.contains(a) }))
	}
	return x
}

func anonymizeIP(c *expr.Compiler, x expr.Compiled, args []expr.Compiled) expr.Compiled {
	v4, v6 := clamp(args[1].Eval(nil)), clamp(args[2].Eval(nil))
	if v4 < 0 || v4 > 32 || v6 < 0 || v6 > 128 {
		return c.Fail(x.Source, "%w", errors.New("expected the number of bits that are kept: 0 to 32 of IPv4, 0 to 128 of IPv6"))
	}
	eval := args[0].Eval
	x.Nullable, x.MaxChars = true, maxIPChars
	x.Eval = func(r *fold.Env) value.Value {
		v := eval(r)
		a, ok := parseIP(v.Bytes)
		if !v.Set || !ok {
			return value.Null
		}
		bits := v6
		switch {
		case a.size == 4:
			bits = v4
		case a.isMapped():
			bits = 8*len(mappedPrefix) + v4
		}
		from := len(r.Text)
		r.Text = appendIP(r.Text, a.prefix(bits))
		return made(r, from)
	}
	return x
}
