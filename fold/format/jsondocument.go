package format

import (
	"bytes"
	"errors"

	"github.com/valyala/fastjson"

	"github.com/sluice-etl/sluice/fold/jsonpath"
	"github.com/sluice-etl/sluice/fold/value"
)

// JSONReader reads texts of a record that are JSON. It uses its memory again, and is unsafe for concurrent use. The zero
// value is ready.
type JSONReader struct {
	p       jsonParser
	numbers [2][]byte // that are compared
}

// JSONDocument is a JSON value: a whole text or a part of it. It is valid until the next Read of its reader.
type JSONDocument struct {
	v       *fastjson.Value
	escapes bool // names may be written with escapes
}

var errNoJSON = errors.New("expected JSON")

// Read reads a text. The error is a *Error if the text has too many values, and another one if it is not JSON.
func (j *JSONReader) Read(b []byte) (JSONDocument, error) {
	v, err := j.p.parse(b) // first, because it bounds the depth
	if err != nil {
		return JSONDocument{}, err
	}
	if fastjson.ValidateBytes(b) != nil { // the parser accepts control characters, and numbers such as 1.2.3
		return JSONDocument{}, errNoJSON
	}
	return JSONDocument{v, bytes.IndexByte(b, '\\') >= 0}, nil
}

// At follows a path; ok is false if there is nothing.
func (d JSONDocument) At(path []jsonpath.Step) (part JSONDocument, ok bool) {
	part = JSONDocument{find(d.v, path, d.escapes), d.escapes}
	return part, part.v != nil
}

// AppendText appends the text of a value to r.Text: of a string without its quotes and escapes, of others their JSON,
// without white space and with numbers as they are spelled.
func (j *JSONReader) AppendText(r *Fields, d JSONDocument) []byte {
	return j.AppendValue(r, d, false).Bytes
}

// AppendValue appends d to r.Text and returns it as a field of a JSON record: NULL for null and where there is nothing.
// quoted keeps the quotes of a string. The value is valid until the next record.
func (j *JSONReader) AppendValue(r *Fields, d JSONDocument, quoted bool) value.Value {
	if j.p.member == nil {
		j.p.member, j.p.copied = j.p.writeMember, true
	}
	j.p.text = r.Text
	v := j.p.field(d.v, quoted)
	r.Text, j.p.text = j.p.text, nil
	return v
}

// Tag returns what the value is as a field: TagText for a string, TagOther for an object or an array. set is false for
// null.
func (d JSONDocument) Tag() (tag value.Tag, set bool) {
	switch d.v.Type() {
	case fastjson.TypeNull:
		return 0, false
	case fastjson.TypeString:
		return value.TagText, true
	case fastjson.TypeTrue:
		return value.TagTrue, true
	case fastjson.TypeFalse:
		return value.TagFalse, true
	case fastjson.TypeNumber:
		return value.TagNumber, true
	}
	return value.TagOther, true
}

// IsArray reports whether the value is an array.
func (d JSONDocument) IsArray() bool { return d.v.Type() == fastjson.TypeArray }

// Length returns the number of cells of an array or of members of an object; 1 for other values.
func (d JSONDocument) Length() int {
	switch d.v.Type() {
	case fastjson.TypeArray:
		return len(d.v.GetArray())
	case fastjson.TypeObject:
		return d.v.GetObject().Len()
	}
	return 1
}

// Has reports whether the value is a scalar or, at any depth, an array with a cell that is. Numbers are compared by their
// value.
func (j *JSONReader) Has(d, scalar JSONDocument) bool {
	switch t := d.v.Type(); {
	case t == fastjson.TypeArray:
		for _, cell := range d.v.GetArray() {
			if j.Has(JSONDocument{cell, d.escapes}, scalar) {
				return true
			}
		}
		return false
	case t != scalar.v.Type():
		return false
	case t == fastjson.TypeString:
		return bytes.Equal(d.v.GetStringBytes(), scalar.v.GetStringBytes())
	case t == fastjson.TypeNumber:
		return j.sameNumber(d.v, scalar.v)
	}
	return true
}

func (j *JSONReader) sameNumber(a, b *fastjson.Value) bool {
	j.numbers[0], j.numbers[1] = a.MarshalTo(j.numbers[0][:0]), b.MarshalTo(j.numbers[1][:0])
	x, xs, ok1 := value.ParseDecimal(j.numbers[0])
	y, ys, ok2 := value.ParseDecimal(j.numbers[1])
	if ok1 && ok2 {
		return value.CompareDecimals(value.Value{Number: x, Scale: uint8(xs)}, value.Value{Number: y, Scale: uint8(ys)}) == 0
	}
	return a.GetFloat64() == b.GetFloat64()
}
