package query

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-etl/sluice/fold/value"
)

// format is how a record's bytes are read. While a query is compiled it is asked for columns; then it makes parsers.
type format interface {
	// column finds a field by the path it is written with. slot is its place in rec.values.
	column(path []string) (c formatColumn, ok bool)
	// names are the columns that there are, for the error that misses one.
	names() []string
	// slots is the length of rec.values; it is final when the query is compiled.
	slots() int
	// parser makes a parser for one fold.
	parser() parser
}

// formatColumn is a field as a query sees it.
type formatColumn struct {
	value.Type
	slot int
	// read, where not nil, makes the value from the field's text when it is needed.
	read func(r *rec, v value.Value) value.Value
}

// parser reads one record at a time into rec.values. The values are views on the record or on the parser's memory,
// valid until the next start.
type parser interface {
	// start takes up r.event.Body and goes to its first row; it reports false where it has none. The error is why the
	// body is not in the format.
	start(r *rec) (bool, error)
	// next goes to the record's next row, and reports false where there is none. Its error is as start's.
	next(r *rec) (bool, error)
}

// Formats lists the names of the log formats.
func Formats() []string {
	return []string{"words", "raw", "combined", "common", "json", "apache", "nginx"}
}

func newFormat(name, text string) (format, error) {
	switch custom := name == "apache" || name == "nginx"; {
	case custom && text == "":
		return nil, fmt.Errorf("log format %s needs --log-format-string: the log format as the server's configuration has it", name)
	case custom:
		return newCustom(name, text)
	case text != "":
		return nil, fmt.Errorf("--log-format-string needs log format apache or nginx, got %s", name)
	}
	switch name {
	case "words":
		return wordsFormat{}, nil
	case "raw":
		return rawFormat{}, nil
	case "combined":
		return &clfFormat{combined: true}, nil
	case "common":
		return &clfFormat{}, nil
	case "json":
		return &jsonFormat{}, nil
	}
	return nil, fmt.Errorf("log format %q: want one of %s", name, strings.Join(Formats(), ", "))
}

// rawFormat gives the record's bytes as they are.
type rawFormat struct{}

func (rawFormat) column(path []string) (formatColumn, bool) {
	if len(path) == 1 && strings.EqualFold(path[0], "body") {
		return formatColumn{Type: value.Type{Kind: value.KindText}}, true
	}
	return formatColumn{}, false
}
func (rawFormat) names() []string { return []string{"body"} }
func (rawFormat) slots() int      { return 1 }
func (rawFormat) parser() parser  { return new(rawParser) }

type rawParser struct{}

func (*rawParser) start(r *rec) (bool, error) {
	r.values[0] = value.Text(r.event.Body)
	return true, nil
}

func (*rawParser) next(*rec) (bool, error) { return false, nil }

// wordsFormat gives a row for each word: what stands between ASCII white space. Its rows are numbered by _index.
type wordsFormat struct{}

func (wordsFormat) column(path []string) (formatColumn, bool) {
	if len(path) == 1 && strings.EqualFold(path[0], "word") {
		return formatColumn{Type: value.Type{Kind: value.KindText}}, true
	}
	return formatColumn{}, false
}
func (wordsFormat) names() []string { return []string{"word"} }
func (wordsFormat) slots() int      { return 1 }
func (wordsFormat) parser() parser  { return new(wordsParser) }

type wordsParser struct{ rest []byte }

func (p *wordsParser) start(r *rec) (bool, error) {
	p.rest = withoutBOM(r.event.Body)
	return p.next(r)
}

func (p *wordsParser) next(r *rec) (bool, error) {
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
	r.values[0] = value.Text(b[from:i])
	return i > from, nil
}

// nearest is the name among names that a person most likely meant, or "".
func nearest(name string, names []string) string {
	best, bestAt := "", 1+len(name)/3
	for _, n := range names {
		if d := distance(strings.ToLower(name), strings.ToLower(n)); d <= bestAt && (best == "" || d < bestAt) {
			best, bestAt = n, d
		}
	}
	return best
}

// distance is the number of letters to put in, take out, change or swap with their neighbour.
func distance(a, b string) int {
	before, last, now := []int(nil), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		now[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			now[j+1] = min(last[j]+cost, last[j+1]+1, now[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				now[j+1] = min(now[j+1], before[j-1]+1)
			}
		}
		before, last, now = last, now, slices.Clone(last)
	}
	return last[len(b)]
}
