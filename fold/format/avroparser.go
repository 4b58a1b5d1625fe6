package format

import (
	"encoding/binary"
	"math"

	"github.com/sluice-etl/sluice/fold/value"
	"github.com/sluice-etl/sluice/internal/avrobin"
)

// avroParser reads one value of the schema from each body. Of fields that no column uses it checks the encoding, because
// where a field ends is where the next one begins.
type avroParser struct {
	schema *avroType
	root   *avroNode
	fields *Fields
	values []value.Value
	body   []byte
}

// maxAvroDepth is how deep values can be within others.
const maxAvroDepth = 500

const expectedAvroEnd = "avro: expected the end of the body after the value of the schema: the body is of another schema, or has the ID of a schema in front, as format avro_confluent reads it"

// Start implements Parser.
func (p *avroParser) Start(body []byte, r *Fields) (more bool, err error) {
	return p.start(body, 0, r)
}

// start reads the value that begins at an index of the body.
func (p *avroParser) start(body []byte, at int, r *Fields) (more bool, err error) {
	clear(r.Values)
	r.avro = r.avro[:0]
	r.written = r.written[:0]
	p.fields, p.values, p.body = r, r.Values, body
	for i := range p.schema.fields {
		from := at
		var n *avroNode
		if p.root.fields != nil {
			n = p.root.fields[i]
		}
		if at = p.read(p.schema.fields[i].typ, n, at, 0); at < 0 {
			return false, mismatchAt(r, p.schema.fields[i].bad, body, from)
		}
	}
	if at < len(body) {
		return false, mismatchAt(r, expectedAvroEnd, body, at)
	}
	p.readAbsent(p.root)
	return true, nil
}

// Next implements Parser.
func (p *avroParser) Next(*Fields) (bool, error) { return false, nil }

// read reads the value of a type at an index, stores it if n has a slot, and returns the index after it; -1 if there is
// no such value.
func (p *avroParser) read(t *avroType, n *avroNode, at, depth int) (next int) {
	b, from := p.body, at
	var v value.Value
	switch t.kind {
	case avroNull:
		return at
	case avroBoolean:
		if at == len(b) || b[at] > 1 {
			return -1
		}
		v, at = value.Bool(b[at] == 1), at+1
	case avroInt, avroLong:
		var x int64
		if x, at = avrobin.ReadLong(b, at); at < 0 || t.kind == avroInt && int64(int32(x)) != x {
			return -1
		}
		v = value.Int(x)
	case avroFloat:
		if at += 4; at > len(b) {
			return -1
		}
		v = value.Double(float64(math.Float32frombits(binary.LittleEndian.Uint32(b[at-4:]))))
	case avroDouble:
		if at += 8; at > len(b) {
			return -1
		}
		v = value.Double(math.Float64frombits(binary.LittleEndian.Uint64(b[at-8:])))
	case avroBytes, avroString:
		var text []byte
		if text, at = avrobin.ReadBytes(b, at); at < 0 {
			return -1
		}
		v = value.Text(text)
	case avroFixed:
		if t.size > len(b)-at {
			return -1
		}
		at += t.size
		v = value.Text(b[at-t.size : at : at])
	case avroEnum:
		var i int64
		if i, at = avrobin.ReadLong(b, at); at < 0 || uint64(i) >= uint64(len(t.symbols)) {
			return -1
		}
		v = value.Text(t.symbols[i])
	default:
		return p.inner(t, n, at, depth+1)
	}
	if n != nil && n.slot >= 0 {
		if n.convert != nil {
			var ok bool
			if v, ok = n.convert(v); !ok {
				return -1
			}
		}
		p.values[n.slot] = v
	}
	return p.keep(t, n, from, at)
}

// inner reads a value that contains others.
func (p *avroParser) inner(t *avroType, n *avroNode, at, depth int) (next int) {
	if depth > maxAvroDepth {
		return -1
	}
	from := at
	switch t.kind {
	case avroUnion:
		i, at := avrobin.ReadLong(p.body, at)
		if at < 0 || uint64(i) >= uint64(len(t.branches)) {
			return -1
		}
		branch := n
		if n != nil && n.branches != nil {
			if branch = n.branches[i]; branch.unfit {
				return -1
			}
		}
		if t.branches[i].kind == avroNull {
			return at
		}
		return p.keep(t, n, from, p.read(t.branches[i], branch, at, depth))
	case avroRecord:
		if n != nil {
			p.readAbsent(n)
		}
		if t.least == 0 { // no value of it has a byte, however many records are within
			p.keepEmpty(t, n, at)
			return at
		}
		for i := range t.fields {
			var field *avroNode
			if n != nil && n.fields != nil {
				field = n.fields[i]
			}
			if at = p.read(t.fields[i].typ, field, at, depth); at < 0 {
				return -1
			}
		}
		return p.keep(t, n, from, at)
	}
	return p.keep(t, n, from, p.blocks(t, at, depth))
}

// keep stores the value of a column of JSON in Avro's encoding, and returns the index after it.
func (p *avroParser) keep(t *avroType, n *avroNode, from, next int) int {
	if n != nil && n.whole == t && next >= 0 {
		p.values[n.slot] = value.Text(p.body[from:next:next])
		if n.of != nil {
			p.fields.written = append(p.fields.written, writtenAvro{n.of, t})
		}
	}
	return next
}

// keepEmpty stores the columns of JSON in a record whose values have no bytes.
func (p *avroParser) keepEmpty(t *avroType, n *avroNode, at int) {
	if n == nil {
		return
	}
	p.keep(t, n, at, at)
	for i, field := range n.fields {
		if field != nil {
			p.read(t.fields[i].typ, field, at, 0)
		}
	}
}

// readAbsent stores the defaults of fields that a writer's record does not have.
func (p *avroParser) readAbsent(n *avroNode) {
	if len(n.absent) == 0 {
		return
	}
	body := p.body
	for i := range n.absent {
		a := &n.absent[i]
		p.body = a.encoded
		p.read(a.typ, a.node, 0, 0)
	}
	p.body = body
}

// blocks reads the items of an array or a map.
func (p *avroParser) blocks(t *avroType, at, depth int) (next int) {
	least := t.items.least
	if t.kind == avroMap {
		least++ // the name
	}
	for {
		// Items without bytes are not read one by one: there can be any number of them.
		items, next := avrobin.ReadBlock(p.body, at, max(least, 1))
		if least == 0 {
			items, next = emptyItems(p.body, at)
		}
		if next < 0 || items == 0 {
			return next
		}
		for at = next; items > 0 && least > 0; items-- {
			if t.kind == avroMap {
				if _, at = avrobin.ReadBytes(p.body, at); at < 0 {
					return -1
				}
			}
			if at = p.read(t.items, nil, at, depth); at < 0 {
				return -1
			}
		}
	}
}

// emptyItems reads the head of a block of items without bytes; items is 0 at the end of all blocks, else 1.
func emptyItems(b []byte, at int) (items, next int) {
	n, next := avrobin.ReadLong(b, at)
	if next < 0 || n == math.MinInt64 {
		return 0, -1
	}
	if n < 0 {
		_, next = avrobin.ReadLong(b, next)
	}
	if n != 0 {
		n = 1
	}
	return int(n), next
}
