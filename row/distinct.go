package row

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// A Distinct column holds the distinct values that the records of a group had, the values themselves, so the count
// beside it is exact. Its state is a version and then the values in ascending order of their bytes, each with its
// length in front as a varint. The set alone determines these bytes.
//
// Joining is the union of sets: commutative, associative and idempotent. So neither the order of records nor their
// division into batches matters, nor whether a batch is repeated.
//
// A group whose set would exceed MaxDistinctBytes is an error of the table, not of a record. To make the record that
// comes first beyond the limit a dead letter would take it out of all aggregates of its row, and which record is the
// first depends on how batches are divided.

// MaxDistinctBytes is the maximum number of bytes of the state of a Distinct column.
const MaxDistinctBytes = 4 << 20

// MaxDistinctValue is the maximum number of bytes of a value of a Distinct column.
const MaxDistinctValue = 32 << 10

const distinctVersion = 1

// Distinct returns the merge of a set of values. kinds says what the values are; sets of different kinds cannot be
// joined.
func Distinct(kinds string) Merge { return distinctMerge{kinds} }

// DistinctCount is the merge of the column that shows the size of a Distinct set.
var DistinctCount Merge = distinctCount{}

type distinctMerge struct{ kinds string }

func (m distinctMerge) String() string { return "set of distinct values (" + m.kinds + ")" }
func (distinctMerge) Traits() Traits   { return Traits{Total: true} }
func (distinctMerge) MaxBytes() int    { return MaxDistinctBytes }

func (distinctMerge) Fold(rows *Rows, to *Cell, _ Kind, v Value) {
	if v.Set {
		rows.Element(to, v.Bytes)
	}
}

func (distinctMerge) AppendState(dst []byte, rows *Rows, c *Cell) []byte {
	dst = append(dst, distinctVersion)
	for v := range rows.Elements(c) {
		dst = appendDistinct(dst, v)
	}
	return dst
}

func appendDistinct(dst, v []byte) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(v))), v...)
}

// errNoState is the error of a row that exists without a state: nothing says what its visible value stands for.
var errNoState = errors.New("the row has no state, so what is counted already is unknown")

var errDistinct = errors.New("the state column does not hold a set of distinct values")

// nextDistinct takes the first value off the values of a state.
func nextDistinct(values []byte) (v, rest []byte, ok bool) {
	n, head := binary.Uvarint(values)
	if head <= 0 || n > uint64(len(values)-head) {
		return nil, nil, false
	}
	return values[head : head+int(n)], values[head+int(n):], true
}

// isDistinct reports whether a state is one that was written here: whole values in ascending order.
func isDistinct(state []byte) bool {
	if state[0] != distinctVersion {
		return false
	}
	var before []byte
	for rest, first := state[1:], true; len(rest) > 0; first = false {
		v, after, ok := nextDistinct(rest)
		if !ok || !first && bytes.Compare(before, v) >= 0 {
			return false
		}
		before, rest = v, after
	}
	return true
}

// joinDistinct appends the state of two sets together.
func joinDistinct(dst, stored, added []byte) (state []byte, err error) {
	switch {
	case stored == nil:
		return append(dst, added...), nil
	case len(stored) == 0:
		return dst, errNoState
	case !isDistinct(stored):
		return dst, errDistinct
	}
	return unite(append(dst, distinctVersion), stored[1:], added[1:]), nil
}

func (distinctMerge) Join(dst, stored, added []byte) (state []byte, replaces bool, err error) {
	from := len(dst)
	dst, err = joinDistinct(dst, stored, added)
	if err != nil {
		return dst, false, err
	}
	if n := len(dst) - from; n > MaxDistinctBytes {
		return dst, false, &FullError{
			Seen: fmt.Sprintf("the distinct values of one group have %d bytes, COUNT(DISTINCT) keeps at most %d", n, MaxDistinctBytes),
			Do: "count with APPROX_COUNT_DISTINCT, which needs 16 KiB for any number of values, into another table, and replay the topic; " +
				"or group by less, such as by hour in place of day",
		}
	}
	return dst, false, nil
}

// unite appends the values of a and b, both of which are in ascending order.
func unite(dst, a, b []byte) []byte {
	for len(a) > 0 && len(b) > 0 {
		v, afterA, _ := nextDistinct(a)
		w, afterB, _ := nextDistinct(b)
		order := bytes.Compare(v, w)
		if order <= 0 {
			a = afterA
		}
		if order >= 0 {
			v, b = w, afterB
		}
		dst = appendDistinct(dst, v)
	}
	return append(append(dst, a...), b...)
}

type distinctCount struct{}

func (distinctCount) String() string                 { return "number of distinct values" }
func (distinctCount) Traits() Traits                 { return Traits{Total: true} }
func (distinctCount) Fold(*Rows, *Cell, Kind, Value) {}

func (distinctCount) Value(state []byte) Value {
	n := int64(0)
	for rest := state[1:]; len(rest) > 0; n++ {
		_, rest, _ = nextDistinct(rest)
	}
	return Value{Number: FromInt(n), Set: true}
}
