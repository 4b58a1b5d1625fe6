package funcs

import (
	"unicode"
	"unicode/utf8"

	"github.com/sluice-etl/sluice/fold"
	"github.com/sluice-etl/sluice/fold/value"
	"github.com/sluice-etl/sluice/query/expr"
)

// cases holds the functions that map letters to upper or lower case. Servers and collations map letters by different
// versions of Unicode, from 3 to 14: a letter that not all of them map in the same way makes the record a dead letter.
var cases = []expr.Function{
	{
		Name: "lower", Params: []expr.Param{expr.Text.Param("text")}, Result: expr.Text, Eval1: lower, Type: sameChars,
		Example: "host", Doc: "the text in lower case",
	},
	{
		Name: "lcase", Params: []expr.Param{expr.Text.Param("text")}, Result: expr.Text, Eval1: lower, Type: sameChars,
		Example: "host", Doc: "the same as `LOWER`",
	},
	{
		Name: "upper", Params: []expr.Param{expr.Text.Param("text")}, Result: expr.Text, Eval1: upper, Type: sameChars,
		Example: "method", Doc: "the text in upper case",
	},
	{
		Name: "ucase", Params: []expr.Param{expr.Text.Param("text")}, Result: expr.Text, Eval1: upper, Type: sameChars,
		Example: "method", Doc: "the same as `UPPER`",
	},
}

func lower(r *fold.Env, v value.Value) value.Value {
	return mapLetters(r, v, 'A', "LOWER", unicode.ToLower, otherLower)
}

func upper(r *fold.Env, v value.Value) value.Value {
	return mapLetters(r, v, 'a', "UPPER", unicode.ToUpper, otherUpper)
}

// mapLetters maps the 26 letters that begin with first to the other case, and other letters with the function of,
// except those in the table. Bytes that are not UTF-8 stay unchanged.
func mapLetters(r *fold.Env, v value.Value, first byte, name string, of func(rune) rune, except *unicode.RangeTable) value.Value {
	from := len(r.Text)
	for i := 0; i < len(v.Bytes); {
		c := v.Bytes[i]
		if c < utf8.RuneSelf {
			if c-first < 26 {
				c ^= 0x20
			}
			r.Text = append(r.Text, c)
			i++
			continue
		}
		letter, size := utf8.DecodeRune(v.Bytes[i:])
		switch {
		case letter == utf8.RuneError && size == 1:
			r.Text = append(r.Text, c)
		case unicode.Is(except, letter):
			return r.Fail("%s: servers do not agree on the other case of %s, which is U+%04X", name, value.Quote(v.Bytes[i:i+size]), letter)
		default:
			r.Text = utf8.AppendRune(r.Text, of(letter))
		}
		i += size
	}
	return made(r, from)
}
