package funcs

import (
	"strconv"

	"github.com/sluice-etl/sluice/fold"
	"github.com/sluice-etl/sluice/fold/value"
	"github.com/sluice-etl/sluice/query/expr"
)

var bitCounts = []expr.Function{
	{
		Name: "bit_count", Params: []expr.Param{expr.Integer.Param("n")}, Result: expr.Integer, Compile: bitCount,
		Example: "status", Doc: "how many of the 64 bits are 1",
	},
	{
		Name: "bin", Params: []expr.Param{expr.Integer.Param("n")}, Result: expr.Text, Compile: inBase(2), Type: chars(64),
		Example: "status", Doc: "the integer in binary digits",
	},
	{
		Name: "oct", Params: []expr.Param{expr.Integer.Param("n")}, Result: expr.Text, Compile: inBase(8), Type: chars(22),
		Example: "status", Doc: "the integer in octal digits",
	},
	{
		Name: "conv", Params: []expr.Param{expr.Text.Param("number"), expr.Integer.Param("from").Const(), expr.Integer.Param("to").Const()}, Result: expr.Text, Compile: conv,
		Example: "'ff', 16, 10", Doc: "the digits of a number in one base, from 2 to 36, in another",
	},
}

func bitCount(_ *expr.Compiler, x expr.Compiled, args []expr.Compiled) expr.Compiled {
	name := x.Source.Text
	return notNull(x, args[0], func(r *fold.Env, v value.Value) value.Value {
		if n, ok := expr.Bits(r, v, name); ok {
			return expr.BitCount(n)
		}
		return value.Null
	})
}

func digitsOf(r *fold.Env, n uint64, base int) value.Value {
	from := len(r.Text)
	r.Text = strconv.AppendUint(r.Text, n, base)
	toUpper(r.Text[from:])
	return made(r, from)
}

// inBase returns the compiler of a function that writes integers in a base, negative ones as their two's complement.
func inBase(base int) func(*expr.Compiler, expr.Compiled, []expr.Compiled) expr.Compiled {
	return func(_ *expr.Compiler, x expr.Compiled, args []expr.Compiled) expr.Compiled {
		name := x.Source.Text
		return notNull(x, args[0], func(r *fold.Env, v value.Value) value.Value {
			if n, ok := expr.Bits(r, v, name); ok {
				return digitsOf(r, n, base)
			}
			return value.Null
		})
	}
}

func conv(c *expr.Compiler, x expr.Compiled, args []expr.Compiled) expr.Compiled {
	from, to := clamp(args[1].Eval(nil)), clamp(args[2].Eval(nil))
	if from < 2 || from > 36 || to < 2 || to > 36 {
		return c.Fail(x.Source, "expected bases from 2 to 36, such as CONV('ff', 16, 10)")
	}
	x.MaxChars, x.Nullable = 64, true
	name := x.Source.Text
	return notNull(x, args[0], func(r *fold.Env, v value.Value) value.Value {
		if len(v.Bytes) == 0 {
			return value.Null
		}
		n, ok := readDigits(value.TrimSpace(v.Bytes), from)
		if !ok {
			return r.Fail("%s: %s is not a number of base %d with at most 64 bits", name, value.Quote(v.Bytes), from)
		}
		return digitsOf(r, n, to)
	})
}

// readDigits reads a number, of which a negative one is returned as its two's complement.
func readDigits(b []byte, base int) (n uint64, ok bool) {
	negative := false
	if len(b) > 0 && (b[0] == '-' || b[0] == '+') {
		negative, b = b[0] == '-', b[1:]
	}
	if len(b) == 0 {
		return 0, false
	}
	for _, c := range b {
		digit := uint64(36)
		switch {
		case c-'0' < 10:
			digit = uint64(c - '0')
		case c|0x20 >= 'a' && c|0x20 <= 'z':
			digit = uint64(c|0x20-'a') + 10
		}
		if digit >= uint64(base) || n > (1<<64-1-digit)/uint64(base) {
			return 0, false
		}
		n = n*uint64(base) + digit
	}
	if negative {
		return -n, n <= 1<<63
	}
	return n, true
}
