package value

import (
	"math"

	"github.com/sluice-etl/sluice/row"
)

// Value is one value: a field of a record, or what an expression yields for it. Which of its fields hold the value
// depends on its kind, which is not stored because it is the same for all records.
type Value struct {
	Number row.Number
	// b is text, or JSON. It is a view on the record or on memory of the evaluation, and valid until the next record.
	Bytes []byte
	Scale uint8 // digits after the point of a decimal; it may differ from value to value
	Tag   Tag   // of a KindJSON
	Set   bool  // false is NULL
}

// Tag is what a value of JSON is. It says nothing of a value of another kind: the value of a JSON field is its text, too.
type Tag uint8

// What a value of JSON can be.
const (
	TagText   Tag = iota // b is a string's text, without quotes and escapes
	TagNumber            // b is the number's text
	TagTrue              // b is true
	TagFalse             // b is false
	TagOther             // an object or array; b is its JSON
	TagQuoted            // a string; b is its JSON, with quotes and escapes
)

// Null is NULL, of every kind.
var Null Value

// Int returns an integer.
func Int(v int64) Value { return Value{Number: row.FromInt(v), Set: true} }

// Text returns a text that is a view on b.
func Text(b []byte) Value { return Value{Bytes: b, Set: true} }

// Time returns a time of microseconds since 1970-01-01 UTC.
func Time(micros int64) Value {
	return Value{Number: row.Number{Lo: uint64(micros)}, Set: true}
}

// Double returns a DOUBLE.
func Double(f float64) Value {
	return Value{Number: row.Number{Lo: math.Float64bits(f)}, Set: true}
}

// Bool returns the integer 1 or 0, which is how MySQL represents truth values.
func Bool(b bool) Value {
	if b {
		return Value{Number: row.Number{Lo: 1}, Set: true}
	}
	return Value{Set: true}
}

// Micros returns the value of a time: microseconds since 1970-01-01 UTC.
func (v Value) Micros() int64 { return int64(v.Number.Lo) }

// Double returns the value of a DOUBLE.
func (v Value) Double() float64 { return math.Float64frombits(v.Number.Lo) }
