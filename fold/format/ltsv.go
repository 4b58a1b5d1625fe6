package format

import (
	"bytes"

	"github.com/sluice-etl/sluice/fold/value"
)

// newLTSV creates the format of lines of fields label:value that are separated by tabs (ltsv.org). A label has letters,
// digits, underscores, points and hyphens. A value is the text between the first colon and the tab. It is not
// converted, and may be empty.
func newLTSV(string) (Format, error) {
	return &namedFormat{line: func(found *named) func(*Fields, []byte) error {
		return (&ltsvLine{found: found}).read
	}}, nil
}

type ltsvLine struct{ found *named }

const expectedLabel = "ltsv: expected label:value after each tab, such as status:200, with a label of letters, digits, _ . and -"

var isLabelByte = func() (is [256]bool) {
	for c := range 128 {
		is[c] = c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c == '.' || c == '-'
	}
	return is
}()

func (p *ltsvLine) read(r *Fields, b []byte) error {
	p.found.clear(r)
	for at := 0; at <= len(b); {
		end := len(b)
		if n := bytes.IndexByte(b[at:], '\t'); n >= 0 {
			end = at + n
		}
		colon := at
		for colon < end && isLabelByte[b[colon]] {
			colon++
		}
		if colon == at || colon == end || b[colon] != ':' {
			return mismatchAt(r, expectedLabel, b, at)
		}
		if field := p.found.find(r, b[at:colon]); field != nil {
			*field = value.Text(b[colon+1 : end])
		}
		at = end + 1
	}
	return nil
}
