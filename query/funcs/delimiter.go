package funcs

import (
	"bytes"

	"github.com/sluice-etl/sluice/fold"
	"github.com/sluice-etl/sluice/fold/value"
)

func substringIndexOf(_ *fold.Env, text, delim, n value.Value) value.Value {
	return value.Text(substringIndex(text.Bytes, delim.Bytes, int64(clamp(n))))
}

// substringIndex returns the text before the n-th delimiter, or for n < 0 the text after the n-th delimiter from the
// end. Delimiters are matched from the left and never overlap, for n < 0 too: 'aaa' contains one 'aa', which is
// followed by 'a'.
func substringIndex(b, delim []byte, count int64) []byte {
	if count == 0 || len(delim) == 0 {
		return b[:0]
	}
	if count < 0 {
		if count += int64(bytes.Count(b, delim)) + 1; count <= 0 {
			return b
		}
		return b[endOf(b, delim, count):]
	}
	if end := endOf(b, delim, count); end >= 0 {
		return b[:end-len(delim)]
	}
	return b
}

// endOf returns the index after the n-th delimiter; -1 if there are fewer.
func endOf(b, delim []byte, n int64) int {
	at := 0
	for ; n > 0; n-- {
		i := bytes.Index(b[at:], delim)
		if i < 0 {
			return -1
		}
		at += i + len(delim)
	}
	return at
}
