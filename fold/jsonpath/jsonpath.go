package jsonpath

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/sluice-etl/sluice/fold/value"
)

// Step is one leg of a path: a member of an object by its name, or a cell of an array by its index.
type Step struct {
	Name    string
	IsCell  bool
	FromEnd bool // Index counts back from the array's last cell, which is 0
	Index   int
	All     bool // every cell: only in a path of ParseAll
}

// Members returns the path of nested fields, given their names from the outermost to the innermost.
func Members(path []string) []Step {
	steps := make([]Step, len(path))
	for i, n := range path {
		steps[i].Name = n
	}
	return steps
}

// Text returns a path as Parse reads it.
func Text(steps []Step) string {
	var b strings.Builder
	b.WriteString("$")
	for _, s := range steps {
		switch name, _ := json.Marshal(s.Name); {
		case !s.IsCell:
			b.WriteString("." + string(name))
		case s.FromEnd:
			fmt.Fprintf(&b, "[last-%d]", s.Index)
		default:
			fmt.Fprintf(&b, "[%d]", s.Index)
		}
	}
	return b.String()
}

// pathParser holds what is still to be read.
type pathParser struct {
	rest string
	all  bool // [*] is a step
}

// Parse reads a path that names one value. A path that can name several ($.*, $[*], $**.a, $[0 to 2]) is an error,
// because a column holds one value.
func Parse(text string) ([]Step, error) { return parse(text, false) }

// ParseAll reads a path that may name the cells of arrays by [*], each of which is a value.
func ParseAll(text string) ([]Step, error) { return parse(text, true) }

func parse(text string, all bool) (steps []Step, err error) {
	p := pathParser{text, all}
	defer func() {
		if err != nil {
			err = fmt.Errorf("JSON path %q, at byte %d: %w", text, len(text)-len(p.rest), err)
		}
	}()
	p.space()
	if !p.take("$") {
		return nil, errors.New("must begin with $")
	}
	for p.space(); p.rest != ""; p.space() {
		var s Step
		switch {
		case strings.HasPrefix(p.rest, "**"):
			return nil, errors.New("** names several values, and a field is one: write the whole path")
		case p.take("."):
			s, err = p.member()
		case p.take("["):
			s, err = p.cell()
		default:
			return nil, errors.New("expected . and a name, or [ and a number")
		}
		if err != nil {
			return nil, err
		}
		if steps = append(steps, s); len(steps) > 100 {
			return nil, errors.New("must have at most 100 legs")
		}
	}
	return steps, nil
}

func (p *pathParser) space() { p.rest = strings.TrimLeft(p.rest, " \t\r\n") }

func (p *pathParser) take(s string) (ok bool) {
	p.rest, ok = strings.CutPrefix(p.rest, s)
	return ok
}

func (p *pathParser) member() (s Step, err error) {
	p.space()
	if strings.HasPrefix(p.rest, "*") {
		return s, errors.New(".* names several values, and a field is one: write the name")
	}
	if strings.HasPrefix(p.rest, `"`) {
		n := value.QuotedLength(p.rest)
		if err := json.Unmarshal([]byte(p.rest[:n]), &s.Name); err != nil {
			return s, errors.New("the name in quotes must be a JSON string")
		}
		p.rest = p.rest[n:]
		return s, nil
	}
	n := 0
	for n < len(p.rest) {
		c, size := utf8.DecodeRuneInString(p.rest[n:])
		if c != '_' && c != '$' && !unicode.IsLetter(c) && (n == 0 || !unicode.IsDigit(c) && !unicode.Is(unicode.Mn, c)) {
			break
		}
		n += size
	}
	if n == 0 {
		return s, errors.New(`expected a name; one that is not of letters and digits, beginning with a letter, needs quotes: $."user-agent"`)
	}
	s.Name, p.rest = p.rest[:n], p.rest[n:]
	if p.rest != "" && !strings.ContainsRune(".[* \t\r\n", rune(p.rest[0])) {
		return s, errors.New(`a name that is not of letters and digits needs quotes: $."user-agent"`)
	}
	return s, nil
}

func (p *pathParser) cell() (s Step, err error) {
	s.IsCell = true
	several := errors.New("[*] and [n to m] name several values, and a field is one: write [n], [last] or [last-n]")
	p.space()
	switch {
	case p.all && p.take("*"):
		s.All = true
	case strings.HasPrefix(p.rest, "*"):
		return s, several
	case p.take("last"):
		s.FromEnd = true
		p.space()
		if p.take("-") {
			p.space()
			s.Index, err = p.number()
		}
	default:
		s.Index, err = p.number()
	}
	if err != nil {
		return s, err
	}
	p.space()
	if strings.HasPrefix(p.rest, "to") {
		return s, several
	}
	if !p.take("]") {
		return s, errors.New("expected ]")
	}
	return s, nil
}

func (p *pathParser) number() (n int, err error) {
	i := 0
	for ; i < len(p.rest) && p.rest[i]-'0' < 10; i++ {
		if n = n*10 + int(p.rest[i]-'0'); n > math.MaxUint32 {
			return 0, errors.New("the number of a cell must be at most 4294967295")
		}
	}
	if i == 0 {
		return 0, errors.New("expected the number of a cell, last, or last-n")
	}
	p.rest = p.rest[i:]
	return n, nil
}
