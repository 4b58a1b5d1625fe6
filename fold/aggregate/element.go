package aggregate

import (
	"encoding/binary"
	"math"

	"github.com/cespare/xxhash/v2"

	"github.com/sluice-etl/sluice/fold/value"
	"github.com/sluice-etl/sluice/row"
)

// An element is one value, or a tuple of values, in bytes: two elements are the same bytes if and only if their values
// are equal as the query language compares them. 1.0 and 1.00 are equal, 'a' and 'A' are not. A state holds elements, so
// this encoding can never change.

// AppendElement appends the element of one value, which is not NULL. k is its kind, which is not that of a JSON field.
func AppendElement(dst []byte, v *value.Value, k value.Kind) []byte {
	switch k {
	case value.KindInt, value.KindDecimal:
		return appendNumber(dst, v.Number, v.Scale)
	case value.KindDouble:
		return binary.BigEndian.AppendUint64(dst, math.Float64bits(v.Double()+0)) // -0 + 0 is 0
	case value.KindTime:
		return binary.BigEndian.AppendUint64(dst, v.Number.Lo)
	}
	return append(dst, v.Bytes...)
}

// AppendPart appends one value of a tuple, with its length in front.
func AppendPart(dst []byte, v *value.Value, k value.Kind) []byte {
	if k == value.KindText {
		return append(binary.AppendUvarint(dst, uint64(len(v.Bytes))), v.Bytes...)
	}
	from := len(dst)
	dst = AppendElement(append(dst, 0), v, k)
	dst[from] = byte(len(dst) - from - 1) // at most 17
	return dst
}

// Hash returns the hash of an element that estimates are made from: XXH64 with the seed 0. It can never change, because
// sketches in tables hold what it returned.
func Hash(element []byte) uint64 { return xxhash.Sum64(element) }

// appendNumber appends the smallest scale that holds the number, and the number at that scale.
func appendNumber(dst []byte, n row.Number, scale uint8) []byte {
	for ; scale > 0; scale-- {
		whole, rest := n.QuoRem(row.Number{Lo: 10})
		if rest.Sign() != 0 {
			break
		}
		n = whole
	}
	dst = append(dst, scale)
	if v, ok := n.Int64(); ok {
		return binary.AppendVarint(dst, v) // at most 10 bytes
	}
	dst = binary.BigEndian.AppendUint64(dst, uint64(n.Hi))
	return binary.BigEndian.AppendUint64(dst, n.Lo)
}
