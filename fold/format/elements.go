package format

import (
	"bytes"
	"slices"

	"github.com/valyala/fastjson"

	"github.com/sluice-etl/sluice/fold/jsonpath"
	"github.com/sluice-etl/sluice/fold/value"
)

// Elements finds several values in one JSON text. Its zero value is ready to use. It is unsafe for concurrent use.
type Elements struct {
	parser  jsonParser
	found   []*fastjson.Value
	escapes bool
}

// Read finds the values that a path of [jsonpath.ParseAll] names in a JSON text. The error is a *Error if the text has too
// many values, and otherwise why it is not JSON.
func (p *Elements) Read(text []byte, path []jsonpath.Step) error {
	if p.parser.member == nil {
		p.parser.member, p.parser.copied = p.parser.writeMember, true
	}
	if cap(p.found) > manyValues {
		p.found = nil
	}
	p.found = p.found[:0]
	v, err := p.parser.parse(text)
	if err != nil {
		return err
	}
	p.escapes = bytes.IndexByte(text, '\\') >= 0
	p.collect(v, path)
	return nil
}

// collect appends the values that a path names in v, in the order of the text.
func (p *Elements) collect(v *fastjson.Value, path []jsonpath.Step) {
	all := slices.IndexFunc(path, func(s jsonpath.Step) bool { return s.All })
	if all < 0 {
		if v = find(v, path, p.escapes); v != nil {
			p.found = append(p.found, v)
		}
		return
	}
	if v = find(v, path[:all], p.escapes); v == nil {
		return
	}
	for _, cell := range v.GetArray() { // nil if v is not an array
		p.collect(cell, path[all+1:])
	}
}

// Len returns how many values Read found.
func (p *Elements) Len() int { return len(p.found) }

// At returns the value at a path within the i-th value that Read found. found is false if there is nothing; JSON's null is
// found and NULL. The value is in r.Text, so that it is valid until the next record.
func (p *Elements) At(i int, path []jsonpath.Step, r *Fields) (v value.Value, found bool) {
	cell := find(p.found[i], path, p.escapes)
	p.parser.text = r.Text
	v = p.parser.field(cell, false)
	r.Text, p.parser.text = p.parser.text, nil
	return v, cell != nil
}
