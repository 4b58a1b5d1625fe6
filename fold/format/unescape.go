package format

import (
	"bytes"
	"unicode/utf16"
	"unicode/utf8"
)

// appendUnescaped appends text to dst without its backslash escapes, which are those of Go's strconv.Quote and of JSON:
// \a \b \f \n \r \t \v \\ \" \' \/, \xhh (a byte), \uhhhh (a character of UTF-16, so two of them can be one character)
// and \Uhhhhhhhh. bad is the index of the first backslash that begins none of them, -1 if there is none.
func appendUnescaped(dst, text []byte) (out []byte, bad int) {
	for at := 0; ; {
		n := bytes.IndexByte(text[at:], '\\')
		if n < 0 {
			return append(dst, text[at:]...), -1
		}
		dst = append(dst, text[at:at+n]...)
		at += n
		escape := text[at+1:]
		if len(escape) == 0 {
			return dst, at
		}
		length := 1
		switch c := escape[0]; c {
		case 'a':
			dst = append(dst, '\a')
		case 'b':
			dst = append(dst, '\b')
		case 'f':
			dst = append(dst, '\f')
		case 'n':
			dst = append(dst, '\n')
		case 'r':
			dst = append(dst, '\r')
		case 't':
			dst = append(dst, '\t')
		case 'v':
			dst = append(dst, '\v')
		case '\\', '"', '\'', '/':
			dst = append(dst, c)
		case 'x':
			v, ok := hexDigits(escape[1:], 2)
			if !ok {
				return dst, at
			}
			dst, length = append(dst, byte(v)), 3
		default:
			var char rune
			if char, length = escapedRune(escape); length == 0 {
				return dst, at
			}
			dst = utf8.AppendRune(dst, char)
		}
		at += 1 + length
	}
}

// escapedRune reads the character of the escape uhhhh, uhhhh\uhhhh or Uhhhhhhhh that b begins with. length is 0 if
// there is none, such as for one half of a UTF-16 pair.
func escapedRune(b []byte) (char rune, length int) {
	switch b[0] {
	case 'u':
		length = 5
	case 'U':
		length = 9
	default:
		return 0, 0
	}
	v, ok := hexDigits(b[1:], length-1)
	if ok && length == 5 && utf16.IsSurrogate(rune(v)) && bytes.HasPrefix(b[5:], []byte(`\u`)) {
		low, lowOK := hexDigits(b[7:], 4)
		if char = utf16.DecodeRune(rune(v), rune(low)); lowOK && char != utf8.RuneError {
			return char, 11
		}
	}
	if !ok || v > utf8.MaxRune || utf16.IsSurrogate(rune(v)) {
		return 0, 0
	}
	return rune(v), length
}

// hexDigits reads the n hexadecimal digits that b begins with, at most 8.
func hexDigits(b []byte, n int) (v uint32, ok bool) {
	if len(b) < n {
		return 0, false
	}
	for _, c := range b[:n] {
		switch {
		case c-'0' <= 9:
			c -= '0'
		case c|0x20-'a' <= 5:
			c = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		v = v<<4 | uint32(c)
	}
	return v, true
}
