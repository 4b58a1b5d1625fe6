package row

import (
	"bytes"
	"encoding/binary"
)

// A key is the concatenation of its columns' encodings. An encoding keeps the order of values under bytes.Compare, and
// none is a prefix of another, so keys sort as their columns do.
//
//	Int, Decimal   16 bytes big-endian, sign bit flipped
//	Datetime        8 bytes big-endian, sign bit flipped
//	Text, Bytes    the bytes with 00 written as 00 FF, then 00 00
//
// A Nullable column has one more byte: 0 for a value, 1 for NULL, whose value is that of AppendNullKey. So keys sort as the
// columns of the table's index do, in which a NULL is stored in the same way.

// AppendKeyNumber appends the value of an Int or Decimal key column.
func AppendKeyNumber(dst []byte, n Number) []byte {
	dst = binary.BigEndian.AppendUint64(dst, uint64(n.Hi)^(1<<63))
	return binary.BigEndian.AppendUint64(dst, n.Lo)
}

// AppendKeyDatetime appends the value of a Datetime key column, in microseconds since 1970-01-01 00:00:00 UTC.
func AppendKeyDatetime(dst []byte, micros int64) []byte {
	return binary.BigEndian.AppendUint64(dst, uint64(micros)^(1<<63))
}

// AppendKeyBytes appends the value of a Text or Bytes key column.
func AppendKeyBytes(dst, v []byte) []byte {
	for {
		i := bytes.IndexByte(v, 0)
		if i < 0 {
			dst = append(dst, v...)
			return append(dst, 0, 0)
		}
		dst = append(dst, v[:i]...)
		dst = append(dst, 0, 0xff)
		v = v[i+1:]
	}
}

// nullTime is the time that is stored for a NULL: the first one that DATETIME and TIMESTAMP both take.
const nullTime = 1_000_000

// AppendNullKey appends a NULL of a Nullable key column.
func (c *Column) AppendNullKey(dst []byte) []byte {
	switch c.Kind {
	case Int, Decimal:
		dst = AppendKeyNumber(dst, Number{})
	case Datetime:
		dst = AppendKeyDatetime(dst, nullTime)
	default:
		dst = AppendKeyBytes(dst, nil)
	}
	return append(dst, 1)
}

// AppendNotNullKey appends what follows a value of a Nullable key column.
func AppendNotNullKey(dst []byte) []byte { return append(dst, 0) }

// KeyNull decodes what follows the value of a Nullable column at the start of key, and returns the rest of key.
func KeyNull(key []byte) (null bool, rest []byte) { return key[0] != 0, key[1:] }

// MaxNullableKeyName is the most bytes in the name of a Nullable key column, so that its KeyNames have at most 64.
const MaxNullableKeyName = 58

// KeyNames returns the columns in which the table stores a Nullable key column. value is NOT NULL and holds the value,
// or what stands for NULL: 0, the empty text or the first time. null is 1 for NULL, else 0. Both are part of the unique
// key. The column itself is a generated one, which the server computes from them.
func (c *Column) KeyNames() (value, null string) { return c.Name + "__key", c.Name + "__null" }

// StoredKey returns the columns of the table that hold a key column: its KeyNames if it is Nullable, else itself.
func (c *Column) StoredKey() []string {
	if !c.Nullable {
		return []string{c.Name}
	}
	value, null := c.KeyNames()
	return []string{value, null}
}

// KeyNumber decodes the Int or Decimal value at the start of key, and returns the rest of key.
func KeyNumber(key []byte) (n Number, rest []byte) {
	n.Hi = int64(binary.BigEndian.Uint64(key) ^ (1 << 63))
	n.Lo = binary.BigEndian.Uint64(key[8:])
	return n, key[16:]
}

// KeyDatetime decodes the Datetime value at the start of key, and returns the rest of key.
func KeyDatetime(key []byte) (micros int64, rest []byte) {
	return int64(binary.BigEndian.Uint64(key) ^ (1 << 63)), key[8:]
}

// KeyBytes decodes the Text or Bytes value at the start of key, and returns the rest of key. A value without zero bytes
// is a view of key, and scratch is not used. Any other value is appended to scratch.
func KeyBytes(scratch, key []byte) (v, rest []byte) {
	i := bytes.IndexByte(key, 0)
	if key[i+1] == 0 {
		return key[:i], key[i+2:]
	}
	for {
		scratch = append(scratch, key[:i]...)
		second := key[i+1]
		key = key[i+2:]
		if second == 0 {
			return scratch, key
		}
		scratch = append(scratch, 0)
		i = bytes.IndexByte(key, 0)
	}
}
