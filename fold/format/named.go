package format

import (
	"strings"

	"github.com/sluice-etl/sluice/fold/value"
)

// namedFormat reads lines whose fields carry their names, such as logfmt and LTSV. Every name is a column: a text, or
// NULL in a line without that name. Names compare by their bytes, and a path is a name with points. If a line has a
// name twice, the first one counts.
type namedFormat struct {
	names []string
	// line returns the function that reads one line into the fields of found.
	line func(found *named) func(r *Fields, line []byte) error
}

func (f *namedFormat) Names() []string { return nil }

func (f *namedFormat) Column(path []string) (Column, bool) {
	name := strings.Join(path, ".")
	c := Column{Type: value.Type{Kind: value.KindText, Nullable: true}}
	for c.Slot < len(f.names) && f.names[c.Slot] != name {
		c.Slot++
	}
	if c.Slot == len(f.names) {
		f.names = append(f.names, name)
	}
	return c, true
}

func (f *namedFormat) NewParser() (Parser, int) {
	return &lineParser{line: f.line(&named{names: f.names})}, len(f.names)
}

// named is the names that a program uses, each with the slot of its index.
type named struct{ names []string }

// clear makes every field NULL.
func (n *named) clear(r *Fields) {
	for i := range n.names {
		r.Values[i] = value.Null
	}
}

// find returns the field of that name, nil if no column has it or the line had it before.
func (n *named) find(r *Fields, name []byte) *value.Value {
	for i, s := range n.names {
		if s == string(name) {
			if r.Values[i].Set {
				return nil
			}
			return &r.Values[i]
		}
	}
	return nil
}
