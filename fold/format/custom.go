package format

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/sluice-etl/sluice/fold/value"
)

// customFormat reads the lines of a configured log format (Apache's LogFormat, nginx's log_format). A line must contain
// the format's literal text exactly, and end where the format ends. So a field with unexpected content makes the record
// a dead letter, and never shifts the fields after it.
type customFormat struct {
	columnList
	pieces []piece
	raw    bool // backslashes escape nothing (escape=none)
}

// piece is literal text and the field after it.
type piece struct {
	literal []byte
	field   fieldKind
	slot    int // -1: the field is skipped
	spaces  int // how many spaces the field may hold outside of quotes; -1 is any number
	quoted  bool
	list    bool // the field is a list, separated by ", " and " : "
}

type fieldKind uint8

const (
	fieldNone fieldKind = iota // the last piece may be literal text alone
	fieldText
	fieldHost
	fieldUser
	fieldRequest // three slots: method, path, protocol
)

func (f *customFormat) NewParser() (Parser, int) {
	return &lineParser{line: (&customLine{f}).read}, len(f.cols)
}

type customLine struct{ format *customFormat }

var (
	errLiteral = errors.New("the line does not have the literal text that the log format has between its fields")
	errField   = errors.New("a field of the line holds what it cannot: spaces, or no host or user where the log format has one")
	errBehind  = errors.New("the line continues after the last field of the log format")
)

func (p *customLine) read(r *Fields, b []byte) error {
	fields := r.Values
	pieces := p.format.pieces
	for i := range pieces {
		f := &pieces[i]
		if !bytes.HasPrefix(b, f.literal) {
			return errLiteral
		}
		b = b[len(f.literal):]
		if f.field == fieldNone {
			break
		}
		n := len(b)
		switch {
		case f.quoted && !p.format.raw:
			field, _, ok := quoted(b)
			if !ok {
				return errLiteral
			}
			n = len(field)
		case f.spaces == 0 && !f.list && bytes.HasPrefix(pieces[i+1].literal, []byte{':'}):
			if n = hostBefore(b, pieces[i+1].literal); n < 0 {
				n = bytes.Index(b, pieces[i+1].literal) // not a host, or one of another form
			}
			if n < 0 {
				return errLiteral
			}
		case len(pieces[i+1].literal) > 0: // else this is the last field
			if n = bytes.Index(b, pieces[i+1].literal); n < 0 {
				return errLiteral
			}
			// A time that contains spaces ends at the space after them.
			for left := f.spaces; left > 0 && pieces[i+1].literal[0] == ' '; left-- {
				more := bytes.Index(b[n+1:], pieces[i+1].literal)
				if more < 0 {
					return errLiteral
				}
				n += 1 + more
			}
			for f.list && n > 0 && (b[n-1] == ',' || bytes.HasPrefix(b[n:], listColon)) {
				from := n + 1
				if b[n-1] != ',' {
					from = n + len(listColon)
				}
				more := bytes.Index(b[from:], pieces[i+1].literal)
				if more < 0 {
					return errLiteral
				}
				n = from + more
			}
		}
		v := b[:n]
		b = b[n:]
		if !f.fits(v) {
			return errField
		}
		switch {
		case f.slot < 0:
		case f.field == fieldRequest:
			var parts [clfSlots]value.Value
			splitRequest(&parts, v)
			copy(fields[f.slot:f.slot+3], parts[clfMethod:clfProtocol+1])
		default:
			fields[f.slot] = value.Text(v)
			if p.format.cols[f.slot].typ.Nullable && len(v) == 1 && v[0] == '-' {
				fields[f.slot].Set = false
			}
		}
	}
	if len(b) > 0 {
		return errBehind
	}
	return nil
}

// listColon separates groups of servers in the lists of nginx's upstream variables.
var listColon = []byte(" : ")

// fits reports whether a field can have this value: it was cut at its neighbours' literal text, which a wrong line may
// contain elsewhere.
func (f *piece) fits(v []byte) bool {
	switch f.field {
	case fieldHost:
		return len(v) > 0 && isHost(v)
	case fieldUser:
		return isUser(v) || f.quoted
	}
	if f.quoted || f.spaces < 0 || f.list {
		return true
	}
	return bytes.Count(v, []byte{' '}) <= f.spaces && bytes.IndexByte(v, '\t') < 0
}

var host = piece{field: fieldHost}

// hostBefore returns the length of the host with which b begins and after which literal follows; -1 if there is none.
// literal begins with a colon. An IPv6 address contains colons too, so the longest host is taken.
func hostBefore(b, literal []byte) int {
	run := 0
	for run < len(b) && byteClass[b[run]] != notHost {
		run++
	}
	for n := bytes.LastIndexByte(b[:run], ':'); n > 0; n = bytes.LastIndexByte(b[:n], ':') {
		if bytes.HasPrefix(b[n:], literal) && host.fits(b[:n]) {
			return n
		}
	}
	return -1
}

// formatBuilder builds a customFormat from literal text and fields, in their order.
type formatBuilder struct {
	f       customFormat
	literal []byte
	names   map[string]int
	err     error
}

// field adds a field after the literal text so far.
func (b *formatBuilder) field(text string, p piece, cols ...customColumn) {
	if n := len(b.f.pieces); n > 0 && len(b.literal) == 0 && b.err == nil {
		b.err = fmt.Errorf("%s follows another field without text between them, so a line cannot be split there: put a space or a quote between them", text)
	}
	p.literal, b.literal = b.literal, nil
	p.slot = -1
	if len(cols) > 0 {
		p.slot = len(b.f.cols)
	}
	for _, c := range cols {
		if c.name == "" || len(c.name) > 64 {
			b.err = fmt.Errorf("%s: a column's name must have 1 to 64 bytes", text)
		}
		b.names[c.name]++
		if n := b.names[c.name]; n > 1 {
			c.name = fmt.Sprintf("%s_%d", c.name, n)
		}
		b.f.cols = append(b.f.cols, c)
	}
	b.f.pieces = append(b.f.pieces, p)
}

func (b *formatBuilder) finish() (*customFormat, error) {
	if b.err != nil {
		return nil, b.err
	}
	if len(b.f.cols) == 0 {
		return nil, errors.New("it has no field: expected Apache's LogFormat, such as %h %l %u %t \"%r\" %>s %b, or nginx's log_format, such as $remote_addr [$time_local] $status")
	}
	b.f.pieces = append(b.f.pieces, piece{literal: b.literal, slot: -1})
	for i := range b.f.pieces[:len(b.f.pieces)-1] {
		p, next := &b.f.pieces[i], b.f.pieces[i+1].literal
		p.quoted = bytes.HasSuffix(p.literal, []byte{'"'}) && bytes.HasPrefix(next, []byte{'"'})
		if p.field == fieldRequest && !p.quoted {
			p.spaces = -1
		}
	}
	return &b.f, nil
}
