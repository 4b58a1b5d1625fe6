package row

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"slices"
)

// Latest and Replace together keep, for each key, the values of its last record. A table that uses them has one Latest
// column, the state, and Replace columns, whose values are all of one record: that which the state chooses.
//
// Which record is the last must depend on the records alone: not on how they were divided into batches, on the order in
// which tasks commit, or on what is read again after a crash. Within a partition the offset is that order. Between
// partitions Kafka has none, and a timestamp alone is not enough, because a producer's clock may go back: a later
// record of the partition may have an earlier time. Comparing by offset within a partition and by time between
// partitions is no order at all (a < b by offset, b < c and c < a by time), so the result would depend on the order of
// merging.
//
// So the state has the ID of the topic, and an entry for each partition that wrote the key:
//
//	offset   the highest offset of the partition's records of this key
//	time     the highest timestamp of these records, which is not always that of the last one
//
// The last record of the key is the last one (by offset) of the partition with the highest (time, partition).
//
// Invariants:
//
//   - Both parts of an entry are maxima, so joining states is commutative, associative and idempotent: batches may be
//     divided and repeated in any way.
//   - The Replace columns hold the values of the record that the state chooses. A join of one partition's entry raises
//     the time of that partition alone. So the chosen partition stays the same, or becomes the joined one; in the first
//     case the values are there already, unless the joined entry has a higher offset of that partition, and in the
//     second they are those of the joined row. The values of a partition that is not chosen are never needed again: it
//     can be chosen only by a record of its own that raises its time, and that record brings the partition's newest
//     values.
//   - The second invariant holds only if a row of a batch is of one partition. Rows.FindIn sees to it.
//
// A record without a timestamp has time -1.
//
// Offsets begin at 0 again when a topic is recreated, so positions of two topics cannot be compared. Topic IDs have no
// order either. The topic of the batch's record is the current one: a claim compares it with the checkpoint, and a
// person has moved the checkpoint to it. So a stored state of another topic loses as a whole, and the batch's values
// replace the stored ones. Joining is commutative only among the records of one topic. This matters in one case:
// partitions are moved to the new topic one by one, and a task that still owns a partition of the old topic commits
// records of it after another task has committed records of the new topic. To avoid it, stop the job before its
// checkpoints are moved.

// The merges that keep the values of the last record.
var (
	Latest  Merge = latestMerge{}  // the state: kind Bytes, never NULL
	Replace Merge = replaceMerge{} // a value of the record that the state chooses; NULL replaces too
)

// A state is the topic's ID and then its entries, in ascending order of partition. An entry is partition, offset and
// time, each big-endian.
const (
	topicSize    = 16
	positionSize = 4 + 8 + 8
)

type position struct {
	partition    int32
	offset, time int64
}

// AppendPosition appends the state of one record, which is the value that a Latest cell is folded from. topic is
// Kafka's ID of the topic. time is the record's Kafka timestamp in milliseconds, -1 if it has none.
func AppendPosition(dst []byte, topic [topicSize]byte, partition int32, offset, time int64) []byte {
	return position{partition, offset, time}.append(append(dst, topic[:]...))
}

func (p position) append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(p.partition))
	dst = binary.BigEndian.AppendUint64(dst, uint64(p.offset))
	return binary.BigEndian.AppendUint64(dst, uint64(p.time))
}

// nextPosition takes the first entry off the entries of a state, of which there is at least one.
func nextPosition(entries []byte) (p position, rest []byte) {
	p.partition = int32(binary.BigEndian.Uint32(entries))
	p.offset = int64(binary.BigEndian.Uint64(entries[4:]))
	p.time = int64(binary.BigEndian.Uint64(entries[12:]))
	return p, entries[positionSize:]
}

// join returns the entry that covers all records of two entries of one partition.
func (p position) join(o position) position {
	return position{p.partition, max(p.offset, o.offset), max(p.time, o.time)}
}

// later orders entries of different partitions by their last records.
func (p position) later(o position) int {
	return cmp.Or(cmp.Compare(p.time, o.time), cmp.Compare(p.partition, o.partition))
}

type latestMerge struct{}

func (latestMerge) String() string { return "position of the last record" }
func (latestMerge) Traits() Traits { return Traits{ByPartition: true} }
func (latestMerge) MaxBytes() int  { return 0 } // it grows with the partitions that wrote the key

func (latestMerge) AppendState(dst []byte, rows *Rows, c *Cell) []byte {
	return append(dst, rows.Bytes(c)...)
}

func (latestMerge) Fold(rows *Rows, to *Cell, _ Kind, v Value) {
	if !to.Set {
		rows.SetBytes(to, v.Bytes)
		return
	}
	held := rows.Bytes(to)
	a, _ := nextPosition(held[topicSize:])
	b, _ := nextPosition(v.Bytes[topicSize:])
	if a.partition != b.partition || !bytes.Equal(held[:topicSize], v.Bytes[:topicSize]) {
		panic("BUG: records of two partitions or topics in one row of a table that keeps the last record")
	}
	a.join(b).append(held[:topicSize])
}

var errState = errors.New("the state column does not hold positions of records")

// isState reports whether a state has a topic and whole entries, at least one.
func isState(b []byte) bool { return len(b) > topicSize && (len(b)-topicSize)%positionSize == 0 }

func (latestMerge) Join(dst, stored, added []byte) (state []byte, replaces bool, err error) {
	if !isState(stored) && len(stored) > 0 || !isState(added) {
		return dst, false, errState
	}
	if !bytes.HasPrefix(stored, added[:topicSize]) { // of a topic that was recreated since, or there is no state
		return append(dst, added...), true, nil
	}
	dst, all, newest, err := joinPositions(dst, stored, added, func(held *position, p position) bool {
		// An equal offset is the record that is stored, read again: its values are written again.
		isNewest := p.offset >= held.offset
		*held = held.join(p)
		return isNewest
	})
	return dst, err == nil && newest[slices.MaxFunc(all, position.later).partition], err
}

// joinPositions appends the state that has the entries of two states of one topic, and returns these entries. both joins an
// added entry into the stored one of its partition, and reports whether that partition's values are now those of the
// added state; fromAdded holds the partitions for which this is so, or whose only entry is the added one.
func joinPositions(dst, stored, added []byte, both func(held *position, p position) bool) (state []byte, all []position, fromAdded map[int32]bool, err error) {
	all = positions(stored)
	if !slices.IsSortedFunc(all, position.byPartition) {
		return dst, nil, nil, errState
	}
	fromAdded = map[int32]bool{}
	for _, p := range positions(added) {
		if at, found := slices.BinarySearchFunc(all, p, position.byPartition); found {
			fromAdded[p.partition] = both(&all[at], p)
		} else {
			all = slices.Insert(all, at, p)
			fromAdded[p.partition] = true
		}
	}
	dst = append(dst, added[:topicSize]...)
	for _, p := range all {
		dst = p.append(dst)
	}
	return dst, all, fromAdded, nil
}

// positions returns the entries of a state.
func positions(state []byte) (all []position) {
	for rest := state[topicSize:]; len(rest) > 0; {
		var p position
		p, rest = nextPosition(rest)
		all = append(all, p)
	}
	return all
}

func (p position) byPartition(o position) int { return cmp.Compare(p.partition, o.partition) }

type replaceMerge struct{}

func (replaceMerge) String() string { return "value of the last record" }
func (replaceMerge) Traits() Traits { return Traits{Follows: true} }

// Fold always takes the new value, because a batch has the records of a partition in order of offset, and each of its
// rows is of one partition.
func (replaceMerge) Fold(rows *Rows, to *Cell, k Kind, v Value) {
	if !v.Set {
		*to = Cell{}
		return
	}
	set(rows, to, k, v)
}
