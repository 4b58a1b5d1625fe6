package row

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// MIN_BY(x, y) keeps the x of the record with the lowest y, MAX_BY(x, y) that of the highest. Two columns hold this: the
// Chosen column shows x, and the column that its Column.Order names holds the order of the record that x is of. Several
// Chosen columns can share one order, and are then of one record.
//
// An order is bytes that compare as the orders do: the value of y (package aggregate encodes it) and then the position
// of the row in Kafka (AppendOrderPosition). No two rows of one group have the same position, so orders are total: which
// row is the lowest depends on the rows alone. So batches may be divided, committed and repeated in any way. The server
// compares orders as it compares any binary strings, so nothing is read.
//
// Invariant: the value of a Chosen column is that of the row whose order the other column holds; both are NULL if no row
// has an order. Both are assigned in one statement. A row whose order is NULL is never chosen.

// The merges of Chosen columns.
var (
	OfLowest  Merge = chosenMerge{highest: false}
	OfHighest Merge = chosenMerge{highest: true}
)

// Lowest returns the merge of the column of an order that chooses the lowest. values says what the ordering values are;
// orders of different values cannot be compared.
func Lowest(values string) Merge { return orderMerge{values: values, highest: false} }

// Highest is Lowest for the highest.
func Highest(values string) Merge { return orderMerge{values: values, highest: true} }

// Selective is a Merge whose value in a batch is that of the record which the column Column.Order chooses. Its Fold takes
// each value, NULL too, so a fold calls it only for a record that Takes accepts, and before it folds the order.
type Selective interface {
	Merge
	// Takes reports whether the record with the order added replaces the one whose order is held.
	Takes(rows *Rows, held *Cell, added Value) bool
}

// Chosen is a Selective whose order the server compares, too.
type Chosen interface {
	Selective
	// AppendChoice appends the SQL expression of the column's new value. stored and added are expressions of the
	// column's value in the table and in the batch's row; storedOrder and addedOrder are those of its order, which is
	// assigned afterwards.
	AppendChoice(dst []byte, stored, added, storedOrder, addedOrder string) []byte
}

// IsChosen reports whether the column shows the value of the row that another column chooses, whose order the server
// compares.
func (c *Column) IsChosen() bool {
	_, ok := c.Merge.(Chosen)
	return ok
}

type chosenMerge struct{ highest bool }

func (m chosenMerge) String() string {
	if m.highest {
		return "value of the highest order"
	}
	return "value of the lowest order"
}

func (chosenMerge) Traits() Traits { return Traits{} }

func (chosenMerge) Fold(rows *Rows, to *Cell, k Kind, v Value) { replaceMerge{}.Fold(rows, to, k, v) }

func (m chosenMerge) Takes(rows *Rows, held *Cell, added Value) bool {
	return orderMerge{highest: m.highest}.takes(rows, held, added)
}

func (m chosenMerge) AppendChoice(dst []byte, stored, added, storedOrder, addedOrder string) []byte {
	return appendChoice(dst, m.highest, stored, added, storedOrder, addedOrder)
}

// appendChoice appends the choice between the stored and the added value: the stored one stays if the batch has none, or
// one that does not win. A comparison with a stored NULL is not true, so that the batch's value replaces it.
func appendChoice(dst []byte, highest bool, stored, added, storedOrder, addedOrder string) []byte {
	operator := " < "
	if highest {
		operator = " > "
	}
	return append(dst, "IF("+addedOrder+" IS NULL OR "+storedOrder+operator+addedOrder+", "+stored+", "+added+")"...)
}

type orderMerge struct {
	values  string
	highest bool
}

func (m orderMerge) String() string {
	if m.highest {
		return "highest order (" + m.values + ")"
	}
	return "lowest order (" + m.values + ")"
}

func (orderMerge) Traits() Traits { return Traits{Ordered: true, Orders: true} }

func (m orderMerge) Fold(rows *Rows, to *Cell, _ Kind, v Value) {
	if m.takes(rows, to, v) {
		rows.SetBytes(to, v.Bytes)
	}
}

func (m orderMerge) takes(rows *Rows, held *Cell, added Value) bool {
	switch {
	case !added.Set:
		return false
	case !held.Set:
		return true
	case m.highest:
		return bytes.Compare(added.Bytes, rows.Bytes(held)) > 0
	}
	return bytes.Compare(added.Bytes, rows.Bytes(held)) < 0
}

func (m orderMerge) AppendUpsert(dst []byte, stored, added string, _ bool) []byte {
	return appendChoice(dst, m.highest, stored, added, stored, added)
}

// OrderOf returns the index, in t.Columns, of the column that chooses the values of c; -1 if there is none.
func (t *Table) OrderOf(c *Column) int {
	if c.Order == "" {
		return -1
	}
	for i := range t.Columns {
		if equalFold(t.Columns[i].Name, c.Order) {
			return i
		}
	}
	return -1
}

// OrderPosition is the position of a row that a statement makes of a record. No two rows have the same one.
type OrderPosition struct {
	Topic     [topicSize]byte // Kafka's ID of the topic
	Partition int32
	Offset    int64
	Index     int64  // of the event in the record
	Element   uint64 // number of the row that FROM makes of the event
	Statement int    // of the query
}

// AppendOrderPosition appends a position such that bytes.Compare orders positions by topic, partition, offset, index,
// element and statement. Numbers are from 0.
func AppendOrderPosition(dst []byte, p OrderPosition) []byte {
	dst = append(dst, p.Topic[:]...)
	for _, n := range [...]uint64{uint64(p.Partition), uint64(p.Offset), uint64(p.Index), p.Element, uint64(p.Statement)} {
		dst = appendOrdered(dst, n)
	}
	return dst
}

// appendOrdered appends the number of bytes that n needs, and these, most significant first.
func appendOrdered(dst []byte, n uint64) []byte {
	size := (bits.Len64(n) + 7) / 8
	var all [8]byte
	binary.BigEndian.PutUint64(all[:], n)
	return append(append(dst, byte(size)), all[8-size:]...)
}

// AppendOrderNumber appends a number with scale digits after the point, such that bytes.Compare orders numbers of any
// scales. scale is 0 to MaxDigits.
//
// The number is multiplied by 10^MaxDigits, which makes it an integer of less than 254 bits. What is appended is 80 plus
// the number of bytes that it needs, and these, most significant first; for a negative number each of these bytes is
// inverted.
func AppendOrderNumber(dst []byte, n Number, scale int) []byte {
	abs, unit := n.Abs(), pow10[MaxDigits-scale]
	var words [4]uint64 // least significant first
	for i, a := range [2]uint64{abs.Lo, uint64(abs.Hi)} {
		carry := uint64(0)
		for j, b := range [2]uint64{unit.Lo, uint64(unit.Hi)} {
			hi, lo := bits.Mul64(a, b)
			lo, c := bits.Add64(lo, carry, 0)
			hi += c
			words[i+j], c = bits.Add64(words[i+j], lo, 0)
			carry = hi + c
		}
		words[i+2] = carry
	}
	var all [32]byte
	for i, w := range words {
		binary.BigEndian.PutUint64(all[24-8*i:], w)
	}
	first := 0
	for first < len(all) && all[first] == 0 {
		first++
	}
	from := len(dst)
	dst = append(append(dst, 0x80+byte(len(all)-first)), all[first:]...)
	if n.Hi < 0 {
		for i := range dst[from:] {
			dst[from+i] = ^dst[from+i]
		}
	}
	return dst
}
