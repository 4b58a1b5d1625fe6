package lookup

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"github.com/sluice-etl/sluice/fold/value"
)

// Limits bound a Version.
type Limits struct {
	Rows  int
	Bytes int64 // of the texts of all rows
}

// Builder makes a Version of rows. It is not safe for concurrent use.
type Builder struct {
	table  *Table
	limits Limits
	v      *Version
	memory []byte // of texts and keys; a full piece is replaced by a new one
	bytes  int64
	cells  []value.Value // of the row that is added
	key    []byte
}

// piece is how much memory of texts and keys is allocated at once, in bytes.
const piece = 64 << 10

// Builder returns a Builder of a version of t that was read at a time.
func (t *Table) Builder(limits Limits, read time.Time) *Builder {
	b := &Builder{table: t, limits: limits, cells: make([]value.Value, len(t.Columns)), v: &Version{Read: read, values: make([][]value.Value, len(t.Columns))}}
	for range t.Indexes {
		b.v.indexes = append(b.v.indexes, newKeyIndex())
	}
	b.v.networks = make([]networks, len(t.Indexes))
	return b
}

// TooLargeError means that a table has more rows, or longer texts, than Limits allow.
type TooLargeError struct{ text string }

// Error implements error.
func (e *TooLargeError) Error() string { return e.text }

// Add adds a row: the texts of its values in the order of Table.Columns, nil for NULL. It copies them. Its error names the
// row and what is wrong with it; then the Builder must be discarded.
func (b *Builder) Add(texts [][]byte) error {
	if b.v.rows >= b.limits.Rows {
		return &TooLargeError{fmt.Sprintf("it has more than %d rows", b.limits.Rows)}
	}
	cells := b.cells
	for i := range b.table.Columns {
		c := &b.table.Columns[i]
		if cells[i] = value.Null; texts[i] == nil {
			if !c.Nullable {
				return fmt.Errorf("%s: column %s is NULL, but the query declares it NOT NULL", b.describe(texts), c.Name)
			}
			continue
		}
		ok := false
		if cells[i], ok = c.Read(texts[i]); !ok {
			return fmt.Errorf("%s: column %s is %q, which is no %s", b.describe(texts), c.Name, cut(texts[i]), c.Declared)
		}
		b.bytes += int64(len(cells[i].Bytes))
	}
	if b.bytes > b.limits.Bytes {
		return &TooLargeError{fmt.Sprintf("its texts have more than %d bytes", b.limits.Bytes)}
	}
	indexed := -1
	for i := range b.table.Indexes {
		x := &b.table.Indexes[i]
		if !b.keyOf(x, cells) {
			continue
		}
		if x.Network != nil {
			n, ok := x.Network(cells[x.Columns[0]].Bytes)
			if !ok {
				return fmt.Errorf("%s: column %s is %q, which is no network", b.describe(texts), b.table.Columns[x.Columns[0]].Name, cut(texts[x.Columns[0]]))
			}
			block := blockOf(&n, int32(b.v.rows))
			b.v.networks[i].add(block, n.Size)
			b.key = binary.BigEndian.AppendUint64(b.key[:0], block.first.high)
			b.key = append(binary.BigEndian.AppendUint64(b.key, block.first.low), byte(block.bits))
		}
		if _, found := b.v.indexes[i].find(b.key); found {
			return fmt.Errorf("%s: another row has the same %s", b.describe(texts), strings.Join(b.table.Names(*x), " and "))
		}
		key := b.copied(b.key)
		b.v.indexes[i].add(key, int32(b.v.rows))
		if text := &cells[x.Columns[0]]; len(x.Columns) == 1 && text.Bytes != nil && bytes.HasPrefix(key, text.Bytes) {
			text.Bytes, indexed = key[:len(text.Bytes):len(text.Bytes)], x.Columns[0] // the key is the text, and its end
		}
	}
	for i := range cells {
		if cells[i].Bytes != nil && i != indexed {
			cells[i].Bytes = b.copied(cells[i].Bytes)
		}
		b.v.values[i] = append(b.v.values[i], cells[i])
	}
	b.v.rows++
	return nil
}

// keyOf sets key to that of a row; false if a value is NULL.
func (b *Builder) keyOf(index *Index, cells []value.Value) bool {
	b.key = b.key[:0]
	for _, c := range index.Columns {
		if !cells[c].Set {
			return false
		}
		b.key = AppendKey(b.key, b.table.Columns[c].Kind, &cells[c])
	}
	return true
}

// copied returns a copy of a text or a key. Those of one row are side by side, so they are read together.
func (b *Builder) copied(text []byte) []byte {
	if len(b.memory)+len(text) > cap(b.memory) {
		b.memory = make([]byte, 0, max(piece, len(text)))
	}
	from := len(b.memory)
	b.memory = append(b.memory, text...)
	return b.memory[from:len(b.memory):len(b.memory)]
}

// Version returns the version. The Builder must not be used any more.
func (b *Builder) Version() *Version {
	for i := range b.table.Indexes {
		if b.table.Indexes[i].Network != nil {
			b.v.networks[i].finish()
			b.v.indexes[i] = keyIndex{} // its keys have only found equal networks
		}
	}
	return b.v
}

// describe names a row by the columns of the first index.
func (b *Builder) describe(texts [][]byte) string {
	if len(b.table.Indexes) == 0 {
		return fmt.Sprintf("row %d", b.v.rows+1)
	}
	var parts []string
	for _, c := range b.table.Indexes[0].Columns {
		text := "NULL"
		if texts[c] != nil {
			text = fmt.Sprintf("%q", cut(texts[c]))
		}
		parts = append(parts, b.table.Columns[c].Name+" = "+text)
	}
	return "the row with " + strings.Join(parts, " and ")
}

// cut returns the beginning of a text, for messages.
func cut(text []byte) []byte { return text[:min(len(text), 100)] }
