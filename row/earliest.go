package row

import (
	"bytes"
	"slices"
)

// Earliest and First together keep, for each key, the values of its first record, as Latest and Replace keep those of the
// last. A table that uses them has one Earliest column, the state, and First columns, whose values are all of one record:
// that which the state chooses.
//
// The state has the form of Latest's, but an entry is that of one record, the partition's first of this key: its offset
// and its timestamp. The first record of the key is that of the entry with the lowest (time, partition).
//
// Invariants:
//
//   - A partition's records are folded and committed in order of offset, so its entry is the first that is joined, and
//     never changes. It stays although the record is not chosen: a later record of the partition, with an earlier time,
//     is not its first.
//   - The First columns hold the values of the record that the state chooses. A join adds entries and changes none. So
//     the chosen entry stays the same, or is one that was added, and then its values are those of the joined row.
//   - The second invariant holds only if a row of a batch is of one partition, whose values are those of its first record.
//     Rows.FindIn and First see to it.
//
// A row that is stored without a state was there before the first record, so it stays. So does one whose state is of
// another topic, which was recreated since: see Latest for the IDs of topics.

// The merges that keep the values of the first record.
var (
	Earliest Merge = earliestMerge{} // the state: kind Bytes, never NULL
	First    Merge = firstMerge{}    // a value of the record that the state chooses, NULL too
)

type earliestMerge struct{}

func (earliestMerge) String() string { return "position of the first record" }
func (earliestMerge) Traits() Traits { return Traits{ByPartition: true} }
func (earliestMerge) MaxBytes() int  { return 0 } // it grows with the partitions that wrote the key

func (earliestMerge) AppendState(dst []byte, rows *Rows, c *Cell) []byte {
	return append(dst, rows.Bytes(c)...)
}

func (earliestMerge) Fold(rows *Rows, to *Cell, _ Kind, v Value) {
	if !to.Set {
		rows.SetBytes(to, v.Bytes)
		return
	}
	if held := rows.Bytes(to); !bytes.Equal(held[:topicSize+4], v.Bytes[:topicSize+4]) {
		panic("BUG: records of two partitions or topics in one row of a table that keeps the first record")
	}
}

func (earliestMerge) Join(dst, stored, added []byte) (state []byte, replaces bool, err error) {
	switch {
	case !isState(stored) && len(stored) > 0 || !isState(added):
		return dst, false, errState
	case stored == nil:
		stored = added[:topicSize]
	case !bytes.HasPrefix(stored, added[:topicSize]): // of a topic that was recreated since, or there is no state
		return append(dst, stored...), false, nil
	}
	dst, all, fresh, err := joinPositions(dst, stored, added, func(*position, position) bool { return false })
	return dst, err == nil && fresh[slices.MinFunc(all, position.later).partition], err
}

type firstMerge struct{}

func (firstMerge) String() string { return "value of the first record" }
func (firstMerge) Traits() Traits { return Traits{Follows: true} }

// Takes reports whether the row has no record yet, because a batch has the records of a partition in order of offset, and
// each of its rows is of one partition.
func (firstMerge) Takes(_ *Rows, held *Cell, _ Value) bool { return !held.Set }

func (firstMerge) Fold(rows *Rows, to *Cell, k Kind, v Value) { replaceMerge{}.Fold(rows, to, k, v) }
