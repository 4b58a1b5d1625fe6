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
