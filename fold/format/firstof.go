package format

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-etl/sluice/fold/jsonpath"
	"github.com/sluice-etl/sluice/fold/value"
)

// firstOf reads each body by the first of its formats that accepts the whole body: all its lines. Its columns are those
// of all formats. One that the body's format does not have is NULL. A name in front, as in json.status, means the column
// of that format alone. So does any name that one format alone has. Of a name that several formats have, the types must be
// the same.
type firstOf struct {
	members []member
	open    bool // in one of the formats every name is a column
	columns []listColumn
}

type member struct {
	Format
	name       string
	acceptsAll bool
}

// has reports whether the format has a column. Where it has every name, the column is not looked up, because then it
// would be read.
func (m *member) has(path []string) bool {
	if len(m.Names()) == 0 {
		return true
	}
	_, ok := m.Column(path)
	return ok
}

// listColumn is a column that a program uses.
type listColumn struct {
	key   string
	typ   value.Type
	slots []int // by member: the slot of its own column, or one of the constants below
	reads []func(*Fields, value.Value) value.Value
}

const (
	noSlot   = -1 // the member has no such column
	nameSlot = -2 // the column is the name of the member
)

// formatColumn is the column that holds the name of the format that reads the record.
const formatColumn = "_format"

// Names implements Format. A name of several types is listed once for each format, with the format's name in front.
func (f *firstOf) Names() []string {
	if f.open {
		return nil
	}
	names := []string{formatColumn}
	add := func(name string) {
		if !slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, name) }) {
			names = append(names, name)
		}
	}
	for _, m := range f.members {
		for _, name := range m.Names() {
			if f.Rejected([]string{name}) != "" {
				name = m.name + "." + name
			}
			add(name)
		}
	}
	return names
}

// Column implements Format.
func (f *firstOf) Column(path []string) (c Column, ok bool) {
	if len(path) == 1 && (path[0] == formatColumn || !f.open && strings.EqualFold(path[0], formatColumn)) {
		return f.column(formatColumn, listColumn{typ: value.Type{Kind: value.KindText}, slots: slices.Repeat([]int{nameSlot}, len(f.members))}), true
	}
	found, own := f.find(path)
	l := listColumn{typ: found[0].Type}
	has := 0
	for i, c := range found {
		if !own[i] {
			l.slots, l.reads = append(l.slots, noSlot), append(l.reads, nil)
			continue
		}
		if has++; has == 1 {
			l.typ = c.Type
		} else if l.typ, ok = unite(l.typ, c.Type); !ok {
			return Column{}, false
		}
		l.slots, l.reads = append(l.slots, c.Slot), append(l.reads, c.Read)
	}
	if has == 0 {
		return Column{}, false
	}
	l.typ.Nullable = l.typ.Nullable || has < len(f.members)
	return f.column(strings.Join(path, "\x00"), l), true
}

// find finds a column in each format of the list, or in the one whose name the path begins with.
func (f *firstOf) find(path []string) (found []Column, has []bool) {
	found, has = make([]Column, len(f.members)), make([]bool, len(f.members))
	only := f.qualifier(path)
	for i, m := range f.members {
		switch only {
		case -1:
			found[i], has[i] = m.Column(path)
		case i:
			found[i], has[i] = m.Column(path[1:])
		}
	}
	return found, has
}

// qualifier returns the index of the format whose name a path begins with, -1 if there is none.
func (f *firstOf) qualifier(path []string) int {
	if len(path) < 2 {
		return -1
	}
	return slices.IndexFunc(f.members, func(m member) bool { return strings.EqualFold(m.name, path[0]) })
}

// column returns a column of the list, the same for each use of its key.
func (f *firstOf) column(key string, l listColumn) Column {
	slot := slices.IndexFunc(f.columns, func(c listColumn) bool { return c.key == key })
	if slot < 0 {
		slot, l.key = len(f.columns), key
		f.columns = append(f.columns, l)
	}
	c := Column{Type: l.typ, Slot: slot}
	if reads := l.reads; slices.ContainsFunc(reads, func(read func(*Fields, value.Value) value.Value) bool { return read != nil }) {
		c.Read = func(r *Fields, v value.Value) value.Value {
			if read := reads[r.member]; read != nil {
				return read(r, v)
			}
			return v
		}
	}
	return c
}

// unite returns the type of a column that has values of two types; ok is false if their kinds differ.
func unite(a, b value.Type) (t value.Type, ok bool) {
	t = a
	t.Nullable = a.Nullable || b.Nullable
	t.RarelyNull = a.RarelyNull || b.RarelyNull
	if a.Scale != b.Scale {
		if t.Scale = max(a.Scale, b.Scale); a.Kind == value.KindDecimal {
			t.Scale = value.AnyScale
		}
	}
	if t.Precision = max(a.Precision, b.Precision); a.Precision == 0 || b.Precision == 0 || t.Scale == value.AnyScale {
		t.Precision = 0
	}
	if t.MaxChars = max(a.MaxChars, b.MaxChars); a.MaxChars == 0 || b.MaxChars == 0 {
		t.MaxChars = 0
	}
	return t, a.Kind == b.Kind && a.Bytes == b.Bytes
}

// castTypes is what CAST makes of a column of another kind.
var castTypes = map[value.Kind]string{
	value.KindInt: "SIGNED", value.KindDecimal: "DECIMAL(p,s)", value.KindDouble: "DOUBLE", value.KindText: "CHAR", value.KindTime: "DATETIME(6)",
}

// Rejected implements ReasonedFormat.
func (f *firstOf) Rejected(path []string) string {
	found, has := f.find(path)
	first, same, to := -1, true, value.KindJSON
	for i, c := range found {
		if !has[i] {
			continue
		}
		if first < 0 {
			first = i
		}
		if _, ok := unite(found[first].Type, c.Type); !ok {
			same = false
		}
		if to == value.KindJSON {
			to = c.Kind // the first to which there is a CAST
		}
	}
	if same {
		return f.rejectedByOne(path, first)
	}
	var kinds, names, alike []string
	for i, c := range found {
		if !has[i] {
			continue
		}
		name := f.members[i].name + "." + strings.Join(path, ".")
		kinds, names = append(kinds, fmt.Sprintf("%s in %s", c.Kind, f.members[i].name)), append(names, name)
		if c.Kind != to {
			name = "CAST(" + name + " AS " + castTypes[to] + ")"
		}
		alike = append(alike, name)
	}
	return fmt.Sprintf("is %s: write %s, or COALESCE(%s)", strings.Join(kinds, " and "), strings.Join(names, " or "), strings.Join(alike, ", "))
}

// rejectedByOne says why the one format that could have a column has none. first is the index of one that has it, or -1.
func (f *firstOf) rejectedByOne(path []string, first int) string {
	if only := f.qualifier(path); first < 0 && only >= 0 {
		return f.members[only].rejected(path[1:])
	}
	for i := range f.members {
		if why := f.members[i].rejected(path); first < 0 && why != "" {
			return why
		}
	}
	return ""
}

func (m *member) rejected(path []string) string {
	if f, ok := m.Format.(ReasonedFormat); ok {
		return f.Rejected(path)
	}
	return ""
}

// Path implements PathFormat, for the names that JSON alone has.
func (f *firstOf) Path(name []string, steps []jsonpath.Step, quoted bool) (slot int, ok bool) {
	at := f.qualifier(name)
	if at >= 0 {
		name = name[1:]
	} else {
		owners := 0
		for i, m := range f.members {
			if m.has(name) {
				at, owners = i, owners+1
			}
		}
		if owners != 1 {
			return 0, false
		}
	}
	p, ok := f.members[at].Format.(PathFormat)
	if !ok {
		return 0, false
	}
	own, ok := p.Path(name, steps, quoted)
	if !ok {
		return 0, false
	}
	l := listColumn{typ: value.Type{Kind: value.KindJSON, Nullable: true}, slots: slices.Repeat([]int{noSlot}, len(f.members))}
	l.slots[at] = own
	return f.column(fmt.Sprintf("->%d.%d", at, own), l).Slot, true
}

// NewParser implements Format.
func (f *firstOf) NewParser() (Parser, int) {
	p, slots := &firstOfParser{columns: len(f.columns)}, len(f.columns)
	for i := range f.members {
		m := memberParser{name: []byte(f.members[i].name), acceptsAll: f.members[i].acceptsAll, from: slots}
		var own int
		m.Parser, own = f.members[i].NewParser()
		slots += own
		m.to = slots
		for _, c := range f.columns {
			m.slots = append(m.slots, c.slots[i])
		}
		p.members = append(p.members, m)
	}
	return p, slots
}

// UseSchemas implements RegistryFormat.
func (f *firstOf) UseSchemas(s Schemas) {
	for _, m := range f.members {
		if r, ok := m.Format.(RegistryFormat); ok {
			r.UseSchemas(s)
		}
	}
}

// firstOfParser reads bodies. Of the fields, the first are the columns of the list, and then follow those of each format,
// which are all that its own parser sees.
type firstOfParser struct {
	members []memberParser
	columns int
}

type memberParser struct {
	Parser
	name       []byte
	acceptsAll bool
	from, to   int   // its fields
	slots      []int // by column of the list, as listColumn has them
}

// Start implements Parser.
func (p *firstOfParser) Start(body []byte, r *Fields) (more bool, err error) {
	text := len(r.Text)
	n := bytes.IndexByte(body, '\n')
	several := n >= 0 && n < len(body)-1
	for i := range p.members {
		m := &p.members[i]
		if more, err = m.start(body, several && !m.acceptsAll, r); err == nil {
			r.member = i
			m.fill(r, more)
			return more, nil
		}
		if errors.Is(err, ErrSchemaUnread) {
			return false, err // whether the body is in this format is not known yet
		}
		r.Text = r.Text[:text]
	}
	return false, p.describe(body, several, r)
}

// Next implements Parser. It cannot fail, because Start has read all lines.
func (p *firstOfParser) Next(r *Fields) (more bool, err error) {
	m, all := &p.members[r.member], r.Values
	r.Values = all[m.from:m.to]
	more, err = m.Parser.Next(r)
	r.Values = all
	m.fill(r, more)
	return more, err
}

// start begins a body, whose lines after the first must be in the format, too.
func (m *memberParser) start(body []byte, several bool, r *Fields) (more bool, err error) {
	all, text := r.Values, len(r.Text)
	r.Values = all[m.from:m.to]
	more, err = m.Parser.Start(body, r)
	if several {
		for more && err == nil {
			more, err = m.Parser.Next(r)
		}
		if err == nil {
			r.Text = r.Text[:text]
			more, err = m.Parser.Start(body, r)
		}
	}
	r.Values = all
	return more, err
}

// fill sets the columns of the list to those of the format that reads the body.
func (m *memberParser) fill(r *Fields, more bool) {
	if !more {
		return
	}
	own := r.Values[m.from:m.to]
	for i, slot := range m.slots {
		switch slot {
		case noSlot:
			r.Values[i] = value.Null
		case nameSlot:
			r.Values[i] = value.Text(m.name)
		default:
			r.Values[i] = own[slot]
		}
	}
}

// maxReasons is how many bytes of the formats' reasons one reason holds.
const maxReasons = 900

// describe returns why no format accepts a body. It reads the body again with each format, because it is called for dead
// letters only.
func (p *firstOfParser) describe(body []byte, several bool, r *Fields) error {
	e := &Error{Reason: firstOfName + ": no format accepts the record"}
	text := len(r.Text)
	var bad []Error
	size := 0
	for i := range p.members {
		_, err := p.members[i].start(body, several, r)
		r.Text = r.Text[:text]
		bad = append(bad, Describe(err))
		size += len(bad[i].Reason)
	}
	for i, m := range p.members {
		if most := maxReasons / len(bad); size > maxReasons && len(bad[i].Reason) > most && !r.Explain {
			bad[i].Reason = strings.ToValidUTF8(bad[i].Reason[:most], "") + "…"
		}
		e.Reason += fmt.Sprintf("; %s: %s", m.name, bad[i].Reason)
		if bad[i].Detail != "" {
			e.Detail += fmt.Sprintf("; %s: %s", m.name, bad[i].Detail)
		}
	}
	e.Detail = strings.TrimPrefix(e.Detail, "; ")
	return e
}
