package row

import (
	"bytes"
	"testing"
)

// Keys of columns that can be NULL sort as the columns of the index do, in which NULL stands behind one value, and are
// read back.
func TestKey_nullable(t *testing.T) {
	t.Parallel()
	number := func(n int64) []byte { return AppendNotNullKey(AppendKeyNumber(nil, FromInt(n))) }
	at := func(micros int64) []byte { return AppendNotNullKey(AppendKeyDatetime(nil, micros)) }
	text := func(s string) []byte { return AppendNotNullKey(AppendKeyBytes(nil, []byte(s))) }
	for _, c := range []struct {
		kind          Kind
		before, after [][]byte
		value         func(key []byte) (rest []byte)
	}{
		{Int, [][]byte{number(-1), number(0)}, [][]byte{number(1)}, func(key []byte) []byte { _, rest := KeyNumber(key); return rest }},
		{Decimal, [][]byte{number(-1), number(0)}, [][]byte{number(1)}, func(key []byte) []byte { _, rest := KeyNumber(key); return rest }},
		{Datetime, [][]byte{at(MinDatetime), at(nullTime)}, [][]byte{at(nullTime + 1), at(MaxDatetime)}, func(key []byte) []byte { _, rest := KeyDatetime(key); return rest }},
		{Text, [][]byte{text("")}, [][]byte{text("\x00"), text("\x00\x01"), text("\x01"), text("a")}, func(key []byte) []byte { _, rest := KeyBytes(nil, key); return rest }},
		{Bytes, [][]byte{text("")}, [][]byte{text("\x00"), text("\xff")}, func(key []byte) []byte { _, rest := KeyBytes(nil, key); return rest }},
	} {
		column := Column{Kind: c.kind, Nullable: true}
		null := column.AppendNullKey(nil)
		all := append(append(c.before, null), c.after...)
		for i, key := range all {
			if i > 0 && bytes.Compare(all[i-1], key) >= 0 {
				t.Errorf("%v: key %x is not behind %x", c.kind, key, all[i-1])
			}
			if is, rest := KeyNull(c.value(append(bytes.Clone(key), 7))); is != (i == len(c.before)) || !bytes.Equal(rest, []byte{7}) {
				t.Errorf("%v: key %x: got NULL %t and %x more bytes, expected the byte 7", c.kind, key, is, rest)
			}
		}
	}
}
