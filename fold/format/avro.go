package format

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/sluice-etl/sluice/fold/jsonpath"
	"github.com/sluice-etl/sluice/fold/value"
	"github.com/sluice-etl/sluice/row"
)

// avroFormat reads bodies that are one value of an Avro schema in its binary encoding, without a container or a header.
// The schema is a record, and its fields are the columns; those of a record within it are columns with a path. A union
// with null is a column that can be NULL. Arrays, maps, other unions and records as a whole are columns of JSON.
type avroFormat struct {
	schema  *avroType
	root    *avroNode
	columns int
}

// avroNode is a field that a program uses, or a record with such fields.
type avroNode struct {
	slot   int         // -1 if the value itself is no column
	whole  *avroType   // of a column of JSON: its type; its value in Avro's encoding is stored
	fields []*avroNode // of a record, by index; nil is a field that is not used

	// Of writers' schemas that are resolved to the format's:
	of       *avroNode   // of a column of JSON: that of the format, whose type is another one
	branches []*avroNode // of a union, by index
	unfit    bool        // a branch whose values the format's schema does not have
	absent   []avroAbsent
	convert  func(value.Value) (v value.Value, ok bool) // nil if the value is as it is read
}

func newAvro(text string) (Format, error) {
	f, err := newAvroFormat(text)
	if err != nil {
		return nil, definitionError("avro", err)
	}
	return f, nil
}

func newAvroFormat(text string) (f *avroFormat, err error) {
	f = &avroFormat{root: &avroNode{slot: -1}}
	if f.schema, err = parseAvro(text, nil); err != nil {
		return nil, err
	}
	if len(f.Names()) == 0 {
		return nil, errors.New("no field of the record is a column")
	}
	return f, nil
}

// maxAvroNames is the most names that are listed. Records that are used in several records multiply them.
const maxAvroNames = 1000

// maxAvroVisits is the most fields that are looked at for names, because records without columns multiply too.
const maxAvroVisits = 100_000

// Names implements Format. A field of a record within the record has a name with points. Records have their fields in
// place of their own names, unless they are within themselves.
func (f *avroFormat) Names() []string {
	left := maxAvroVisits
	return f.schema.names("", nil, nil, &left)
}

// names appends the names of the columns. left is how many fields may still be looked at.
func (t *avroType) names(prefix string, within []*avroType, names []string, left *int) []string {
	within = append(slices.Clone(within), t)
	for _, field := range t.fields {
		of, _ := field.typ.nullable()
		*left--
		switch {
		case len(names) >= maxAvroNames || *left < 0:
		case of.kind == avroRecord && !slices.Contains(within, of):
			names = of.names(prefix+field.name+".", within, names, left)
		case of.noColumn() == "":
			names = append(names, prefix+field.name)
		}
	}
	return names
}

// noColumn says why a type is no column; it is empty if it is one.
func (t *avroType) noColumn() string {
	if t.kind == avroNull {
		return "is always null in the schema"
	}
	if t.logical == "decimal" && t.precision > row.MaxDigits {
		return fmt.Sprintf("is a decimal of %d digits in the schema, must have at most %d", t.precision, row.MaxDigits)
	}
	if t.logical == "decimal" && t.scale > value.MaxScale {
		return fmt.Sprintf("is a decimal with %d digits after the point in the schema, must have at most %d", t.scale, value.MaxScale)
	}
	return ""
}

// field finds a field by its name, whose case matters only if several fields have it.
func (t *avroType) field(name string) int {
	found := -1
	for i, f := range t.fields {
		switch {
		case f.name == name:
			return i
		case strings.EqualFold(f.name, name) && found >= 0:
			return -1
		case strings.EqualFold(f.name, name):
			found = i
		}
	}
	return found
}

// find follows a path. at is empty if there is no such field; why is empty if it is a column, or says what is.
func (f *avroFormat) find(path []string) (at []int, t *avroType, null bool, why string) {
	t = f.schema
	for i, name := range path {
		if i > 0 && t.isNested() && t.kind != avroRecord {
			return nil, nil, false, fmt.Sprintf("%s is of the type %s in the schema, so its column is JSON: write %s", strings.Join(path[:i], "."), t.kind,
				strings.Join(path[:i], ".")+"->>'"+jsonpath.Text(jsonpath.Members(path[i:]))+"'")
		}
		if t.kind != avroRecord {
			return nil, nil, false, ""
		}
		n := t.field(name)
		if n < 0 {
			return nil, nil, false, ""
		}
		of, optional := t.fields[n].typ.nullable()
		at, t, null = append(at, n), of, null || optional
	}
	return at, t, null, t.noColumn()
}

// Rejected implements ReasonedFormat.
func (f *avroFormat) Rejected(path []string) string {
	_, _, _, why := f.find(path)
	return why
}

// Column implements Format.
func (f *avroFormat) Column(path []string) (c Column, ok bool) {
	at, t, null, why := f.find(path)
	if len(at) == 0 || why != "" {
		return c, false
	}
	node, within := f.root, f.schema
	for _, i := range at {
		if node.fields == nil {
			node.fields = make([]*avroNode, len(within.fields))
		}
		if node.fields[i] == nil {
			node.fields[i] = &avroNode{slot: -1}
		}
		node = node.fields[i]
		within, _ = within.fields[i].typ.nullable()
	}
	if node.slot < 0 {
		node.slot = f.columns
		f.columns++
	}
	c = Column{Slot: node.slot}
	name := strings.Join(path, ".")
	if t.isNested() {
		node.whole = t
		c.Type = value.Type{Kind: value.KindText}
		c.Read = func(r *Fields, v value.Value) value.Value { return node.json(r, v, name) }
	} else {
		c.Type, c.Read = t.column(name)
	}
	c.Nullable = null
	return c, true
}

// column returns the type of a column, and how its field is read. name is for reasons.
func (t *avroType) column(name string) (typ value.Type, read func(*Fields, value.Value) value.Value) {
	switch {
	case t.logical == "decimal":
		return value.Type{Kind: value.KindDecimal, Scale: t.scale, Precision: t.precision}, t.readDecimal(name)
	case t.logical != "":
		logical := avroTimes[t.logical]
		unit, local := logical.unit, logical.local
		return value.Type{Kind: value.KindTime, Scale: logical.scale}, func(r *Fields, v value.Value) value.Value {
			n, _ := v.Number.Int64()
			if n < value.MinTime/unit || n > value.MaxTime/unit {
				return r.Fail("%s is not a time between the years 1000 and 9999", name)
			}
			if local {
				return value.Time(value.Resolve(r.Times.Zone, n*unit))
			}
			return value.Time(n * unit)
		}
	case t.kind == avroBoolean || t.kind == avroInt || t.kind == avroLong:
		return value.Type{Kind: value.KindInt}, nil
	case t.kind == avroFloat || t.kind == avroDouble:
		return value.Type{Kind: value.KindDouble}, func(r *Fields, v value.Value) value.Value {
			if x := v.Double(); math.IsNaN(x) || math.IsInf(x, 0) {
				return r.Fail("%s is not a finite number, and MySQL has no others", name)
			}
			return v
		}
	}
	return value.Type{Kind: value.KindText, Bytes: t.kind == avroBytes || t.kind == avroFixed}, nil
}

// readDecimal returns a function that reads a decimal.
func (t *avroType) readDecimal(name string) func(*Fields, value.Value) value.Value {
	return func(r *Fields, v value.Value) value.Value {
		if len(v.Bytes) == 0 {
			return r.Fail("%s is a decimal without bytes", name)
		}
		n, ok := t.decimal(v.Bytes)
		if !ok {
			return r.Fail("%s has more digits than the %d of its decimal in the schema", name, t.precision)
		}
		return value.Value{Number: n, Scale: uint8(t.scale), Set: true}
	}
}

// decimal reads the digits of a decimal without its point: a number in two's complement, the highest byte first. ok is
// false if it has no bytes, or more digits than its precision or [row.MaxDigits].
func (t *avroType) decimal(b []byte) (n row.Number, ok bool) {
	if len(b) == 0 {
		return n, false
	}
	sign := byte(int8(b[0]) >> 7)
	for len(b) > 16 && b[0] == sign {
		b = b[1:]
	}
	n = row.FromInt(int64(int8(sign)))
	for _, c := range b {
		n.Hi, n.Lo = n.Hi<<8|int64(n.Lo>>56), n.Lo<<8|uint64(c)
	}
	return n, len(b) <= 16 && (n.Hi < 0) == (sign != 0) && n.Digits(min(t.precision, row.MaxDigits))
}

// NewParser implements Format.
func (f *avroFormat) NewParser() (Parser, int) {
	return &avroParser{schema: f.schema, root: f.root}, f.columns
}
