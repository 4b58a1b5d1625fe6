package format

import (
	"encoding/binary"
	"math"
	"strconv"

	"github.com/sluice-etl/sluice/fold/value"
	"github.com/sluice-etl/sluice/internal/avrobin"
)

// avroJSON writes a value of an Avro schema as JSON. A record and a map are objects, an array is an array, and a union is
// the value of its branch. Bytes are a string with a character for each byte, as in Avro's own JSON encoding. Times are
// texts, because nothing else would say what their unit is, and decimals are numbers.
type avroJSON struct {
	body   []byte
	out    []byte
	from   int    // where the JSON begins in out
	values int    // that were written
	bad    string // why there is no JSON, to stand behind the name of the column
}

// The bounds of one JSON text. A byte of Avro can be any number of values: an array of nulls has only their number. Names
// of fields and symbols are in the schema, so they can be many bytes for one.
const (
	maxAvroText      = 16 << 20
	maxAvroTextDepth = 100 // MySQL's maximum for JSON
)

// avroText is the JSON of a column of the current body.
type avroText struct {
	node *avroNode
	text value.Value
}

// writtenAvro is a column of JSON with the type that the writer's schema has for it.
type writtenAvro struct {
	node *avroNode
	typ  *avroType
}

// json returns the JSON of a column, whose value v holds in Avro's encoding. It is written once for each body. The column
// is a text of JSON, not a field of a JSON record, so that functions read it as JSON without an operator.
func (n *avroNode) json(r *Fields, v value.Value, name string) value.Value {
	for i := range r.avro {
		if r.avro[i].node == n {
			return r.avro[i].text
		}
	}
	t := n.whole
	for i := range r.written {
		if r.written[i].node == n {
			t = r.written[i].typ
		}
	}
	w := avroJSON{body: v.Bytes, out: r.Text, from: len(r.Text), bad: malformedAvro}
	if next := w.value(t, 0, 1); next != len(v.Bytes) || w.isFull() {
		return r.Fail("%s %s", name, w.bad)
	}
	r.Text = w.out
	text := value.Text(w.out[w.from:len(w.out):len(w.out)])
	r.avro = append(r.avro, avroText{n, text})
	return text
}

// isFull reports whether the JSON is too long, and says so.
func (w *avroJSON) isFull() bool {
	if len(w.out)-w.from <= maxAvroText {
		return false
	}
	w.bad = "has more than 16777216 bytes as JSON, which is the maximum"
	return true
}

func (w *avroJSON) fail(why string) (next int) {
	w.bad = why
	return -1
}

const malformedAvro = "is malformed"

// value writes the value of a type at an index, and returns the index after it; -1 if it cannot be written. depth is that
// of the JSON, 1 for the outermost value.
func (w *avroJSON) value(t *avroType, at, depth int) (next int) {
	if w.isFull() {
		return -1
	}
	if w.values++; w.values > maxValues {
		return w.fail("has more than 100000 values, which is the maximum for JSON")
	}
	b := w.body
	switch t.kind {
	case avroNull:
		w.out = append(w.out, "null"...)
		return at
	case avroBoolean:
		if at == len(b) {
			return w.fail(malformedAvro)
		}
		w.out = strconv.AppendBool(w.out, b[at] == 1)
		return at + 1
	case avroInt, avroLong:
		x, at := avrobin.ReadLong(b, at)
		if at < 0 {
			return w.fail(malformedAvro)
		}
		return w.integer(t, x, at)
	case avroFloat, avroDouble:
		return w.float(t, at)
	case avroUnion:
		i, at := avrobin.ReadLong(b, at)
		if at < 0 || uint64(i) >= uint64(len(t.branches)) {
			return w.fail(malformedAvro)
		}
		w.values-- // a union and the value of its branch are one
		return w.value(t.branches[i], at, depth)
	case avroEnum:
		i, at := avrobin.ReadLong(b, at)
		if at < 0 || uint64(i) >= uint64(len(t.symbols)) {
			return w.fail(malformedAvro)
		}
		w.out = AppendJSONText(w.out, t.symbols[i])
		return at
	case avroBytes, avroString, avroFixed:
		return w.text(t, at)
	}
	if depth > maxAvroTextDepth {
		return w.fail("has more than 100 levels, which is MySQL's maximum for JSON")
	}
	if t.kind == avroRecord {
		return w.record(t, at, depth)
	}
	return w.blocks(t, at, depth)
}

// integer writes an integer, or a time.
func (w *avroJSON) integer(t *avroType, x int64, next int) int {
	if t.logical == "" {
		w.out = strconv.AppendInt(w.out, x, 10)
		return next
	}
	logical := avroTimes[t.logical]
	if x < value.MinTime/logical.unit || x > value.MaxTime/logical.unit {
		return w.fail("has a time that is not between the years 1000 and 9999")
	}
	w.out = append(w.out, '"')
	w.out = value.AppendTime(w.out, x*logical.unit, logical.scale)
	switch {
	case logical.unit == value.Day:
		w.out = w.out[:len(w.out)-len(" 00:00:00")]
	case !logical.local:
		w.out = append(w.out, "+00:00"...)
	}
	w.out = append(w.out, '"')
	return next
}

func (w *avroJSON) float(t *avroType, at int) (next int) {
	size := 8
	if t.kind == avroFloat {
		size = 4
	}
	if size > len(w.body)-at {
		return w.fail(malformedAvro)
	}
	var x float64
	if size == 4 {
		x = float64(math.Float32frombits(binary.LittleEndian.Uint32(w.body[at:])))
	} else {
		x = math.Float64frombits(binary.LittleEndian.Uint64(w.body[at:]))
	}
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return w.fail("has a number that is not finite, and JSON has no others")
	}
	w.out = strconv.AppendFloat(w.out, x, 'g', -1, size*8)
	return at + size
}

// text writes a string, bytes or a decimal.
func (w *avroJSON) text(t *avroType, at int) (next int) {
	var b []byte
	if t.kind == avroFixed {
		if t.size > len(w.body)-at {
			return w.fail(malformedAvro)
		}
		b, next = w.body[at:at+t.size], at+t.size
	} else if b, next = avrobin.ReadBytes(w.body, at); next < 0 {
		return w.fail(malformedAvro)
	}
	switch {
	case t.logical == "decimal":
		n, ok := t.decimal(b)
		if !ok {
			return w.fail("has a decimal without bytes, or of more digits than its precision or 38")
		}
		w.out = n.AppendText(w.out, t.scale)
	case t.kind == avroString:
		w.out = AppendJSONText(w.out, b)
	default:
		w.out = append(w.out, '"')
		for len(b) > 0 {
			n := 0
			for n < len(b) && b[n] < 0x80 {
				n++
			}
			w.out = appendJSONEscaped(w.out, b[:n])
			for b = b[n:]; len(b) > 0 && b[0] >= 0x80; b = b[1:] {
				w.out = append(w.out, 0xc0|b[0]>>6, 0x80|b[0]&0x3f) // the character of this number, in UTF-8
			}
		}
		w.out = append(w.out, '"')
	}
	return next
}

func (w *avroJSON) record(t *avroType, at, depth int) (next int) {
	w.out = append(w.out, '{')
	for i := range t.fields {
		if i > 0 {
			w.out = append(w.out, ',')
		}
		w.out = append(w.out, t.fields[i].quoted...)
		if at = w.value(t.fields[i].typ, at, depth+1); at < 0 {
			return -1
		}
	}
	w.out = append(w.out, '}')
	return at
}

// blocks writes an array or a map.
func (w *avroJSON) blocks(t *avroType, at, depth int) (next int) {
	open, end := byte('['), byte(']')
	if t.kind == avroMap {
		open, end = '{', '}'
	}
	w.out = append(w.out, open)
	for first := true; ; {
		items, next := avrobin.ReadLong(w.body, at)
		if items < 0 && next >= 0 {
			_, next = avrobin.ReadLong(w.body, next)
			items = -items
		}
		if next < 0 || items < 0 {
			return w.fail(malformedAvro)
		}
		if items == 0 {
			w.out = append(w.out, end)
			return next
		}
		for at = next; items > 0; items-- {
			if !first {
				w.out = append(w.out, ',')
			}
			first = false
			if t.kind == avroMap {
				var name []byte
				if name, at = avrobin.ReadBytes(w.body, at); at < 0 {
					return w.fail(malformedAvro)
				}
				w.out = append(AppendJSONText(w.out, name), ':')
			}
			if at = w.value(t.items, at, depth+1); at < 0 {
				return -1
			}
		}
	}
}
