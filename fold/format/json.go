package format

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/valyala/fastjson"

	"github.com/sluice-etl/sluice/fold/jsonpath"
	"github.com/sluice-etl/sluice/fold/value"
)

// jsonFormat reads one JSON object per record, or one per line of it. Every name is a field; it is NULL if the object
// lacks it or has null there. Names compare by their bytes, after escapes are decoded. If an object has a name twice,
// the first one counts.
type jsonFormat struct {
	fields []jsonField
}

// jsonField is a place in an object.
type jsonField struct {
	path   []jsonpath.Step
	quoted bool // a text is read with its quotes
}

func (f *jsonFormat) Names() []string { return nil }

func (f *jsonFormat) Column(path []string) (Column, bool) {
	return Column{Type: value.Type{Kind: value.KindJSON, Nullable: true}, Slot: f.slot(jsonpath.Members(path), false)}, true
}

// Path implements PathFormat.
func (f *jsonFormat) Path(name []string, steps []jsonpath.Step, quoted bool) (slot int, ok bool) {
	return f.slot(append(jsonpath.Members(name), steps...), quoted), true
}

func (f *jsonFormat) slot(path []jsonpath.Step, quoted bool) int {
	for i, g := range f.fields {
		if g.quoted == quoted && slices.Equal(g.path, path) {
			return i
		}
	}
	f.fields = append(f.fields, jsonField{path, quoted})
	return len(f.fields) - 1
}

func (f *jsonFormat) NewParser() (Parser, int) {
	p := &jsonParser{fields: f.fields, scanner: newJSONScanner(f.fields)}
	p.member = p.writeMember
	return p, len(p.fields)
}

type jsonParser struct {
	fields  []jsonField
	scanner *jsonScanner // nil if it cannot read the fields
	fast    fastjson.Parser
	large   bool   // fast holds the tree of a large text: it is dropped before the next one
	text    []byte // numbers, objects and arrays as they are written, and strings of bodies with several lines
	member  func(name []byte, v *fastjson.Value)
	rest    []byte // the lines after the current one, if each line is an object
	copied  bool   // strings are copied to text, because the next line overwrites those of fast
}

func (p *jsonParser) Next(r *Fields) (bool, error) {
	line, more := nextLine(&p.rest)
	if !more {
		return false, nil
	}
	return true, p.object(r, line)
}

const expectedObject = "expected a JSON object"

// Start reads one object, on one line or several. If the body is not JSON and has several lines, each line is an
// object (NDJSON), and a row.
func (p *jsonParser) Start(body []byte, r *Fields) (bool, error) {
	body = value.TrimBOM(body)
	p.rest, p.text, p.copied = nil, p.text[:0], false
	err := p.object(r, body)
	if err == nil || bytes.IndexByte(body, '\n') < 0 {
		return err == nil, err
	}
	p.rest, p.copied = body, true
	whole := r.mismatch
	more, lineErr := p.Next(r)
	if !more || lineErr != nil {
		r.mismatch = whole
		return false, err // of the whole: its first line alone is no object either
	}
	return true, nil
}

// maxValues is the maximum number of values in one JSON text. The parser builds a tree of up to 500 bytes for each
// value, and a value can be as short as two bytes of text.
const maxValues = 100_000

// manyValues is the maximum number of values of a text after which the parser's memory is kept for the next one.
const manyValues = 10_000

// hasManyValues reports whether a text may have more than most values. Each value but the outermost follows a comma or
// an opening bracket, outside of strings, so these are counted.
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
func (p *jsonParser) object(r *Fields, b []byte) error {
	p.dropLargeTree()
	if p.scanner != nil && p.scanner.scan(r.Values[:len(p.fields)], b) {
		return nil
	}
	if first := trimJSONSpace(b); len(first) > 0 && first[0] != '{' && !hasManyValues(b, maxValues) {
		return r.fail(mismatch{describe: describeNoObject, line: b}) // without the parser, whose errors are allocated
	}
	v, err := p.parse(b)
	if err != nil {
		if _, limited := errors.AsType[*Error](err); limited {
			return err
		}
		return r.fail(mismatch{describe: describeNoObject, line: b})
	}
	if v.Type() != fastjson.TypeObject {
		return r.fail(mismatch{describe: describeNoObject, line: b})
	}
	escapes := bytes.IndexByte(b, '\\') >= 0
	for i := range p.fields {
		f := &p.fields[i]
		r.Values[i] = p.field(find(v, f.path, escapes), f.quoted)
	}
	return nil
}

// trimJSONSpace removes what JSON takes for white space from the beginning of b.
func trimJSONSpace(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\n' || b[0] == '\r' || b[0] == '\t') {
		b = b[1:]
	}
	return b
}

// describeNoObject describes a text that is no JSON, or another value than an object.
func describeNoObject(m *mismatch) Error {
	var fast fastjson.Parser
	v, err := fast.ParseBytes(m.line)
	switch {
	case err != nil && m.explain:
		return Error{Reason: fmt.Sprintf("%s: %s", expectedObject, err)}
	case err != nil:
		return Error{expectedObject, fmt.Sprintf("%d bytes are not one JSON value", len(m.line))}
	}
	return Error{expectedObject, fmt.Sprintf("the value is of type %s", v.Type())}
}

// parse reads one value. It is valid until the next one is read.
func (p *jsonParser) parse(b []byte) (*fastjson.Value, error) {
	if hasManyValues(b, maxValues) {
		return nil, &Error{"the JSON has more than 100000 values", fmt.Sprintf("it has %d bytes", len(b))}
	}
	p.dropLargeTree()
	p.large = hasManyValues(b, manyValues)
	return p.fast.ParseBytes(b)
}

// dropLargeTree releases the memory of a large text once the next one is read.
func (p *jsonParser) dropLargeTree() {
	if p.large {
		p.fast, p.large = fastjson.Parser{}, false
	}
}

var jsonTrue, jsonFalse = []byte("true"), []byte("false")

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
		if p.copied {
			from := len(p.text)
			p.text = append(p.text, b...)
			b = p.text[from:len(p.text):len(p.text)]
		}
		return value.Text(b)
	case fastjson.TypeTrue:
		return value.Value{Tag: value.TagTrue, Bytes: jsonTrue, Set: true}
	case fastjson.TypeFalse:
		return value.Value{Tag: value.TagFalse, Bytes: jsonFalse, Set: true}
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
// escaped is. (fastjson's own MarshalTo escapes as Go does, which is not JSON: \x00, \U0010ffff.)
func (p *jsonParser) write(v *fastjson.Value) {
	switch v.Type() {
	case fastjson.TypeString:
		p.text = AppendJSONText(p.text, v.GetStringBytes())
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
	p.text = append(AppendJSONText(p.text, name), ':')
	p.write(v)
}

// AppendJSONText appends a text as JSON, in quotes.
func AppendJSONText(dst, text []byte) []byte {
	return append(appendJSONEscaped(append(dst, '"'), text), '"')
}

// appendJSONEscaped appends a text as JSON has it between the quotes.
func appendJSONEscaped(dst, text []byte) []byte {
	const hex = "0123456789abcdef"
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
	return dst
}

// find follows a path, as MySQL does: cell 0 or last of a value that is no array is the value itself. It returns nil
// where there is nothing. escapes says that the text has escapes, so names may be written with them.
func find(v *fastjson.Value, path []jsonpath.Step, escapes bool) *fastjson.Value {
	for i := range path {
		s := &path[i]
		if !s.IsCell {
			o, err := v.Object()
			if err != nil {
				return nil
			}
			if escapes {
				// Get alone would look for a name without escapes first, wherever it stands. Visit undoes all of them.
				o.Visit(func([]byte, *fastjson.Value) {})
			}
			if v = o.Get(s.Name); v == nil {
				return nil
			}
			continue
		}
		if v.Type() != fastjson.TypeArray {
			if s.Index != 0 {
				return nil
			}
			continue
		}
		cells := v.GetArray()
		at := s.Index
		if s.FromEnd {
			at = len(cells) - 1 - s.Index
		}
		if at < 0 || at >= len(cells) {
			return nil
		}
		v = cells[at]
	}
	return v
}
