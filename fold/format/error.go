package format

import (
	"errors"
	"fmt"

	"github.com/sluice-etl/sluice/fold/value"
)

// Error says why a body is not in its format.
type Error struct {
	Reason string // the same text for all bodies that fail alike
	Detail string
}

// Error implements error: the reason alone.
func (e *Error) Error() string { return e.Reason }

// Describe returns why a body is not in its format, from the error of a parser. It must be called before the parser's next
// body.
func Describe(err error) Error {
	if m, ok := errors.AsType[*mismatch](err); ok {
		return m.describe(m)
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return *e
	}
	return Error{Reason: err.Error()}
}

// mismatch is the error of most parsers: where a body is not in its format. Its texts are made by [Describe] and not
// before, because first-of drops the errors of all formats but the last. So a body that is not in a format costs no
// allocation. Each Fields has one.
type mismatch struct {
	describe func(m *mismatch) Error
	expected string
	line     []byte
	at       int  // an index of line, or how many fields it has
	explain  bool // the reason may contain the line's text
}

// Error implements error: the reason alone.
func (m *mismatch) Error() string { return m.describe(m).Reason }

// fail makes a mismatch the error of the body.
func (r *Fields) fail(m mismatch) error {
	m.explain = r.Explain
	r.mismatch = m
	return &r.mismatch
}

// mismatchAt returns the error for a line that has something other than expected at an index.
func mismatchAt(r *Fields, expected string, line []byte, at int) error {
	return r.fail(mismatch{describe: describePlace, expected: expected, line: line, at: at})
}

// describePlace shows what the line has at the index only if reasons may contain the record's text.
func describePlace(m *mismatch) Error {
	e := Error{Reason: m.expected, Detail: fmt.Sprintf("at byte %d of %d", m.at+1, len(m.line))}
	switch {
	case m.explain && m.at < len(m.line):
		e.Reason += ", got " + value.Quote(m.line[m.at:]).String()
	case m.explain:
		e.Reason += ", got the end of the line"
	}
	return e
}
