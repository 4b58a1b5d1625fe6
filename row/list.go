package row

import "fmt"

// A List column holds the distinct texts of a group, as a Distinct column does, and a column beside it shows them as one
// text. They are in ascending order of their bytes, so the text, too, depends on the set alone.

// MaxListBytes is the maximum number of bytes of the text that shows a List: what a TEXT column takes.
const MaxListBytes = 1<<16 - 1

// List returns the merge of a set of texts that are shown with a separator between them.
func List(separator string) Merge {
	return listMerge{distinctMerge{"text"}, separator}
}

// ListText returns the merge of the column that shows a List of that separator.
func ListText(separator string) Merge { return listText{separator} }

type listMerge struct {
	distinctMerge
	separator string
}

func (m listMerge) String() string { return fmt.Sprintf("set of texts (separator %q)", m.separator) }

// MaxBytes is that of MaxListBytes texts of one byte, each with its length in front, which no set reaches.
func (listMerge) MaxBytes() int { return 1 + 2*MaxListBytes }

func (m listMerge) Join(dst, stored, added []byte) (state []byte, replaces bool, err error) {
	from := len(dst)
	dst, err = joinDistinct(dst, stored, added)
	if err != nil {
		return dst, false, err
	}
	n := -len(m.separator)
	for rest := dst[from+1:]; len(rest) > 0; {
		var v []byte
		v, rest, _ = nextDistinct(rest)
		n += len(v) + len(m.separator)
	}
	if n > MaxListBytes {
		return dst, false, &FullError{
			Seen: fmt.Sprintf("the distinct texts of one group have %d bytes with their separators, GROUP_CONCAT shows at most %d", n, MaxListBytes),
			Do:   "group by the text too, with COUNT(*), into another table, and replay the topic; or group by less, such as by hour in place of day",
		}
	}
	return dst, false, nil
}

type listText struct{ separator string }

func (m listText) String() string               { return fmt.Sprintf("texts with the separator %q", m.separator) }
func (listText) Traits() Traits                 { return Traits{Total: true} }
func (listText) Fold(*Rows, *Cell, Kind, Value) {}

// Value is NULL for a group without a text.
func (m listText) Value(state []byte) Value {
	var text []byte
	for rest := state[1:]; len(rest) > 0; {
		var v []byte
		v, rest, _ = nextDistinct(rest)
		text = append(text, v...)
		if len(rest) > 0 {
			text = append(text, m.separator...)
		}
	}
	return Value{Bytes: text, Set: len(state) > 1}
}
