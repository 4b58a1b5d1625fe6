package query

import (
	"fmt"
	"math"
	"strings"
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
	detail string        // what is particular of this failure, without the record's text
	// explain has faults hold the record's text: for constants of a query, and for dry runs.
	explain bool
	zone    *time.Location
	stamp   stampCache
	windows []span // the window that each TUMBLE of the plan found last
}

// fail makes the record a dead letter. The first reason stays. The reason is the same for all records that fail alike:
// what args hold of the record (recordText, recordNumber) is left out of it, and is described in the detail.
func (r *rec) fail(format string, args ...any) value {
	if r.fault != "" {
		return null
	}
	if r.explain {
		r.fault = fmt.Sprintf(format, args...)
		return null
	}
	var details []string
	for i, a := range args {
		switch a := a.(type) {
		case recordText:
			details = append(details, a.what)
		case recordNumber:
			details = append(details, fmt.Sprint(a.n))
		default:
			continue
		}
		args[i] = omitted{}
	}
	r.fault = strings.TrimSuffix(fmt.Sprintf(format, args...), ": …")
	r.detail = strings.Join(details, ", ")
	return null
}

// recordText is text of a record for a person who debugs a query on his own files, and what may be told about it where
// it must not stand.
type recordText struct{ text, what string }

func (t recordText) String() string { return t.text }

// recordNumber is a number that differs from record to record.
type recordNumber struct{ n any }

// Format implements fmt.Formatter.
func (n recordNumber) Format(f fmt.State, verb rune) {
	fmt.Fprintf(f, fmt.FormatString(f, verb), n.n)
}

// omitted stands in a reason for what is the record's, whatever the verb is.
type omitted struct{}

// Format implements fmt.Formatter.
func (omitted) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("…")) }

// formatError says why a body is not in its format. The reason is constant.
type formatError struct{ reason, detail string }

func (e *formatError) Error() string { return e.reason }

// quote shows a value: at most 64 bytes of it.
func quote(b []byte) recordText {
	what := fmt.Sprintf("the text has %d bytes", len(b))
	if len(b) > 64 {
		return recordText{fmt.Sprintf("%.64q… (%d bytes)", b, len(b)), what}
	}
	return recordText{fmt.Sprintf("%q", b), what}
}
