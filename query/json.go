package query

import (
	"errors"
	"fmt"
	"strings"

	"github.com/valyala/fastjson"
)

// jsonFormat reads one JSON object per record. Every name is a field; one that the object lacks is NULL, and so is
// JSON's null. Names compare by their bytes. Where an object has a name twice, the first counts.
type jsonFormat struct {
	paths [][]string
}

func (f *jsonFormat) names() []string { return nil }
func (f *jsonFormat) slots() int      { return len(f.paths) }

func (f *jsonFormat) column(path []string) (formatColumn, bool) {
	c := formatColumn{typ: typ{kind: kJSON, null: true}}
	for i, p := range f.paths {
		if strings.Join(p, "\x00") == strings.Join(path, "\x00") {
			c.slot = i
			return c, true
		}
	}
	c.slot = len(f.paths)
	f.paths = append(f.paths, path)
	return c, true
}

func (f *jsonFormat) parser() parser { return &jsonParser{paths: f.paths} }

type jsonParser struct {
	paths [][]string
	fast  fastjson.Parser
	text  []byte // numbers, objects and arrays as they are written
}

func (p *jsonParser) next(*rec) bool { return false }

var errNoObject = errors.New("want a JSON object")

func (p *jsonParser) start(r *rec) (bool, error) {
	v, err := p.fast.ParseBytes(r.event.Body)
	if err != nil {
		return false, fmt.Errorf("want a JSON object: %w", err)
	}
	if v.Type() != fastjson.TypeObject {
		return false, errNoObject
	}
	p.text = p.text[:0]
	for i, path := range p.paths {
		r.fields[i] = p.field(v.Get(path...))
	}
	return true, nil
}

func (p *jsonParser) field(v *fastjson.Value) value {
	if v == nil {
		return null
	}
	switch v.Type() {
	case fastjson.TypeNull:
		return null
	case fastjson.TypeString:
		b, _ := v.StringBytes() // never an error for this type
		return textValue(b)
	case fastjson.TypeTrue:
		return value{tag: tagTrue, set: true}
	case fastjson.TypeFalse:
		return value{tag: tagFalse, set: true}
	case fastjson.TypeNumber:
		return value{tag: tagNumber, b: p.written(v), set: true}
	}
	return value{tag: tagOther, b: p.written(v), set: true}
}

func (p *jsonParser) written(v *fastjson.Value) []byte {
	from := len(p.text)
	p.text = v.MarshalTo(p.text)
	return p.text[from:len(p.text):len(p.text)]
}

// jsonNumber reads a JSON field where a number is wanted.
func jsonNumber(r *rec, v value, name string) value {
	if !v.set {
		return null
	}
	switch v.tag {
	case tagTrue:
		return intValue(1)
	case tagFalse:
		return intValue(0)
	case tagNumber:
		n, scale, ok := parseDecimal(v.b)
		if !ok {
			return r.fail("%s: %s has more than 38 digits, or is no number", name, quote(v.b))
		}
		return value{num: n, scale: uint8(scale), set: true}
	case tagText:
		return r.fail("%s: want a number, the record has the text %s; CAST(%s AS DECIMAL(p,s)) reads numbers in quotes too", name, quote(v.b), name)
	}
	return r.fail("%s: want a number, the record has %s", name, quote(v.b))
}

var jsonTrue, jsonFalse = []byte("true"), []byte("false")

// jsonText reads a JSON field where text is wanted: a string's value, else what is written.
func jsonText(v value) value {
	if !v.set {
		return null
	}
	switch v.tag {
	case tagTrue:
		return textValue(jsonTrue)
	case tagFalse:
		return textValue(jsonFalse)
	}
	return textValue(v.b)
}
