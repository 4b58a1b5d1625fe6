package format

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/sluice-etl/sluice/fold/value"
	"github.com/sluice-etl/sluice/internal/option"
)

// delimitedFormat reads records of fields between separators, each a text column: CSV as RFC 4180 defines it, or TSV,
// which has no quotes. A body can hold several records, and a quoted field of CSV can hold line endings. Empty lines are
// skipped. A record must have one field for each column.
type delimitedFormat struct {
	columnList
	separator byte
	quotes    bool
	stops     [256]bool // bytes at which a field without quotes may end, or is in error
	expected  string    // the reason of a record with another number of fields
}

// newCSV makes CSV with the names of its columns, as the first line of a file with headings has them. The fields are
// separated as the names are: by commas, or by semicolons, bars or tabs.
func newCSV(text string) (Format, error) {
	separator, err := separatorOf(text)
	if err != nil {
		return nil, definitionError("csv", err)
	}
	r := csv.NewReader(strings.NewReader(text))
	r.Comma, r.TrimLeadingSpace, r.FieldsPerRecord = rune(separator), separator != '\t', -1
	lines, err := r.ReadAll()
	if err == nil && len(lines) != 1 {
		err = fmt.Errorf("got %d lines of names, expected one", len(lines))
	}
	if err != nil {
		return nil, definitionError("csv", err)
	}
	return newDelimited("csv", separator, lines[0])
}

// newTSV makes TSV with the names of its columns, separated by tabs or commas.
func newTSV(text string) (Format, error) {
	separator := "\t"
	if !strings.Contains(text, separator) {
		separator = ","
	}
	return newDelimited("tsv", '\t', strings.Split(text, separator))
}

// separatorOf returns the separator of a list of names. The separator of a single name is a comma.
func separatorOf(text string) (separator byte, err error) {
	quoted := false
	for i := range len(text) {
		switch c := text[i]; c {
		case '"':
			quoted = !quoted
		case ',', ';', '|', '\t':
			if !quoted && separator != 0 && c != separator {
				return 0, fmt.Errorf("got the separators %q and %q, expected one: a name with the other one needs quotes", separator, c)
			}
			if !quoted {
				separator = c
			}
		}
	}
	if separator == 0 {
		separator = ','
	}
	return separator, nil
}

func newDelimited(kind string, separator byte, names []string) (Format, error) {
	f := &delimitedFormat{separator: separator, quotes: kind == "csv"}
	f.expected = fmt.Sprintf("%s: expected as many fields as %s has names, which is %d", kind, option.Ref("log-format-string"), len(names))
	f.stops[separator], f.stops['\n'], f.stops['\r'], f.stops['"'] = true, true, true, f.quotes
	for _, name := range names {
		f.cols = append(f.cols, textColumn(strings.TrimSpace(name)))
	}
	if err := f.checkNames(); err != nil {
		return nil, definitionError(kind, err)
	}
	return f, nil
}

// definitionError returns the error for the definition of a format.
func definitionError(kind string, err error) error {
	return fmt.Errorf("%s: cannot read the definition of %s: %w", option.Ref("log-format-string"), kind, err)
}

// checkNames checks names that a person chose. The name _ is removed, because it means that the field is no column.
func (l *columnList) checkNames() error {
	seen := map[string]bool{}
	for i := range l.cols {
		switch name := l.cols[i].name; {
		case name == "_":
			l.cols[i].name = ""
			continue
		case name == "" || len(name) > 64 || !utf8.ValidString(name):
			return fmt.Errorf("column %d has the name %q, must have 1 to 64 bytes of UTF-8; _ is a field that is no column", i+1, name)
		case name[0] == '_':
			return fmt.Errorf("column %d has the name %s, must not begin with an underscore, as the columns of Kafka do", i+1, name)
		case seen[strings.ToLower(name)]:
			return fmt.Errorf("column %d has the name %s, which another column has: the case of letters does not matter", i+1, name)
		default:
			seen[strings.ToLower(name)] = true
		}
	}
	if len(seen) == 0 {
		return errors.New("it has no column")
	}
	return nil
}

func (f *delimitedFormat) NewParser() (Parser, int) {
	return &delimitedParser{format: f}, len(f.cols)
}

type delimitedParser struct {
	format *delimitedFormat
	rest   []byte // the records after the current one
}

const (
	expectedNoQuote  = "csv: expected quotes around a field that contains a quote"
	expectedClosing  = "csv: expected a closing quote"
	expectedFieldEnd = "csv: expected the separator or the end of the line after the closing quote"
)

// Start implements Parser. A sender may leave a byte order mark in front of the first record.
func (p *delimitedParser) Start(body []byte, r *Fields) (bool, error) {
	p.rest = body
	more, err := p.Next(r)
	if !more && err == nil {
		err = errEmptyLine
	}
	return more, err
}

// Next implements Parser.
func (p *delimitedParser) Next(r *Fields) (bool, error) {
	for {
		p.rest = value.TrimBOM(p.rest) // concatenated files have several
		switch n := lineEnding(p.rest, 0); {
		case len(p.rest) == 0:
			return false, nil
		case n > 0:
			p.rest = p.rest[n:]
		default:
			return true, p.record(r)
		}
	}
}

// lineEnding returns the length of the line ending at an index: LF, CRLF, or CR at the end of b; 0 if there is none.
func lineEnding(b []byte, at int) int {
	switch {
	case at == len(b) || b[at] != '\n' && b[at] != '\r':
		return 0
	case b[at] == '\n' || at+1 == len(b):
		return 1
	case b[at+1] == '\n':
		return 2
	}
	return 0
}

// record reads the record that p.rest begins with.
func (p *delimitedParser) record(r *Fields) error {
	b, fields := p.rest, 0
	for at := 0; ; at++ {
		field, end, err := p.field(r, b, at)
		if err != nil {
			return err
		}
		if fields < len(p.format.cols) {
			r.Values[fields] = value.Text(field)
		}
		fields++
		if at = end; at == len(b) || b[at] != p.format.separator {
			p.rest = b[at+lineEnding(b, at):]
			break
		}
	}
	if fields != len(p.format.cols) {
		return r.fail(mismatch{describe: describeFields, expected: p.format.expected, line: b[:len(b)-len(p.rest)], at: fields})
	}
	return nil
}

// describeFields describes a record with another number of fields.
func describeFields(m *mismatch) Error {
	e := Error{Reason: m.expected, Detail: fmt.Sprintf("got %d fields", m.at)}
	if m.explain {
		e.Reason = fmt.Sprintf("%s, got %d: %s", e.Reason, m.at, value.Quote(m.line))
	}
	return e
}

// field reads the field at an index, and returns the index of what follows: the separator, a line ending or the end.
func (p *delimitedParser) field(r *Fields, b []byte, at int) (field []byte, end int, err error) {
	if at < len(b) && b[at] == '"' && p.format.quotes {
		return p.quoted(r, b, at)
	}
	for end = at; end < len(b); end++ {
		switch c := b[end]; {
		case !p.format.stops[c]:
			continue
		case c == '"':
			return nil, 0, mismatchAt(r, expectedNoQuote, b, end)
		case c == p.format.separator || lineEnding(b, end) > 0:
			return b[at:end:end], end, nil
		}
	}
	return b[at:end:end], end, nil
}

func (p *delimitedParser) quoted(r *Fields, b []byte, at int) (field []byte, end int, err error) {
	text, from := len(r.Text), at+1
	for end = from; ; end++ {
		n := bytes.IndexByte(b[end:], '"')
		if n < 0 {
			return nil, 0, mismatchAt(r, expectedClosing, b, len(b))
		}
		if end += n + 1; end == len(b) || b[end] != '"' {
			break
		}
		r.Text = append(r.Text, b[from:end]...) // with one of the two quotes
		from = end + 1
	}
	if end < len(b) && b[end] != p.format.separator && lineEnding(b, end) == 0 {
		return nil, 0, mismatchAt(r, expectedFieldEnd, b, end)
	}
	field = b[from : end-1 : end-1]
	if len(r.Text) > text {
		r.Text = append(r.Text, field...)
		field = r.Text[text:len(r.Text):len(r.Text)]
	}
	return field, end, nil
}
