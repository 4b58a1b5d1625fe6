package format

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/sluice-etl/sluice/fold/value"
)

// avroWriter is a schema with which bodies are written, resolved to that of a format, as the section "Schema Resolution" of
// Avro's specification says: fields are found by name or alias, those that the writer does not have are their defaults, and
// numbers are converted. A union of the writer is resolved for each value. Fields that no column uses are not compared, nor
// the names of records. It is used by one parser.
type avroWriter struct {
	schema *avroType
	root   *avroNode
}

// avroAbsent is a column that a writer's record does not have: its default, encoded as a value of its type.
type avroAbsent struct {
	typ     *avroType
	node    *avroNode
	encoded []byte
}

// resolve resolves a writer's schema. The error says why it does not fit.
func (f *avroFormat) resolve(text string, references []string) (*avroWriter, error) {
	schema, err := parseAvro(text, references)
	if err != nil {
		return nil, err
	}
	for i := range schema.fields {
		schema.fields[i].bad = "avro_confluent: expected a value of the schema with which the body is written: field " + schema.fields[i].name + " is cut short, malformed, or of a type that " + avroSchemaOption + " does not have"
	}
	root, err := resolveRecord(f.root, f.schema, schema)
	return &avroWriter{schema, root}, err
}

// resolveRecord resolves the used fields of a record of the format to those of the writer's record.
func resolveRecord(n *avroNode, of, writer *avroType) (*avroNode, error) {
	out := &avroNode{slot: -1, fields: make([]*avroNode, len(writer.fields))}
	for i, used := range n.fields {
		if used == nil {
			continue
		}
		field := &of.fields[i]
		at := slices.IndexFunc(writer.fields, func(w avroField) bool { return w.name == field.name })
		if at < 0 {
			at = slices.IndexFunc(writer.fields, func(w avroField) bool { return slices.Contains(field.node.Aliases, w.name) })
		}
		if at < 0 {
			encoded, err := field.encodeDefault()
			if err != nil {
				return nil, err
			}
			out.absent = append(out.absent, avroAbsent{field.typ, used, encoded})
			continue
		}
		resolved, err := resolveNode(used, field.typ, writer.fields[at].typ)
		if err == nil && resolved.unfit {
			err = fmt.Errorf("field %s is of the type %s, expected %s", field.name, writer.fields[at].typ.describe(), field.typ.describe())
		}
		if err != nil {
			return nil, err
		}
		out.fields[at] = resolved
	}
	return out, nil
}

// describe names a type with its logical type.
func (t *avroType) describe() string {
	switch {
	case t.logical == "decimal":
		return fmt.Sprintf("%s (decimal of %d digits, %d after the point)", t.kind, t.precision, t.scale)
	case t.logical != "":
		return fmt.Sprintf("%s (%s)", t.kind, t.logical)
	}
	return t.kind.String()
}

func (f *avroField) encodeDefault() ([]byte, error) {
	if !f.node.HasDefault {
		return nil, fmt.Errorf("field %s is missing, and has no default in %s", f.name, avroSchemaOption)
	}
	schema, err := f.node.Type.Schema()
	if err != nil {
		return nil, fmt.Errorf("the default of field %s: %w", f.name, err)
	}
	encoded, err := schema.Encode(f.node.Default)
	if err != nil {
		return nil, fmt.Errorf("the default of field %s: %w", f.name, err)
	}
	return encoded, nil
}

// resolveNode resolves a used value of the format's type to the writer's type. The result is unfit if no value of the
// writer's type is one of the format's.
func resolveNode(n *avroNode, typ, writer *avroType) (*avroNode, error) {
	of, optional := typ.nullable()
	switch {
	case writer.kind == avroUnion:
		return resolveBranches(n, typ, writer)
	case writer.kind == avroNull:
		return &avroNode{slot: -1, unfit: !optional && !slices.ContainsFunc(of.branches, func(b *avroType) bool { return b.kind == avroNull })}, nil
	case n.whole != nil && !of.holds(writer):
		return &avroNode{slot: -1, unfit: true}, nil
	case of.kind == avroRecord && writer.kind == avroRecord && n.fields != nil:
		out, err := resolveRecord(n, of, writer)
		if err == nil && n.whole != nil {
			out.slot, out.whole, out.of = n.slot, writer, n
		}
		return out, err
	case n.whole != nil:
		return &avroNode{slot: n.slot, whole: writer, of: n}, nil
	}
	convert, ok := of.conversion(writer)
	return &avroNode{slot: n.slot, unfit: !ok, convert: convert}, nil
}

// resolveBranches resolves a used value to each type of a writer's union. If the format's type is a union of several types,
// whose JSON is read, so is the writer's.
func resolveBranches(n *avroNode, typ, writer *avroType) (*avroNode, error) {
	out := &avroNode{slot: -1}
	if of, _ := typ.nullable(); n.whole != nil && of.kind == avroUnion {
		out.slot, out.whole, out.of = n.slot, writer, n
		n = &avroNode{slot: -1, whole: n.whole}
	}
	for _, branch := range writer.branches {
		b, err := resolveNode(n, typ, branch)
		if err != nil {
			return nil, err
		}
		if out.whole != nil {
			b = &avroNode{slot: -1, unfit: b.unfit}
		}
		out.branches = append(out.branches, b)
	}
	return out, nil
}

// holds reports whether a column of JSON of the type t can be of the writer's type, which is no union.
func (t *avroType) holds(writer *avroType) bool {
	if t.kind == avroUnion {
		return slices.ContainsFunc(t.branches, func(b *avroType) bool { return b.holds(writer) })
	}
	if t.isNested() || writer.isNested() {
		return t.kind == writer.kind
	}
	_, ok := t.conversion(writer)
	return ok
}

// conversion returns the function that turns values of the writer's type into those of t; nil if they are the same. ok is
// false if there is none. A number without a logical type is no time: nothing says what its unit is.
func (t *avroType) conversion(writer *avroType) (convert func(value.Value) (value.Value, bool), ok bool) {
	from, to := writer.kind, t.kind
	if t.logical != "" && (t.logical != writer.logical || from != to || t.precision != writer.precision || t.scale != writer.scale) {
		return nil, false
	}
	integer := from == avroInt || from == avroLong
	switch {
	case from == to && to == avroEnum:
		return t.convertSymbol, true
	case from == to && to == avroFixed:
		return nil, t.size == writer.size
	case from == to && (to == avroRecord || to == avroArray || to == avroMap):
		return nil, false
	case from == to, from == avroInt && to == avroLong, from == avroFloat && to == avroDouble,
		from == avroBytes && to == avroString, from == avroString && to == avroBytes:
		return nil, true
	case integer && to == avroFloat:
		return func(v value.Value) (value.Value, bool) {
			n, _ := v.Number.Int64()
			return value.Double(float64(float32(n))), true
		}, true
	case integer && to == avroDouble:
		return func(v value.Value) (value.Value, bool) {
			n, _ := v.Number.Int64()
			return value.Double(float64(n)), true
		}, true
	}
	return nil, false
}

// convertSymbol returns a writer's symbol of an enum, or the default if the format's enum does not have it.
func (t *avroType) convertSymbol(v value.Value) (value.Value, bool) {
	for _, s := range t.symbols {
		if bytes.Equal(s, v.Bytes) {
			return v, true
		}
	}
	if t.symbol == nil {
		return v, false
	}
	return value.Text(t.symbol), true
}
