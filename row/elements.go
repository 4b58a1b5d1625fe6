package row

import (
	"bytes"
	"cmp"
	"hash/maphash"
	"iter"
	"slices"
)

// elements holds the cells of a batch's sketches. Each such cell is a set of keys, and each key has a number. What they
// are is up to the column's Merge: the values of COUNT(DISTINCT x), or the buckets of a histogram and their counts. One
// hash table holds the elements of all cells, so that adding to a set allocates nothing except when the table grows.
type elements struct {
	slots []int32 // open addressing: element number + 1, 0 is free
	all   []element
	last  []int32 // of each cell: its newest element, -1 if it has none
}

type element struct {
	hash uint64
	n    uint64
	off  int // of the key, in the arena
	len  int32
	cell int32
	next int32 // the element of the same cell that was added before, -1 if there is none
}

// elementBytes is the memory of an element, its key excluded, with its share of the hash table.
const elementBytes = 48

func (e *elements) size() int64 {
	return int64(cap(e.slots)*4 + cap(e.all)*40 + cap(e.last)*4)
}

// cellOf returns the number of a cell that holds elements. The cell keeps it, plus 1, in its Number.
func (e *elements) cellOf(c *Cell) int32 {
	if c.Lo == 0 {
		e.last = append(e.last, -1)
		c.Lo, c.Set = uint64(len(e.last)), true
	}
	return int32(c.Lo - 1)
}

// Element returns the number of an element of a cell, which is 0 if the element is new. It copies key. The pointer is
// valid until the next call.
func (r *Rows) Element(c *Cell, key []byte) *uint64 {
	e := &r.elements
	cell := e.cellOf(c)
	if len(e.all)*4 >= len(e.slots)*3 {
		e.grow()
	}
	h := maphash.Bytes(r.seed, key) ^ uint64(cell)*0x9e3779b97f4a7c15
	mask := uint64(len(e.slots) - 1)
	at := h & mask
	for ; e.slots[at] != 0; at = (at + 1) & mask {
		x := &e.all[e.slots[at]-1]
		if x.hash == h && x.cell == cell && bytes.Equal(r.arena[x.off:x.off+int(x.len)], key) {
			return &x.n
		}
	}
	e.slots[at] = int32(len(e.all) + 1)
	e.all = append(e.all, element{hash: h, off: len(r.arena), len: int32(len(key)), cell: cell, next: e.last[cell]})
	e.last[cell] = int32(len(e.all) - 1)
	r.arena = append(r.arena, key...)
	return &e.all[len(e.all)-1].n
}

func (e *elements) grow() {
	e.slots = make([]int32, max(64, 2*len(e.slots)))
	mask := uint64(len(e.slots) - 1)
	for i := range e.all {
		at := e.all[i].hash & mask
		for e.slots[at] != 0 {
			at = (at + 1) & mask
		}
		e.slots[at] = int32(i + 1)
	}
}

// Elements yields the elements of a cell in ascending order of key. The keys are views that must not be changed.
func (r *Rows) Elements(c *Cell) iter.Seq2[[]byte, uint64] {
	e := &r.elements
	var own []*element
	if c.Lo != 0 {
		for i := e.last[c.Lo-1]; i >= 0; i = e.all[i].next {
			own = append(own, &e.all[i])
		}
	}
	key := func(x *element) []byte { return r.arena[x.off : x.off+int(x.len) : x.off+int(x.len)] }
	slices.SortFunc(own, func(a, b *element) int { return cmp.Or(bytes.Compare(key(a), key(b)), cmp.Compare(a.off, b.off)) })
	return func(yield func([]byte, uint64) bool) {
		for _, x := range own {
			if !yield(key(x), x.n) {
				return
			}
		}
	}
}

// elementsSize returns the memory of a cell's elements, in bytes.
func (r *Rows) elementsSize(c *Cell) (size int) {
	e := &r.elements
	if c.Lo != 0 {
		for i := e.last[c.Lo-1]; i >= 0; i = e.all[i].next {
			size += elementBytes + int(e.all[i].len)
		}
	}
	return size
}
