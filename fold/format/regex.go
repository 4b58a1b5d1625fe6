package format

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"

	"github.com/sluice-etl/sluice/fold/value"
	"github.com/sluice-etl/sluice/internal/option"
)

// regexFormat reads lines by a regular expression in Go's syntax (RE2's), whose named groups are the columns: texts. It
// must match the whole line. A column can be NULL if its group need not take part in a match.
//
// Package regexp allocates the result of each match, so a line costs one allocation, of 16 bytes for each group.
type regexFormat struct {
	columnList
	whole  *regexp.Regexp // matches whole lines
	part   *regexp.Regexp // the expression of the option
	groups []int          // the group of each column
	kind   string         // regex or grok
	// describe is describeLine, which would be allocated for each line that does not match.
	describe func(*mismatch) Error
}

func newRegex(text string) (Format, error) {
	f, err := compileRegex("regex", text, maxFormatString)
	if err != nil {
		return nil, definitionError("regex", err)
	}
	return f, nil
}

// compileRegex makes the format of an expression of at most that many bytes. The columns have the groups' names.
func compileRegex(kind, text string, most int) (*regexFormat, error) {
	if len(text) > most {
		return nil, fmt.Errorf("the regular expression has %d bytes, expected at most %d", len(text), most)
	}
	tree, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return nil, err
	}
	f := &regexFormat{kind: kind}
	f.describe = f.describeLine
	if f.part, err = regexp.Compile(text); err != nil {
		return nil, err
	}
	if f.whole, err = regexp.Compile(`\A(?:` + text + `)\z`); err != nil {
		// The expression is valid, so it is an open \Q that quotes the end, too.
		if f.whole, err = regexp.Compile(`\A(?:` + text + `\E)\z`); err != nil {
			return nil, err
		}
	}
	optional := map[string]bool{}
	findOptional(tree, false, optional)
	for i, name := range f.part.SubexpNames() {
		if name != "" {
			c := textColumn(name)
			c.typ.Nullable = optional[name]
			f.cols, f.groups = append(f.cols, c), append(f.groups, i)
		}
	}
	if len(f.cols) == 0 {
		return nil, errors.New("it has no named group, such as (?P<host>[^ ]+), and so no column")
	}
	return f, f.checkNames()
}

// findOptional adds the names of groups that need not take part in a match: those within an alternative or a repetition
// that may be empty.
func findOptional(e *syntax.Regexp, within bool, optional map[string]bool) {
	switch e.Op {
	case syntax.OpCapture:
		if within && e.Name != "" {
			optional[e.Name] = true
		}
	case syntax.OpStar, syntax.OpQuest, syntax.OpAlternate:
		within = true
	case syntax.OpRepeat:
		within = within || e.Min == 0
	}
	for _, sub := range e.Sub {
		findOptional(sub, within, optional)
	}
}

func (f *regexFormat) NewParser() (Parser, int) { return &lineParser{line: f.read}, len(f.cols) }

// read reads a line. The expressions are safe for concurrent use.
func (f *regexFormat) read(r *Fields, b []byte) error {
	match := f.whole.FindSubmatchIndex(b)
	if match == nil {
		return r.fail(mismatch{describe: f.describe, line: b})
	}
	for slot, group := range f.groups {
		from, to := match[2*group], match[2*group+1]
		if from < 0 {
			r.Values[slot] = value.Null
			continue
		}
		r.Values[slot] = value.Text(b[from:to:to])
	}
	return nil
}

// describeLine describes a line that the expression does not match.
func (f *regexFormat) describeLine(m *mismatch) Error {
	e := Error{
		Reason: fmt.Sprintf("%s: expected a line that %s matches", f.kind, option.Ref("log-format-string")),
		Detail: fmt.Sprintf("the line has %d bytes", len(m.line)),
	}
	if f.part.Match(m.line) {
		e.Reason += " from its beginning to its end, but it matches only a part: add .* where other text may be"
	}
	if m.explain {
		e.Reason += ", got " + value.Quote(m.line).String()
	}
	return e
}
