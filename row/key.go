package row

import (
	"bytes"
	"encoding/binary"
)

// A key is its columns' encodings one after the other. Encodings keep order under bytes.Compare, and none is a prefix
// of another, so the order of keys is the order of their columns.
//
//	Int, Decimal   16 bytes big-endian, sign bit flipped
//	Datetime        8 bytes big-endian, sign bit flipped
//	Text, Bytes    the bytes with 00 written as 00 FF, then 00 00

// AppendKeyNumber appends an Int or Decimal key part.
func AppendKeyNumber(dst []byte, n Number) []byte {
	dst = binary.BigEndian.AppendUint64(dst, uint64(n.Hi)^(1<<63))
	return binary.BigEndian.AppendUint64(dst, n.Lo)
}

// AppendKeyDatetime appends a Datetime key part, in microseconds.
func AppendKeyDatetime(dst []byte, micros int64) []byte {
	return binary.BigEndian.AppendUint64(dst, uint64(micros)^(1<<63))
}

// AppendKeyBytes appends a Text or Bytes key part.
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

// KeyNumber takes an Int or Decimal part off the head of key.
func KeyNumber(key []byte) (n Number, rest []byte) {
	n.Hi = int64(binary.BigEndian.Uint64(key) ^ (1 << 63))
	n.Lo = binary.BigEndian.Uint64(key[8:])
	return n, key[16:]
}

// KeyDatetime takes a Datetime part off the head of key.
func KeyDatetime(key []byte) (micros int64, rest []byte) {
	return int64(binary.BigEndian.Uint64(key) ^ (1 << 63)), key[8:]
}

// KeyBytes takes a Text or Bytes part off the head of key. The value is appended to scratch; where the part holds no
// zero byte it is a view on key and scratch is not touched.
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
