package format

import "github.com/sluice-etl/sluice/fold/value"

// lineParser turns each line of a body that is not blank into a row.
type lineParser struct {
	line func(r *Fields, line []byte) error // reads a line, without its line ending, into the fields
	rest []byte                             // the lines after the current one
}

// Start implements Parser. A sender may leave a byte order mark in front of the first line.
func (p *lineParser) Start(body []byte, r *Fields) (bool, error) {
	p.rest = value.TrimBOM(body)
	more, err := p.Next(r)
	if !more && err == nil {
		err = errEmptyLine
	}
	return more, err
}

// Next implements Parser.
func (p *lineParser) Next(r *Fields) (bool, error) {
	b, more := nextLine(&p.rest)
	if !more {
		return false, nil
	}
	return true, p.line(r, b)
}
