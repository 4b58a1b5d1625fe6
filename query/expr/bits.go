package expr

import (
	"maps"
	"math"
	"math/bits"
	"slices"

	"github.com/sluice-etl/sluice/fold"
	"github.com/sluice-etl/sluice/fold/value"
	"github.com/sluice-etl/sluice/query/ast"
	"github.com/sluice-etl/sluice/row"
)

// bitOperators maps the operators of two operands to their functions. As in MySQL, operands and results have 64 bits and
// results no sign, and nothing is left of a number that is shifted by 64 or more.
var bitOperators = map[string]func(a, b uint64) uint64{
	"&": func(a, b uint64) uint64 { return a & b }, "|": func(a, b uint64) uint64 { return a | b }, "^": func(a, b uint64) uint64 { return a ^ b },
	"<<": func(a, b uint64) uint64 { return a << b }, ">>": func(a, b uint64) uint64 { return a >> b },
}

// BitOperators returns the operators of bits, sorted.
func BitOperators() []string { return slices.Sorted(maps.Keys(bitOperators)) }

// Bits returns the 64 bits of an integer, those of its two's complement if it is negative. If it has more, Bits makes the
// record a dead letter; name is the expression that needs them.
func Bits(r *fold.Env, v value.Value, name string) (uint64, bool) {
	if v.Number.Compare(leastOfBits) < 0 || v.Number.Compare(mostOfBits) > 0 {
		r.Fail("%s: %s is out of range: it must have at most 64 bits", name, value.Show(v, value.KindInt))
		return 0, false
	}
	return v.Number.Lo, true
}

var leastOfBits, mostOfBits = row.FromInt(math.MinInt64), row.Number{Lo: math.MaxUint64}

func ofBits(n uint64) value.Value { return value.Value{Number: row.Number{Lo: n}, Set: true} }

// bit compiles & | ^ << >> and ~.
func (c *Compiler) bit(e *ast.Expr) Compiled {
	a := c.argument(c.Compile(e.Args[0]), Integer)
	x := Compiled{Type: value.Type{Kind: value.KindInt, Nullable: a.Nullable}, Constant: a.Constant, Source: e}
	left, name := a.Eval, e.Text
	if e.Name == "~" {
		x.Eval = func(r *fold.Env) value.Value {
			v := left(r)
			if !v.Set {
				return value.Null
			}
			if n, ok := Bits(r, v, name); ok {
				return ofBits(^n)
			}
			return value.Null
		}
		return x
	}
	b := c.argument(c.Compile(e.Args[1]), Integer)
	x.Nullable, x.Constant = a.Nullable || b.Nullable, a.Constant && b.Constant
	of := bitOperators[e.Name]
	x.Eval = NotNull(left, b.Eval, func(r *fold.Env, v, w value.Value) value.Value {
		p, ok := Bits(r, v, name)
		if !ok {
			return value.Null
		}
		if q, ok := Bits(r, w, name); ok {
			return ofBits(of(p, q))
		}
		return value.Null
	})
	return x
}

// BitCount returns how many bits of 64 are set.
func BitCount(n uint64) value.Value { return value.Int(int64(bits.OnesCount64(n))) }

// isBytes reports whether x is a hexadecimal or bit literal, which is a text, and a number where a number is expected.
func isBytes(x Compiled) bool {
	return x.Kind == value.KindText && x.Source != nil && x.Source.Op == ast.OpBytes
}

// bytesNumber converts a hexadecimal or bit literal to an integer.
func (c *Compiler) bytesNumber(x Compiled) Compiled {
	var n uint64
	b := []byte(x.Source.Name)
	if len(b) > 8 {
		return c.Fail(x.Source, "has %d bytes, but a number is expected, which has at most 8", len(b))
	}
	for _, digit := range b {
		n = n<<8 | uint64(digit)
	}
	v := ofBits(n)
	return Compiled{Type: value.Type{Kind: value.KindInt}, Constant: true, Source: x.Source, Eval: func(*fold.Env) value.Value { return v }}
}
