package row

// The merges of BIT_AND, BIT_OR and BIT_XOR. A value is 64 bits, in the lower half of a Number, which is never negative.
// A row without a value has the operator's neutral element, as in MySQL, so a column of a new table is never NULL.
// One that was added to rows is NULL until a record is added to its row.
//
// AND and OR give the same result if a value is added twice, XOR does not: x ^ x is 0. Each is right because each record
// is counted exactly once.
var (
	BitAnd Merge = bitMerge{'&'}
	BitOr  Merge = bitMerge{'|'}
	BitXor Merge = bitMerge{'^'}
)

// bitMerge merges by an operator of SQL.
type bitMerge struct{ operator byte }

func (m bitMerge) String() string { return "bits by " + string(m.operator) }
func (bitMerge) Traits() Traits   { return Traits{Total: true, Bits: true} }

func (m bitMerge) Fold(_ *Rows, to *Cell, _ Kind, v Value) {
	if !to.Set {
		to.Number, to.Set = Number{}, true
		if m.operator == '&' {
			to.Lo = ^uint64(0)
		}
	}
	if !v.Set {
		return
	}
	switch m.operator {
	case '&':
		to.Lo &= v.Lo
	case '|':
		to.Lo |= v.Lo
	default:
		to.Lo ^= v.Lo
	}
}

func (m bitMerge) AppendUpsert(dst []byte, stored, added string, nullable bool) []byte {
	joined := stored + " " + string(m.operator) + " " + added
	if !nullable {
		return append(dst, joined...)
	}
	return appendNullSafe(dst, joined, stored, added)
}

// Bits returns the 64 bits of an integer as MySQL's bit functions read it; ok is false if it needs more of them. A
// negative number is read in two's complement.
func (n Number) Bits() (bits Number, ok bool) {
	return Number{Lo: n.Lo}, n.Hi == 0 || n.Hi == -1 && int64(n.Lo) < 0
}
