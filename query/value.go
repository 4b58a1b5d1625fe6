package query

import (
	"fmt"
	"math"
	"time"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/internal/avrobin"
	"github.com/sluice-etl/sluice/row"
)

// value is what an expression yields. What it holds is said by its expression's kind, which is known when the query
// is compiled: kInt and kDecimal in num and scale, kDouble's bits and kTime's microseconds in num.Lo, kText in b,
// kJSON in b and tag.
type value struct {
	num   row.Number
	b     []byte // a view on the record or on rec.text
	scale uint8  // digits after the point of a kDecimal; it may differ from value to value
	tag   tag    // of a kJSON
	set   bool   // false is NULL
}

// tag is what a JSON value is.
type tag uint8

const (
	tagText   tag = iota
	tagNumber     // b is the number as it is written
	tagTrue
	tagFalse
	tagOther  // an object or array; b is its JSON
	tagQuoted // a text; b is its JSON
)

var null value

func intValue(v int64) value   { return value{num: row.FromInt(v), set: true} }
func textValue(b []byte) value { return value{b: b, set: true} }
func timeValue(micros int64) value {
	return value{num: row.Number{Lo: uint64(micros)}, set: true}
}
func doubleValue(f float64) value {
	return value{num: row.Number{Lo: math.Float64bits(f)}, set: true}
}
func boolValue(b bool) value {
	if b {
		return value{num: row.Number{Lo: 1}, set: true}
	}
	return value{set: true}
}

func (v value) micros() int64   { return int64(v.num.Lo) }
func (v value) double() float64 { return math.Float64frombits(v.num.Lo) }

// rec is the record that is being evaluated, and the memory that its evaluation uses. One rec belongs to one fold.
type rec struct {
	part   checkpoint.Partition
	in     *batch.Record
	event  avrobin.Event // what in holds: its body, and what headers it has beside Kafka's
	index  int64         // the row's number within the record
	fields []value       // of the format, by slot
	text   []byte        // texts made while the record is evaluated; emptied for the next record
	fault  string        // why the evaluation failed; empty while it did not
	zone   *time.Location
	stamp  stampCache
}

// fail makes the record a dead letter. The first reason stays.
func (r *rec) fail(format string, args ...any) value {
	if r.fault == "" {
		r.fault = fmt.Sprintf(format, args...)
	}
	return null
}

// quote shows a value in a reason: at most 64 bytes of it.
func quote(b []byte) string {
	if len(b) > 64 {
		return fmt.Sprintf("%.64q… (%d bytes)", b, len(b))
	}
	return fmt.Sprintf("%q", b)
}
