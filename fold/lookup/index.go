package lookup

import (
	"bytes"
	"hash/maphash"
)

// keyIndex finds rows by their keys. A lookup is bound by the memory that it touches, not by computing: in a table of
// 100,000 rows, each place is a miss of the processor's cache. Here these are one slot, and the key, which is next to the
// texts of its row. A map of Go has two places more.
type keyIndex struct {
	seed  maphash.Seed
	slots []keySlot // open addressing; their number is a power of two
	used  int
}

// keySlot is a key and its row; it is free if the key is nil.
type keySlot struct {
	key  []byte
	row  int32
	hash uint32
}

func newKeyIndex() keyIndex {
	return keyIndex{seed: maphash.MakeSeed(), slots: make([]keySlot, 16)}
}

// find returns the row of a key; ok is false if there is none.
func (x *keyIndex) find(key []byte) (row int32, ok bool) {
	h := uint32(maphash.Bytes(x.seed, key))
	mask := uint32(len(x.slots) - 1)
	for at := h & mask; ; at = (at + 1) & mask {
		s := &x.slots[at]
		if s.key == nil {
			return 0, false
		}
		if s.hash == h && bytes.Equal(s.key, key) {
			return s.row, true
		}
	}
}

// add adds a key, which is not nil and not in the index, and keeps it.
func (x *keyIndex) add(key []byte, row int32) {
	if 3*(x.used+1) > 2*len(x.slots) {
		old := x.slots
		x.slots = make([]keySlot, 2*len(old))
		for i := range old {
			if old[i].key != nil {
				x.put(old[i])
			}
		}
	}
	x.put(keySlot{key, row, uint32(maphash.Bytes(x.seed, key))})
	x.used++
}

func (x *keyIndex) put(s keySlot) {
	mask := uint32(len(x.slots) - 1)
	at := s.hash & mask
	for x.slots[at].key != nil {
		at = (at + 1) & mask
	}
	x.slots[at] = s
}
