package row

// MaxKeyBytes is how long an InnoDB index entry can be, with pages of 16 KiB, the default.
const MaxKeyBytes = 3072

// BytesPerChar is how many bytes MySQL reserves in an index for each character of utf8mb4.
const BytesPerChar = 4

// MaxKeyParts is how many columns an index can have.
const MaxKeyParts = 16

// KeyParts returns the number of columns of the unique key: a Nullable one counts as two.
func (t *Table) KeyParts() (n int) {
	for i := range t.Columns[:t.Keys] {
		if n++; t.Columns[i].Nullable {
			n++
		}
	}
	return n
}

// KeyChars divides MaxKeyBytes among the key columns. It returns how many characters each Text column without MaxChars,
// and each Bytes column, may have so that the whole key fits an index. Columns of known size get their own size first.
// open is the number of columns that share the rest. chars is 0 if there are no such columns, and may be 0 or less if
// the others leave no space.
func (t *Table) KeyChars() (chars, open int) {
	left := MaxKeyBytes
	for i := range t.Columns[:t.Keys] {
		if t.Columns[i].Nullable {
			left--
		}
		switch c := &t.Columns[i]; {
		case c.Kind == Text && c.MaxChars > 0:
			left -= BytesPerChar * c.MaxChars
		case c.Kind == Text, c.Kind == Bytes:
			open++
		case c.Kind == Decimal:
			left -= 20
		default:
			left -= 8
		}
	}
	if open == 0 {
		return min(left, 0), 0
	}
	return left / BytesPerChar / open, open
}
