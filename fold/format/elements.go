package format

import (
	"slices"

	"github.com/sluice-etl/sluice/fold/jsonpath"
	"github.com/sluice-etl/sluice/fold/value"
)

// Elements finds several values in one JSON text. Its zero value is ready to use. It is unsafe for concurrent use.
type Elements struct {
	reader JSONReader
	found  []JSONDocument
}

// Read finds the values that a path of [jsonpath.ParseAll] names in a JSON text. The error is a *Error if the text has too
// many values, and otherwise why it is not JSON.
func (p *Elements) Read(text []byte, path []jsonpath.Step) error {
	if cap(p.found) > manyValues {
		p.found = nil
	}
	p.found = p.found[:0]
	d, err := p.reader.Read(text)
	if err != nil {
		return err
	}
	p.collect(d, path)
	return nil
}

// collect appends the values that a path names in d, in the order of the text.
func (p *Elements) collect(d JSONDocument, path []jsonpath.Step) {
	all := slices.IndexFunc(path, func(s jsonpath.Step) bool { return s.All })
	if all < 0 {
		if d, ok := d.At(path); ok {
			p.found = append(p.found, d)
		}
		return
	}
	list, ok := d.At(path[:all])
	if !ok {
		return
	}
	for _, cell := range list.v.GetArray() { // nil if it is not an array
		p.collect(JSONDocument{cell, d.escapes}, path[all+1:])
	}
}

// Len returns how many values Read found.
func (p *Elements) Len() int { return len(p.found) }

// At returns the value at a path within the i-th value that Read found. found is false if there is nothing; JSON's null is
// found and NULL. The value is in r.Text, so that it is valid until the next record.
func (p *Elements) At(i int, path []jsonpath.Step, r *Fields) (v value.Value, found bool) {
	d, found := p.found[i].At(path)
	return p.reader.AppendValue(r, d, false), found
}
