package format

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/sluice-etl/sluice/internal/option"
)

// ErrSchemaUnread is the error of a body whose schema must be read first ([Schemas]). It says nothing about the body.
var ErrSchemaUnread = errors.New("the schema of the body is not read yet")

// Schemas are the schemas of a registry. It is safe for concurrent use.
type Schemas interface {
	// Schema returns the schema of an ID, which never changes. known is false if it must be read first; it is then among
	// those to read.
	Schema(id uint32) (s RegisteredSchema, known bool)
}

// RegisteredSchema is a schema of Avro, or why there is none.
type RegisteredSchema struct {
	Text string
	// References are the schemas of types that the schema names and does not define, each behind those that it refers to.
	References []string
	// Missing says why there is no schema; empty if there is one.
	Missing string
}

// RegistryFormat is a format whose bodies name the schemas with which they are written.
type RegistryFormat interface {
	Format
	// UseSchemas sets the schemas. It is called before the first NewParser.
	UseSchemas(Schemas)
}

// ReadsRegistry reports whether the bodies of a format, or of one in a list, name schemas of a registry.
func ReadsRegistry(f Format) bool {
	if list, ok := f.(*firstOf); ok {
		return slices.ContainsFunc(list.members, func(m member) bool { return ReadsRegistry(m.Format) })
	}
	_, ok := f.(RegistryFormat)
	return ok
}

// avroSchemaOption is the option that names the format's schema.
var avroSchemaOption = option.Ref("avro-schema")

// avroHeader is how many bytes are in front of a value: 0, and the ID of a schema in a registry, the highest byte first
// (Confluent, "Wire format").
const avroHeader = 5

// confluentFormat reads bodies that are one value in Avro behind the ID of the schema with which it is written. The columns
// are those of the format's own schema.
type confluentFormat struct {
	avroFormat
	schemas Schemas
}

func newConfluent(text string) (Format, error) {
	f, err := newAvroFormat(text)
	if err != nil {
		return nil, definitionError("avro_confluent", err)
	}
	return &confluentFormat{avroFormat: *f}, nil
}

// UseSchemas implements RegistryFormat.
func (f *confluentFormat) UseSchemas(s Schemas) { f.schemas = s }

// NewParser implements Format.
func (f *confluentFormat) NewParser() (Parser, int) {
	return &confluentParser{format: f, writers: map[uint32]*registeredWriter{}}, f.columns
}

// registeredWriter is a schema of the registry as a parser uses it.
type registeredWriter struct {
	avroWriter
	bad *Error // why it cannot be used; nil if it can
}

type confluentParser struct {
	avroParser
	format  *confluentFormat
	writers map[uint32]*registeredWriter // by ID
	id      uint32
	last    *registeredWriter // that of id; nil at first
}

// maxWriters is how many schemas a parser keeps at once. A topic has few.
const maxWriters = 1000

const expectedAvroHeader = "avro_confluent: expected a body that begins with a zero byte and the 4 bytes of a schema's ID"

// Start implements Parser.
func (p *confluentParser) Start(body []byte, r *Fields) (more bool, err error) {
	if len(body) < avroHeader || body[0] != 0 {
		return false, mismatchAt(r, expectedAvroHeader, body, 0)
	}
	id, w := binary.BigEndian.Uint32(body[1:]), p.last
	if w == nil || p.id != id {
		if w, err = p.writer(id); err != nil {
			return false, err
		}
		p.id, p.last = id, p.writers[id] // nil if the registry has no such schema, because it may get it later
	}
	if w.bad != nil {
		return false, w.bad
	}
	p.schema, p.root = w.schema, w.root
	return p.start(body, avroHeader, r)
}

// writer returns the schema of an ID. The error is ErrSchemaUnread.
func (p *confluentParser) writer(id uint32) (*registeredWriter, error) {
	if w := p.writers[id]; w != nil {
		return w, nil
	}
	if p.format.schemas == nil {
		return &registeredWriter{bad: &Error{Reason: "avro_confluent: the schemas of bodies are in a registry: expected its address, " + option.Ref("schema-registry")}}, nil
	}
	s, known := p.format.schemas.Schema(id)
	if !known {
		return nil, ErrSchemaUnread
	}
	if s.Missing != "" {
		return &registeredWriter{bad: &Error{Reason: "avro_confluent: the registry has no schema of Avro with the body's ID", Detail: fmt.Sprintf("schema %d: %s", id, s.Missing)}}, nil
	}
	w := &registeredWriter{}
	if resolved, err := p.format.resolve(s.Text, s.References); err != nil {
		w.bad = &Error{Reason: "avro_confluent: the schema with which the body is written does not fit " + avroSchemaOption, Detail: fmt.Sprintf("schema %d: %v", id, err)}
	} else {
		w.avroWriter = *resolved
	}
	if len(p.writers) >= maxWriters {
		clear(p.writers)
	}
	p.writers[id] = w
	return w, nil
}
