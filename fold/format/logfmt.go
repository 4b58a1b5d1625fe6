package format

import (
	"bytes"
	"unicode/utf8"

	"github.com/sluice-etl/sluice/fold/value"
)

// newLogfmt creates the format of lines such as
//
//	level=info msg="request \"x\"" path=/a cached
//
// as go-logfmt/logfmt decodes them, and log/slog and logrus write them. Pairs are separated by bytes up to the space. A
// name without a value, name= and name="" are the empty text, so NULL says that the line lacks the name. Within double
// quotes a backslash escapes, as in Go and in JSON; within single quotes it does not. A line without any = is not
// logfmt: each of its words would be a name without a value.
//
// go-logfmt lets a pair follow a closing quote without a space. Here that is an error, because it is what a quote
// without its backslash looks like. So is an apostrophe in a name, as in msg='a b', because apostrophes quote nothing.
func newLogfmt(string) (Format, error) {
	return &namedFormat{line: func(found *named) func(*Fields, []byte) error {
		return (&logfmtLine{found: found}).read
	}}, nil
}

type logfmtLine struct{ found *named }

const (
	expectedName   = "logfmt: expected a name without quotes, such as level in level=info"
	expectedUTF8   = "logfmt: expected a name in UTF-8"
	expectedPair   = "logfmt: expected name=value, such as level=info, in the line"
	expectedBare   = "logfmt: expected quotes around a value that contains = or a quote"
	expectedQuote  = "logfmt: expected a closing quote"
	expectedEscape = `logfmt: expected an escape of Go or JSON, such as \" or \n`
	expectedAfter  = "logfmt: expected a space after the closing quote"
)

// bareByte is the class of a byte outside of quotes: 0 is part of a name and of a value.
var bareByte = func() (class [256]uint8) {
	for c := range ' ' + 1 {
		class[c] = bareSpace
	}
	class['='], class['"'], class['\''] = bareEqual, bareQuote, bareApostrophe
	for c := utf8.RuneSelf; c < 256; c++ {
		class[c] = bareWide
	}
	return class
}()

const (
	bareSpace = 1 + iota
	bareEqual
	bareQuote
	bareApostrophe // part of a value only
	bareWide       // a byte of a character that is not ASCII
)

func (p *logfmtLine) read(r *Fields, b []byte) error {
	p.found.clear(r)
	pairs := 0
	for i := 0; ; {
		for i < len(b) && b[i] <= ' ' {
			i++
		}
		if i == len(b) {
			break
		}
		from, wide := i, false
		class := uint8(bareSpace)
		for ; i < len(b); i++ {
			if class = bareByte[b[i]]; class == bareWide {
				wide = true
			} else if class != 0 {
				break
			}
		}
		name := b[from:i]
		if i < len(b) && class != bareSpace && class != bareEqual || i == from {
			return mismatchAt(r, expectedName, b, i)
		}
		if wide && !utf8.Valid(name) {
			return mismatchAt(r, expectedUTF8, b, from)
		}
		field := p.found.find(r, name)
		if i == len(b) || class == bareSpace {
			if field != nil {
				*field = value.Text(b[i:i])
			}
			continue
		}
		i++
		pairs++
		end, err := p.value(r, b, i, field)
		if err != nil {
			return err
		}
		i = end
	}
	if pairs == 0 {
		return mismatchAt(r, expectedPair, b, 0)
	}
	return nil
}

// value reads the value at an index into a field, if that is not nil, and returns the index of what follows.
func (p *logfmtLine) value(r *Fields, b []byte, from int, field *value.Value) (end int, err error) {
	if from < len(b) && b[from] == '"' {
		return p.quoted(r, b, from, field)
	}
	class := uint8(bareSpace)
	for end = from; end < len(b); end++ {
		if class = bareByte[b[end]]; class == bareSpace || class == bareEqual || class == bareQuote {
			break
		}
	}
	if end < len(b) && class != bareSpace {
		return 0, mismatchAt(r, expectedBare, b, end)
	}
	if field != nil {
		*field = value.Text(b[from:end])
	}
	return end, nil
}

func (p *logfmtLine) quoted(r *Fields, b []byte, from int, field *value.Value) (end int, err error) {
	escapes := false
	end = from + 1
	for quote := from; ; {
		if end > quote { // not before: to search it after each escape takes quadratic time
			n := bytes.IndexByte(b[end:], '"')
			if n < 0 {
				return 0, mismatchAt(r, expectedQuote, b, len(b))
			}
			quote = end + n
		}
		at := bytes.IndexByte(b[end:quote], '\\')
		if at < 0 {
			end = quote
			break
		}
		escapes = true
		end += at + 2 // at most len(b), because a quote follows the backslash
	}
	text := b[from+1 : end]
	if end++; end < len(b) && b[end] > ' ' {
		return 0, mismatchAt(r, expectedAfter, b, end)
	}
	if escapes {
		at := len(r.Text)
		var bad int
		if r.Text, bad = appendUnescaped(r.Text, text); bad >= 0 {
			return 0, mismatchAt(r, expectedEscape, b, from+1+bad)
		}
		text = r.Text[at:len(r.Text):len(r.Text)]
	}
	if field != nil {
		*field = value.Text(text)
	}
	return end, nil
}
