package row

import (
	"bytes"
	"cmp"
	"hash/maphash"
	"slices"
)

// Cell is one value of a row outside its key. Its column's Kind determines where its value is: Int and Decimal in
// Number; Datetime and Double's bits in Number.Lo; Text and Bytes in the arena of its Rows. A cell of a sketch holds
// elements (Rows.Element) while it is folded.
type Cell struct {
	Number
	off, len int
	// Set is false while the cell is NULL.
	Set bool
}

// Add adds n to a total. The sum fits, because MaxAddedDigits bounds what is added.
func (c *Cell) Add(n Number) {
	c.Number, _ = c.Plus(n)
	c.Set = true
}

// Rows is the rows that one batch adds to one table. It is unsafe for concurrent use; the fold owns it until it is
// passed to a sink, and it must not be changed afterwards.
type Rows struct {
	Table *Table
	// Low is the low-water mark of Table.Window with which the rows were folded: no row is of an earlier window. It is 0 and
	// means nothing if the table has no window.
	Low int64

	width    int            // cells in a row: columns outside the key
	keys     []span         // of each row, in the arena
	hash     []uint64       // of each row's key
	cells    []Cell         // of all rows, width to a row
	arena    []byte         // keys and texts
	slots    []int32        // open addressing: row number + 1, 0 is free
	separate map[int]Origin // the rows that are of one record each, usually nil
	seed     maphash.Seed

	byPartition bool
	partitions  []int32  // of each row; empty unless byPartition
	elements    elements // of the cells of sketches
}

// Origin is the record of a row that is not merged with the other rows of its key.
type Origin struct {
	Partition int32
	Offset    int64
}

type span struct{ off, len int }

// NewRows returns an empty set of rows for t.
func NewRows(t *Table) *Rows {
	return &Rows{
		Table: t, width: len(t.Columns) - t.Keys, slots: make([]int32, 64), seed: maphash.MakeSeed(), byPartition: t.ByPartition(),
	}
}

// Len returns the number of rows.
func (r *Rows) Len() int { return len(r.keys) }

// Size returns the approximate memory in use, in bytes.
func (r *Rows) Size() int64 {
	return int64(cap(r.arena)+cap(r.keys)*16+cap(r.hash)*8+cap(r.cells)*40+cap(r.slots)*4+cap(r.partitions)*4+len(r.separate)*64) + r.elements.size()
}

// Key returns the encoded key of row i, a view that must not be changed.
func (r *Rows) Key(i int) []byte {
	k := r.keys[i]
	return r.arena[k.off : k.off+k.len : k.off+k.len]
}

// Cells returns the cells of row i in the order of the table's columns after its keys. The slice is valid until the
// next row is added.
func (r *Rows) Cells(i int) []Cell { return r.cells[i*r.width : (i+1)*r.width : (i+1)*r.width] }

// Footprint estimates the memory of row i, in bytes.
func (r *Rows) Footprint(i int) int {
	size := len(r.Key(i))
	cells := r.Cells(i)
	for j := range cells {
		size += 40 + cells[j].len
		if c := &r.Table.Columns[r.Table.Keys+j]; c.IsState() && c.Traits().Total {
			size += r.elementsSize(&cells[j])
		}
	}
	return size
}

// Bytes returns the value of a Text or Bytes cell, a view of the arena.
func (r *Rows) Bytes(c *Cell) []byte { return r.arena[c.off : c.off+c.len : c.off+c.len] }

// SetBytes copies v to the arena and stores it in c. The space of an older, longer value is reused.
func (r *Rows) SetBytes(c *Cell, v []byte) {
	if c.Set && len(v) <= c.len {
		copy(r.arena[c.off:], v)
	} else {
		c.off = len(r.arena)
		r.arena = append(r.arena, v...)
	}
	c.len, c.Set = len(v), true
}

// Find returns the number of the row with this key, or adds one whose cells are all NULL; fresh reports whether it was
// added. It copies key.
func (r *Rows) Find(key []byte) (i int, fresh bool) { return r.FindIn(0, key) }

// FindIn is Find among the rows of one partition, if the table keeps rows by partition (Table.ByPartition); otherwise
// it is Find. Rows of several partitions may then have the same key.
func (r *Rows) FindIn(partition int32, key []byte) (i int, fresh bool) {
	h := maphash.Bytes(r.seed, key)
	if r.byPartition {
		h ^= uint64(uint32(partition)) * 0x9e3779b97f4a7c15
	}
	mask := uint64(len(r.slots) - 1)
	for at := h & mask; ; at = (at + 1) & mask {
		s := r.slots[at]
		if s == 0 {
			r.slots[at] = int32(len(r.keys) + 1)
			break
		}
		if i := int(s - 1); r.hash[i] == h && (!r.byPartition || r.partitions[i] == partition) && bytes.Equal(r.Key(i), key) {
			return i, false
		}
	}
	i = r.add(partition, key, h)
	if len(r.keys)*4 > len(r.slots)*3 {
		r.grow()
	}
	return i, true
}

// add appends a row whose cells are all NULL.
func (r *Rows) add(partition int32, key []byte, hash uint64) int {
	i := len(r.keys)
	r.keys = append(r.keys, span{len(r.arena), len(key)})
	r.arena = append(r.arena, key...)
	r.hash = append(r.hash, hash)
	for range r.width {
		r.cells = append(r.cells, Cell{})
	}
	if r.byPartition {
		r.partitions = append(r.partitions, partition)
	}
	return i
}

// AddSeparate adds a row that is not merged with the other rows of its key, and returns its number. Find never returns
// such a row. A server that merges the rows one by one stores the same values as for one merged row, and when it
// rejects a row, Origin returns the record that made it.
func (r *Rows) AddSeparate(key []byte, from Origin) int {
	if r.separate == nil {
		r.separate = map[int]Origin{}
	}
	i := r.add(from.Partition, key, 0)
	r.separate[i] = from
	return i
}

// Origin returns the record that made row i; ok is false for a row that may be of several records.
func (r *Rows) Origin(i int) (from Origin, ok bool) {
	from, ok = r.separate[i]
	return from, ok
}

func (r *Rows) grow() {
	r.slots = make([]int32, 2*len(r.slots))
	mask := uint64(len(r.slots) - 1)
	for i, h := range r.hash {
		if _, separate := r.separate[i]; separate {
			continue
		}
		at := h & mask
		for r.slots[at] != 0 {
			at = (at + 1) & mask
		}
		r.slots[at] = int32(i + 1)
	}
}

// Sorted returns the numbers of all rows in ascending order of key: the order in which every writer takes row locks.
// Rows of the same key keep the order in which they were added.
func (r *Rows) Sorted() []int {
	order := make([]int, len(r.keys))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Or(bytes.Compare(r.Key(a), r.Key(b)), a-b) })
	return order
}

// Delta is the rows that one batch adds, one Rows for each target table, ordered by table name. Statements into the
// same table share one Rows.
type Delta struct {
	Tables []*Rows
	// Unread, if not nil, is what records of the batch could not be read without: the rows lack those records, so the batch
	// must not be committed. It is of class checkpoint.ErrStale.
	Unread error
}

// Len returns the number of rows of all tables.
func (d Delta) Len() int {
	n := 0
	for _, r := range d.Tables {
		n += r.Len()
	}
	return n
}
