package format

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-etl/sluice/internal/option"
)

// A list of formats is written first-of(combined, json, raw). A format of the list that needs a definition has it in
// quotes behind its name, as in csv('time,host'); a quote within quotes is doubled. A format can have a name of its own,
// as in old=csv('time,host').

// firstOfName is what a list of formats begins with.
const firstOfName = "first-of"

// maxMembers is the most formats that a list can have.
const maxMembers = 16

// definition is one format of a list.
type definition struct {
	name   string // by which the query knows it
	format string
	text   string // the format's own definition; empty if it has none
}

// IsList reports whether a format is a list of formats.
func IsList(name string) bool { return strings.HasPrefix(name, firstOfName) }

// Canonical returns the name of a format in the one spelling that all its spellings have. It checks the name, but not the
// definitions.
func Canonical(name string) (string, error) {
	if !IsList(name) {
		if !slices.Contains(Names(), name) {
			return "", option.Error("format", name, "must be one of %s, or %s(…) with several of them", strings.Join(Names(), ", "), firstOfName)
		}
		return name, nil
	}
	list, err := parseList(name)
	if err != nil {
		return "", err
	}
	var texts []string
	for _, d := range list {
		texts = append(texts, d.String())
	}
	return firstOfName + "(" + strings.Join(texts, ",") + ")", nil
}

// String returns the definition in the notation of a list.
func (d definition) String() string {
	text := d.format
	if d.name != d.format {
		text = d.name + "=" + d.format
	}
	if d.text != "" {
		text += "('" + strings.ReplaceAll(d.text, "'", "''") + "')"
	}
	return text
}

// parseList reads a list of formats, and checks what can be checked without creating them.
func parseList(text string) ([]definition, error) {
	p := listParser{text: text, at: len(firstOfName)}
	list := p.list()
	if p.err == nil {
		p.err = checkList(list)
	}
	if p.err != nil {
		return nil, fmt.Errorf("%s: %w", option.Ref("format"), p.err)
	}
	return list, nil
}

// listParser reads a list of formats from its text, up to the first error.
type listParser struct {
	text string
	at   int
	err  error
}

func (p *listParser) list() (list []definition) {
	p.expect('(', "expected the formats in parentheses, such as "+firstOfName+"(combined, json, raw)")
	for p.err == nil {
		list = append(list, p.definition())
		if !p.next(',') {
			break
		}
	}
	p.expect(')', "expected , and the next format, or ) at the end of the list")
	if p.space(); p.at < len(p.text) {
		p.fail("expected nothing behind the list")
	}
	return list
}

func (p *listParser) definition() (d definition) {
	d.name = p.word()
	if d.format = d.name; p.next('=') {
		d.format = p.word()
	}
	if !p.next('(') {
		return d
	}
	if d.text = p.quoted(); d.text == "" {
		p.fail("expected a definition that is not empty")
	}
	p.expect(')', "expected ) behind the definition; a quote within quotes is doubled")
	return d
}

// word reads the name of a format, or one that a person gave to it.
func (p *listParser) word() string {
	p.space()
	from := p.at
	for p.at < len(p.text) && isNameByte(p.text[p.at]) {
		p.at++
	}
	if from == p.at {
		p.fail("expected the name of a format: letters a to z, digits and _")
	}
	return p.text[from:p.at]
}

func isNameByte(c byte) bool { return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '_' }

// quoted reads a text in quotes, in which a quote is doubled.
func (p *listParser) quoted() string {
	p.space()
	if p.at == len(p.text) || p.text[p.at] != '\'' && p.text[p.at] != '"' {
		p.fail("expected the definition in quotes, such as csv('time,host')")
		return ""
	}
	quote := p.text[p.at : p.at+1]
	p.at++
	var text strings.Builder
	for {
		i := strings.Index(p.text[p.at:], quote)
		if i < 0 {
			p.at = len(p.text)
			p.fail("expected a closing " + quote)
			return ""
		}
		text.WriteString(p.text[p.at : p.at+i])
		p.at += i + 1
		if !strings.HasPrefix(p.text[p.at:], quote) {
			return text.String()
		}
		text.WriteString(quote)
		p.at++
	}
}

func (p *listParser) space() {
	for p.at < len(p.text) && strings.IndexByte(" \t\r\n", p.text[p.at]) >= 0 {
		p.at++
	}
}

// next reports whether c follows, and skips it.
func (p *listParser) next(c byte) bool {
	p.space()
	if p.err != nil || p.at == len(p.text) || p.text[p.at] != c {
		return false
	}
	p.at++
	return true
}

func (p *listParser) expect(c byte, otherwise string) {
	if !p.next(c) {
		p.fail(otherwise)
	}
}

func (p *listParser) fail(expected string) {
	if p.err != nil {
		return
	}
	got := "the end"
	if p.at < len(p.text) {
		got = fmt.Sprintf("%.20q", p.text[p.at:])
	}
	p.err = fmt.Errorf("at byte %d: %s, got %s", p.at+1, expected, got)
}

// checkList rejects lists with formats that no record could reach, and names that do not tell formats apart.
func checkList(list []definition) error {
	if len(list) < 2 || len(list) > maxMembers {
		return fmt.Errorf("%s has %d formats, must have 2 to %d", firstOfName, len(list), maxMembers)
	}
	seen := map[string]bool{}
	for i, d := range list {
		known := slices.Contains(Names(), d.format)
		switch {
		case !known:
			return fmt.Errorf("%s: got the format %q, expected one of %s", firstOfName, d.format, strings.Join(Names(), ", "))
		case d.name != d.format && (slices.Contains(Names(), d.name) || d.name == "events"):
			return fmt.Errorf("%s: %s cannot be called %s, which has a meaning of its own: give it another name", firstOfName, d.format, d.name)
		case seen[d.name]:
			return fmt.Errorf("%s: %s is in the list twice: give each a name of its own, such as old=%s", firstOfName, d.name, d.format)
		case i < len(list)-1 && acceptsAll(d.format):
			return fmt.Errorf("%s: %s accepts every record, so %s would never read one: expected %s last", firstOfName, d.name, list[i+1].name, d.name)
		}
		seen[d.name] = true
		for _, e := range list[:i] {
			if e.format == d.format && e.text == d.text {
				return fmt.Errorf("%s: %s is the same format as %s, so it would never read a record: remove one", firstOfName, d.name, e.name)
			}
			if e.format == "common" && d.format == "combined" {
				return fmt.Errorf("%s: %s accepts the lines of %s too, which would never read one: expected %s first", firstOfName, e.name, d.name, d.name)
			}
		}
	}
	return nil
}

// acceptsAll reports whether every body is in the format.
func acceptsAll(format string) bool { return format == "raw" || format == "words" }

// newFirstOf creates a list of formats. text is the definition of the one format that needs one and has none.
func newFirstOf(name, text string) (Format, error) {
	list, err := parseList(name)
	if err != nil {
		return nil, err
	}
	var without []string // names of formats that need a definition and have none
	for i := range list {
		if d := &list[i]; d.isWithout() {
			without = append(without, d.name)
			d.text = text
		}
	}
	switch {
	case len(without) > 1:
		return nil, fmt.Errorf("%s: %s need a definition each: expected it in quotes behind the name, as in %s('…')", option.Ref("format"), strings.Join(without, " and "), without[0])
	case len(without) == 0 && text != "":
		return nil, errors.New(option.Ref("log-format-string") + " is for a format of " + firstOfName + " that needs a definition and has none in quotes behind its name, and there is none")
	}
	f := &firstOf{}
	for _, d := range list {
		m := member{name: d.name, acceptsAll: acceptsAll(d.format)}
		if m.Format, err = New(d.format, d.text); err != nil {
			return nil, fmt.Errorf("%s: %s: %w", option.Ref("format"), d.name, err)
		}
		f.open = f.open || len(m.Names()) == 0
		f.members = append(f.members, m)
	}
	return f, nil
}

// isWithout reports whether a format of a list needs a definition and has none.
func (d *definition) isWithout() bool {
	return d.text == "" && slices.ContainsFunc(logFormats, func(f logFormat) bool { return f.name == d.format && f.definition != "" })
}

// TakesText reports whether log-format-string is the definition of this kind of format: of the format itself, or of one
// in the list.
func TakesText(name, kind string) bool {
	if !IsList(name) {
		return name == kind
	}
	list, _ := parseList(name) // an error is found where the format is created
	return slices.ContainsFunc(list, func(d definition) bool { return d.format == kind && d.isWithout() })
}
