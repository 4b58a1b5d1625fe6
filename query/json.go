package query

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/valyala/fastjson"

	"github.com/sluice-etl/sluice/fold/value"
)

// jsonFormat reads one JSON object per record, or one per line of it. Every name is a field; one that the object lacks
// is NULL, and so is JSON's null. Names compare by their bytes, after escapes are undone. Where an object has a name
// twice, the first counts.
type jsonFormat struct {
	fields []jsonField
}

// jsonField is a place in an object.
type jsonField struct {
	path   []step
	quoted bool // a text is read with its quotes
}

func (f *jsonFormat) names() []string { return nil }
func (f *jsonFormat) slots() int      { return len(f.fields) }

func (f *jsonFormat) column(path []string) (formatColumn, bool) {
	return formatColumn{Type: value.Type{Kind: value.KindJSON, Nullable: true}, slot: f.slot(names(path), false)}, true
}

// slot is the place in rec.values of what stands at a path.
func (f *jsonFormat) slot(path []step, quoted bool) int {
	for i, g := range f.fields {
		if g.quoted == quoted && slices.Equal(g.path, path) {
			return i
		}
	}
	f.fields = append(f.fields, jsonField{path, quoted})
	return len(f.fields) - 1
}

func (f *jsonFormat) parser() parser {
	p := &jsonParser{fields: f.fields}
	p.member = p.writeMember
	return p
}

type jsonParser struct {
	fields []jsonField
	fast   fastjson.Parser
	large  bool   // fast holds the tree of a large text: it is dropped before the next one
	text   []byte // numbers, objects and arrays as they are written
	member func(name []byte, v *fastjson.Value)
	rest   []byte // the lines after the one at hand, where each is an object
}

func (p *jsonParser) next(r *rec) (bool, error) {
	line, more := nextLine(&p.rest)
	if !more {
		return false, nil
	}
	return true, p.object(r, line)
}

var errNoObject = errors.New("want a JSON object")

// start reads one object, on one line or several. Where the body is no JSON and holds several lines, each line is an
// object (NDJSON), and a row.
func (p *jsonParser) start(r *rec) (bool, error) {
	body := withoutBOM(r.event.Body)
	p.rest, p.text = nil, p.text[:0]
	err := p.object(r, body)
	if err == nil || bytes.IndexByte(body, '\n') < 0 {
		return err == nil, err
	}
	p.rest = body
	more, lineErr := p.next(r)
	if !more || lineErr != nil {
		return false, err // of the whole: its first line alone is no object either
	}
	return true, nil
}

// maxValues bounds the values of one JSON text: the parser makes a tree, which takes up to 500 bytes for each of them, and
// so for each two bytes of a text. A text of fewer bytes cannot have more.
const maxValues = 100_000

// manyValues is how many values a text may have for the parser's memory to be kept.
const manyValues = 10_000

// hasManyValues reports whether a text may have more than most values: each follows the one comma or bracket before it,
// or is the whole. Brackets and commas in strings do not count.
func hasManyValues(b []byte, most int) bool {
	if len(b) <= most {
		return false
	}
	if bytes.Count(b, []byte{','})+bytes.Count(b, []byte{'['})+bytes.Count(b, []byte{'{'}) < most {
		return false
	}
	n, inside := 1, false
	for i := 0; i < len(b) && n <= most; i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			inside = !inside
		case ',', '[', '{':
			if !inside {
				n++
			}
		}
	}
	return n > most
}

// object reads the fields of one object.
func (p *jsonParser) object(r *rec, b []byte) error {
	if hasManyValues(b, maxValues) {
		return &formatError{"the JSON has more than 100000 values", fmt.Sprintf("it has %d bytes", len(b))}
	}
	if p.large {
		p.fast, p.large = fastjson.Parser{}, false
	}
	p.large = hasManyValues(b, manyValues)
	v, err := p.fast.ParseBytes(b)
	if err != nil {
		if r.Explain {
			return fmt.Errorf("want a JSON object: %w", err)
		}
		return &formatError{errNoObject.Error(), fmt.Sprintf("%d bytes are not one JSON value", len(b))}
	}
	if v.Type() != fastjson.TypeObject {
		return &formatError{errNoObject.Error(), fmt.Sprintf("the value is of type %s", v.Type())}
	}
	escapes := bytes.IndexByte(b, '\\') >= 0
	for i := range p.fields {
		f := &p.fields[i]
		r.values[i] = p.field(find(v, f.path, escapes), f.quoted)
	}
	return nil
}

func (p *jsonParser) field(v *fastjson.Value, quoted bool) value.Value {
	if v == nil {
		return value.Null
	}
	switch v.Type() {
	case fastjson.TypeNull:
		return value.Null
	case fastjson.TypeString:
		if quoted {
			return value.Value{Tag: value.TagQuoted, Bytes: p.written(v), Set: true}
		}
		b, _ := v.StringBytes() // never an error for this type
		return value.Text(b)
	case fastjson.TypeTrue:
		return value.Value{Tag: value.TagTrue, Set: true}
	case fastjson.TypeFalse:
		return value.Value{Tag: value.TagFalse, Set: true}
	case fastjson.TypeNumber:
		return value.Value{Tag: value.TagNumber, Bytes: p.written(v), Set: true}
	}
	return value.Value{Tag: value.TagOther, Bytes: p.written(v), Set: true}
}

func (p *jsonParser) written(v *fastjson.Value) []byte {
	from := len(p.text)
	p.write(v)
	return p.text[from:len(p.text):len(p.text)]
}

// write appends a value to p.text, without white space. Numbers stand as they were written; of texts only what must be
// escaped is. (fastjson's own MarshalTo escapes as Go does, which is no JSON: \x00, \U0010ffff.)
func (p *jsonParser) write(v *fastjson.Value) {
	switch v.Type() {
	case fastjson.TypeString:
		p.text = appendJSONText(p.text, v.GetStringBytes())
	case fastjson.TypeArray:
		p.text = append(p.text, '[')
		for i, cell := range v.GetArray() {
			if i > 0 {
				p.text = append(p.text, ',')
			}
			p.write(cell)
		}
		p.text = append(p.text, ']')
	case fastjson.TypeObject:
		p.text = append(p.text, '{')
		v.GetObject().Visit(p.member)
		p.text = append(p.text, '}')
	default:
		p.text = v.MarshalTo(p.text)
	}
}

// writeMember is p.member: it appends one member of an object.
func (p *jsonParser) writeMember(name []byte, v *fastjson.Value) {
	if p.text[len(p.text)-1] != '{' {
		p.text = append(p.text, ',')
	}
	p.text = append(appendJSONText(p.text, name), ':')
	p.write(v)
}

// appendJSONText writes a text in quotes.
func appendJSONText(dst, text []byte) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	for _, c := range text {
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c == '\n':
			dst = append(dst, `\n`...)
		case c == '\r':
			dst = append(dst, `\r`...)
		case c == '\t':
			dst = append(dst, `\t`...)
		case c == '\b':
			dst = append(dst, `\b`...)
		case c == '\f':
			dst = append(dst, `\f`...)
		case c < ' ':
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		default:
			dst = append(dst, c)
		}
	}
	return append(dst, '"')
}
