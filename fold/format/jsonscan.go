package format

import (
	"bytes"

	"github.com/sluice-etl/sluice/fold/jsonpath"
	"github.com/sluice-etl/sluice/fold/value"
)

// jsonScanner reads the fields of an object in one pass, without a tree of its values. It is for what most objects of logs
// are: short, without escapes, with fields that are no objects or arrays. It gives up on anything else, also on what is
// no JSON, and the object is read with the tree. So it must never read a field that the tree reads in another way.
type jsonScanner struct {
	fields []scannedField // the members of the object that are read, nested ones by their objects
	values []value.Value
}

// scannedField is a member of an object that is read, or in which members are read.
type scannedField struct {
	name   string
	slot   int // in jsonScanner.values; -1 if only members of it are read
	fields []scannedField
}

// maxScannedFields is the maximum number of fields of one object: they are found one by one, and each has a bit in a mask.
const maxScannedFields = 16

// maxScannedDepth is the maximum depth of an object. It is below that of the tree's parser.
const maxScannedDepth = 32

// newJSONScanner returns a scanner of fields; nil if it cannot read them.
func newJSONScanner(fields []jsonField) *jsonScanner {
	s := &jsonScanner{}
	for slot := range fields {
		if fields[slot].quoted || !addScanned(&s.fields, fields[slot].path, slot) {
			return nil
		}
	}
	return s
}

// addScanned adds the path of a slot.
func addScanned(to *[]scannedField, path []jsonpath.Step, slot int) bool {
	for i := range path {
		if path[i].IsCell {
			return false
		}
		at := 0
		for at < len(*to) && (*to)[at].name != path[i].Name {
			at++
		}
		if at == maxScannedFields {
			return false
		}
		if at == len(*to) {
			*to = append(*to, scannedField{name: path[i].Name, slot: -1})
		}
		if i == len(path)-1 {
			(*to)[at].slot = slot
		}
		to = &(*to)[at].fields
	}
	return len(path) > 0
}

// scan reads the fields of the object b, whose values are views on b. It returns false if b is to be read with the tree.
func (s *jsonScanner) scan(values []value.Value, b []byte) bool {
	if len(b) > maxValues || bytes.IndexByte(b, '\\') >= 0 {
		return false
	}
	clear(values)
	s.values = values
	at := skipSpace(b, 0)
	if at == len(b) || b[at] != '{' {
		return false
	}
	at = s.object(b, at+1, s.fields, 0)
	return at >= 0 && skipSpace(b, at) == len(b)
}

// skipSpace returns the index of the first byte from at on that is no white space of JSON.
func skipSpace(b []byte, at int) int {
	for at < len(b) && (b[at] == ' ' || b[at] == '\n' || b[at] == '\r' || b[at] == '\t') {
		at++
	}
	return at
}

// The methods below read what stands at an index of b, and return the index of what follows it; -1 if they give up.

// object reads an object behind its brace.
func (s *jsonScanner) object(b []byte, at int, fields []scannedField, depth int) int {
	if at = skipSpace(b, at); at < len(b) && b[at] == '}' {
		return at + 1
	}
	read := uint32(0) // the fields that were found: of members with the same name, the first one counts
	for {
		if at = skipSpace(b, at); at == len(b) || b[at] != '"' {
			return -1
		}
		from := at + 1
		end := closingQuote(b, from)
		if end < 0 {
			return -1
		}
		name := b[from:end]
		if at = skipSpace(b, end+1); at == len(b) || b[at] != ':' {
			return -1
		}
		var field *scannedField
		for i := range fields {
			if f := &fields[i]; f.name == string(name) {
				if read&(1<<i) == 0 {
					read |= 1 << i
					field = f
				}
				break
			}
		}
		if at = s.value(b, at+1, field, depth); at < 0 {
			return -1
		}
		if at = skipSpace(b, at); at == len(b) {
			return -1
		}
		switch b[at] {
		case ',':
			at++
		case '}':
			return at + 1
		default:
			return -1
		}
	}
}

// closingQuote returns the index of the first quote from an index on; -1 if there is none. Texts have no escapes here.
func closingQuote(b []byte, from int) int {
	b = b[from:]
	if n := quoteWithin8(b); n < 8 {
		return from + n
	}
	if n := bytes.IndexByte(b, '"'); n >= 0 {
		return from + n
	}
	return -1
}

// value reads a value of a field, or skips it if field is nil.
func (s *jsonScanner) value(b []byte, at int, field *scannedField, depth int) int {
	if at = skipSpace(b, at); at == len(b) {
		return -1
	}
	var v value.Value
	var end int
	switch b[at] {
	case '"':
		if end = closingQuote(b, at+1); end < 0 {
			return -1
		}
		if field != nil && field.slot >= 0 {
			s.values[field.slot] = value.Text(b[at+1 : end : end])
		}
		return end + 1
	case '{':
		switch {
		case depth == maxScannedDepth || field != nil && field.slot >= 0:
			return -1
		case field == nil:
			return s.object(b, at+1, nil, depth+1)
		}
		return s.object(b, at+1, field.fields, depth+1)
	case '[':
		if depth == maxScannedDepth || field != nil {
			return -1
		}
		return s.array(b, at+1, depth+1)
	case 't':
		v, end = value.Value{Tag: value.TagTrue, Bytes: jsonTrue, Set: true}, literal(b, at, "true")
	case 'f':
		v, end = value.Value{Tag: value.TagFalse, Bytes: jsonFalse, Set: true}, literal(b, at, "false")
	case 'n':
		v, end = value.Null, literal(b, at, "null")
	default:
		if end = number(b, at); end >= 0 {
			v = value.Value{Tag: value.TagNumber, Bytes: b[at:end:end], Set: true}
		}
	}
	if field != nil && field.slot >= 0 {
		s.values[field.slot] = v
	}
	return end
}

// literal reads a name that stands for a value.
func literal(b []byte, at int, name string) int {
	if end := at + len(name); end <= len(b) && string(b[at:end]) == name {
		return end
	}
	return -1
}

// number reads a number as RFC 8259 has it.
func number(b []byte, at int) int {
	if at < len(b) && b[at] == '-' {
		at++
	}
	first := at
	if at = skipDigits(b, at); at == first || b[first] == '0' && at > first+1 {
		return -1
	}
	if at < len(b) && b[at] == '.' {
		from := at + 1
		if at = skipDigits(b, from); at == from {
			return -1
		}
	}
	if at < len(b) && b[at]|0x20 == 'e' {
		if at++; at < len(b) && (b[at] == '+' || b[at] == '-') {
			at++
		}
		from := at
		if at = skipDigits(b, from); at == from {
			return -1
		}
	}
	return at
}

func skipDigits(b []byte, at int) int {
	for at < len(b) && b[at]-'0' <= 9 {
		at++
	}
	return at
}

// array skips an array behind its bracket.
func (s *jsonScanner) array(b []byte, at, depth int) int {
	if at = skipSpace(b, at); at < len(b) && b[at] == ']' {
		return at + 1
	}
	for {
		if at = s.value(b, at, nil, depth); at < 0 {
			return -1
		}
		if at = skipSpace(b, at); at == len(b) {
			return -1
		}
		switch b[at] {
		case ',':
			at++
		case ']':
			return at + 1
		default:
			return -1
		}
	}
}
