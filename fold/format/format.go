package format

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-etl/sluice/fold/jsonpath"
	"github.com/sluice-etl/sluice/fold/value"
	"github.com/sluice-etl/sluice/internal/option"
)

// Format says how the body of a record is read. While a program is compiled, its columns are looked up; then it creates
// parsers. It is unsafe for concurrent use until the last column was looked up, and safe after that.
type Format interface {
	// Column finds a column by the path that it is written with: one name, or a field's names from the outermost to the
	// innermost. ok is false if there is none.
	Column(path []string) (c Column, ok bool)
	// Names lists the columns, for errors about an unknown one. It is empty if every name is a column.
	Names() []string
	// NewParser returns a parser, and how many slots its fields have. It is called after the last call of Column.
	NewParser() (p Parser, slots int)
}

// ReasonedFormat is a format that knows why a name that it has is no column.
type ReasonedFormat interface {
	Format
	// Rejected says why Column does not find a name: the format has it, but it cannot be a column. It is empty for names
	// that the format does not have.
	Rejected(path []string) string
}

// PathFormat is a format in which every name is a field, and fields hold objects and arrays.
type PathFormat interface {
	Format
	// Path returns the slot of the value at steps within the field of a name, which is a path as for Column. quoted means
	// that a string is read as JSON, with its quotes and escapes. ok is false if the name is no field of JSON.
	Path(name []string, steps []jsonpath.Step, quoted bool) (slot int, ok bool)
}

// Column is a column of a format.
type Column struct {
	value.Type
	Slot int // index of its field in Fields.Values
	// Read, if not nil, computes the column's value from the field, which is not NULL. It is called when the value is
	// needed.
	Read func(r *Fields, v value.Value) value.Value
}

// Parser reads one record at a time into fields. The values are views of the body or of the parser's memory, valid
// until the next Start. It belongs to one fold and is unsafe for concurrent use.
type Parser interface {
	// Start begins a body and reads its first row. more is false if it has no row. The error is why the body is not in the
	// format: a *Error, or an error whose text is the same for all bodies that fail alike.
	Start(body []byte, r *Fields) (more bool, err error)
	// Next reads the body's next row. more is false if there is none. The error is as that of Start.
	Next(r *Fields) (more bool, err error)
}

// logFormat is an entry of the registry.
type logFormat struct {
	name string
	// make creates the format. text is that of log-format-string, and empty if definition is.
	make func(text string) (Format, error)
	// definition says what log-format-string holds. It is empty for a format that needs no such text.
	definition string
}

// logFormats is the registry: a format's name, options and columns are known nowhere else.
var logFormats = []logFormat{
	{name: "words", make: func(string) (Format, error) { return wordsFormat{}, nil }},
	{name: "raw", make: func(string) (Format, error) { return rawFormat{}, nil }},
	{name: "combined", make: func(string) (Format, error) { return &clfFormat{combined: true}, nil }},
	{name: "common", make: func(string) (Format, error) { return &clfFormat{}, nil }},
	{name: "json", make: func(string) (Format, error) { return &jsonFormat{}, nil }},
	{name: "logfmt", make: newLogfmt},
	{name: "ltsv", make: newLTSV},
	{name: "syslog", make: newSyslog},
	{name: "csv", make: newCSV, definition: "the names of the columns, such as time,host,status; the fields are separated as the names are, by , or ; or | or tabs"},
	{name: "tsv", make: newTSV, definition: "the names of the columns, such as time,host,status"},
	{name: "regex", make: newRegex, definition: "a regular expression with named groups, such as (?P<host>[^ ]+) (?P<status>[0-9]+) .*, which matches whole lines"},
	{name: "grok", make: newGrok, definition: "a grok pattern, such as %{IP:host} %{NUMBER:status:int} %{GREEDYDATA}, which matches whole lines"},
	{name: "avro", make: newAvro, definition: "an Avro schema in JSON, which " + option.Ref("avro-schema") + " reads from a file"},
	{name: "avro_confluent", make: newConfluent, definition: "an Avro schema in JSON, which " + option.Ref("avro-schema") + " reads from a file"},
	{name: "apache", make: newApache, definition: "the LogFormat as the server's configuration has it"},
	{name: "nginx", make: newNginx, definition: "the log_format as the server's configuration has it"},
}

// Names lists the names of the log formats.
func Names() []string {
	var names []string
	for _, f := range logFormats {
		names = append(names, f.name)
	}
	return names
}

// New creates the log format of that name, which can be a list of formats. text is the format's own definition
// (log-format-string), for those that need it; for others it must be empty.
func New(name, text string) (Format, error) {
	if IsList(name) {
		return newFirstOf(name, text)
	}
	var defined []string
	for _, f := range logFormats {
		switch {
		case f.name == name && f.definition != "" && text == "":
			return nil, fmt.Errorf("log format %s needs %s: %s", name, option.Ref("log-format-string"), f.definition)
		case f.name == name && (f.definition != "" || text == ""):
			return f.make(text)
		case f.definition != "":
			defined = append(defined, f.name)
		}
	}
	if slices.Contains(Names(), name) {
		return nil, fmt.Errorf("%s needs one of the log formats %s, got %s", option.Ref("log-format-string"), strings.Join(defined, ", "), name)
	}
	return nil, fmt.Errorf("log format %q: must be one of %s", name, strings.Join(Names(), ", "))
}

// rawFormat has one column, body: the bytes of the body.
type rawFormat struct{}

func (rawFormat) Column(path []string) (Column, bool) {
	if len(path) == 1 && strings.EqualFold(path[0], "body") {
		return Column{Type: value.Type{Kind: value.KindText}}, true
	}
	return Column{}, false
}
func (rawFormat) Names() []string          { return []string{"body"} }
func (rawFormat) NewParser() (Parser, int) { return new(rawParser), 1 }

type rawParser struct{}

func (*rawParser) Start(body []byte, r *Fields) (bool, error) {
	r.Values[0] = value.Text(body)
	return true, nil
}

func (*rawParser) Next(*Fields) (bool, error) { return false, nil }

// wordsFormat turns each word, separated by ASCII white space, into a row.
type wordsFormat struct{}

func (wordsFormat) Column(path []string) (Column, bool) {
	if len(path) == 1 && strings.EqualFold(path[0], "word") {
		return Column{Type: value.Type{Kind: value.KindText}}, true
	}
	return Column{}, false
}
func (wordsFormat) Names() []string          { return []string{"word"} }
func (wordsFormat) NewParser() (Parser, int) { return new(wordsParser), 1 }

type wordsParser struct{ rest []byte }

func (p *wordsParser) Start(body []byte, r *Fields) (bool, error) {
	p.rest = value.TrimBOM(body)
	return p.Next(r)
}

func (p *wordsParser) Next(r *Fields) (bool, error) {
	b := p.rest
	i := 0
	for i < len(b) && value.IsSpace(b[i]) {
		i++
	}
	from := i
	for i < len(b) && !value.IsSpace(b[i]) {
		i++
	}
	p.rest = b[i:]
	r.Values[0] = value.Text(b[from:i])
	return i > from, nil
}
