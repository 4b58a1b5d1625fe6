package format

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/twmb/avro"

	"github.com/sluice-etl/sluice/fold/value"
)

// avroType is a type of an Avro schema. Named types are shared, and can refer to themselves.
type avroType struct {
	kind     avroKind
	logical  string // of the logical types that are columns of another kind; empty for others
	fields   []avroField
	items    *avroType   // of arrays and maps
	branches []*avroType // of unions
	symbols  [][]byte    // of enums
	symbol   []byte      // of enums: the symbol that stands for those that are not in the list, nil if there is none
	size     int         // of fixed
	least    int         // at most the fewest bytes that a value has; where it is 0, each value has none

	precision, scale int // of decimals
}

type avroField struct {
	name   string
	quoted []byte // the name as that of a member of a JSON object, with its colon
	typ    *avroType
	bad    string // the reason of a body whose field is not a value of its type
	node   *avro.SchemaField
}

type avroKind uint8

const (
	avroNull avroKind = iota
	avroBoolean
	avroInt
	avroLong
	avroFloat
	avroDouble
	avroBytes
	avroString
	avroFixed
	avroEnum
	avroArray
	avroMap
	avroUnion
	avroRecord
)

var avroKindNames = [...]string{"null", "boolean", "int", "long", "float", "double", "bytes", "string", "fixed", "enum", "array", "map", "union", "record"}

// String returns the kind as schemas name it.
func (k avroKind) String() string { return avroKindNames[k] }

// maxAvroSchema is the maximum number of bytes of a schema.
const maxAvroSchema = 1 << 20

// parseAvro reads a schema whose outermost type is a record. References are the schemas of types that it names and does
// not define, each behind those that it refers to itself.
func parseAvro(text string, references []string) (*avroType, error) {
	var types avro.SchemaCache
	size := len(text)
	for _, r := range references {
		if size += len(r); size > maxAvroSchema {
			break
		}
		if _, err := types.Parse(r); err != nil {
			return nil, err
		}
	}
	if size > maxAvroSchema {
		return nil, fmt.Errorf("the schema has %d bytes, expected at most %d", size, maxAvroSchema)
	}
	parsed, err := types.Parse(text)
	if err != nil {
		return nil, err
	}
	b := avroBuilder{named: map[string]*avroType{}}
	t, err := b.build(parsed.Root(), "")
	if err != nil {
		return nil, err
	}
	if t.kind != avroRecord {
		return nil, fmt.Errorf("the outermost type is %s, must be a record, whose fields are the columns", t.kind)
	}
	return t, measure(b.all)
}

type avroBuilder struct {
	named map[string]*avroType // by full name
	all   []*avroType
}

// build builds a type. space is the namespace around it, to which names without points belong.
func (b *avroBuilder) build(n *avro.SchemaNode, space string) (*avroType, error) {
	kind := n.Type
	if kind == "error" {
		kind = "record"
	}
	k := slices.Index(avroKindNames[:], kind)
	if k < 0 {
		t := b.named[fullName(n.Type, space)]
		if t == nil {
			t = b.named[n.Type]
		}
		if t == nil {
			return nil, fmt.Errorf("got the type %q, which the schema does not define", n.Type)
		}
		return t, nil
	}
	t := &avroType{kind: avroKind(k), size: n.Size}
	b.all = append(b.all, t)
	if n.Name != "" {
		name := fullName(n.Name, n.Namespace)
		b.named[name] = t
		space = name[:max(0, strings.LastIndexByte(name, '.'))]
	}
	if err := t.readLogical(n); err != nil {
		return nil, err
	}
	return t, b.inner(t, n, space)
}

func fullName(name, space string) string {
	if space == "" || strings.Contains(name, ".") {
		return name
	}
	return space + "." + name
}

// readLogical reads a logical type. One that the specification does not allow there is ignored, as it requires.
func (t *avroType) readLogical(n *avro.SchemaNode) error {
	switch l := n.LogicalType; {
	case l == "decimal" && (t.kind == avroBytes || t.kind == avroFixed):
		if n.Precision < 1 || n.Scale < 0 || n.Scale > n.Precision {
			return fmt.Errorf("got a decimal with precision %d and scale %d, expected a scale from 0 to the precision", n.Precision, n.Scale)
		}
		t.logical, t.precision, t.scale = l, n.Precision, n.Scale
	case avroTimes[l].unit > 0 && avroTimes[l].of == t.kind:
		t.logical = l
	}
	return nil
}

// avroTimes is the logical types that are times, as units since 1970.
var avroTimes = map[string]struct {
	of    avroKind
	unit  int64 // microseconds
	scale int   // digits after the second's point
	local bool  // the time has no zone
}{
	"date":                   {avroInt, value.Day, 0, true},
	"timestamp-millis":       {avroLong, 1000, 3, false},
	"timestamp-micros":       {avroLong, 1, 6, false},
	"local-timestamp-millis": {avroLong, 1000, 3, true},
	"local-timestamp-micros": {avroLong, 1, 6, true},
}

// inner builds the types within a type.
func (b *avroBuilder) inner(t *avroType, n *avro.SchemaNode, space string) (err error) {
	switch t.kind {
	case avroRecord:
		for i := range n.Fields {
			f := avroField{name: n.Fields[i].Name, node: &n.Fields[i]}
			f.quoted = append(AppendJSONText(nil, []byte(f.name)), ':')
			f.bad = "avro: expected a value of the schema: field " + f.name + " is cut short or malformed"
			if f.typ, err = b.build(&n.Fields[i].Type, space); err != nil {
				return err
			}
			t.fields = append(t.fields, f)
		}
	case avroArray:
		t.items, err = b.build(n.Items, space)
	case avroMap:
		t.items, err = b.build(n.Values, space)
	case avroEnum:
		for _, s := range n.Symbols {
			t.symbols = append(t.symbols, []byte(s))
		}
		if n.HasEnumDefault {
			t.symbol = []byte(n.EnumDefault)
		}
	case avroUnion:
		for i := range n.Branches {
			branch, err := b.build(&n.Branches[i], space)
			if err != nil {
				return err
			}
			t.branches = append(t.branches, branch)
		}
	}
	return err
}

// measure computes the fewest bytes of values of all types. A record that contains itself, outside of unions, arrays and
// maps, has no value.
func measure(all []*avroType) error {
	for _, t := range all {
		if t.contains(t, map[*avroType]bool{}) {
			return errors.New("a record contains itself, so its values have no end: expected a union with null, an array or a map between them")
		}
	}
	for changed := true; changed; { // a change travels outwards
		changed = false
		for _, t := range all {
			if n := t.fewest(); n != t.least {
				t.least, changed = n, true
			}
		}
	}
	return nil
}

// contains reports whether each value of a record holds one of another. seen is the records that were looked at.
func (t *avroType) contains(other *avroType, seen map[*avroType]bool) bool {
	if t.kind != avroRecord || seen[t] {
		return false
	}
	seen[t] = true
	return slices.ContainsFunc(t.fields, func(f avroField) bool {
		return f.typ == other || f.typ.contains(other, seen)
	})
}

// fewest returns the fewest bytes of a value, from those of the types within.
func (t *avroType) fewest() (n int) {
	switch t.kind {
	case avroNull:
		return 0
	case avroFloat:
		return 4
	case avroDouble:
		return 8
	case avroFixed:
		return min(t.size, maxAvroSchema)
	case avroRecord:
		for _, f := range t.fields {
			n = min(n+f.typ.least, maxAvroSchema)
		}
		return n
	}
	return 1
}

// nullable returns the type itself, or the other type of its union with null. A union of several types stays one.
func (t *avroType) nullable() (of *avroType, null bool) {
	if t.kind != avroUnion {
		return t, false
	}
	for _, branch := range t.branches {
		switch {
		case branch.kind == avroNull:
			null = true
		case of == nil:
			of = branch
		default:
			of = t
		}
	}
	if of == nil {
		of = &avroType{}
	}
	return of, null
}

// isNested reports whether a column of the type is JSON.
func (t *avroType) isNested() bool {
	return t.kind == avroArray || t.kind == avroMap || t.kind == avroRecord || t.kind == avroUnion
}
