package value

import "unicode/utf8"

// Cut returns the first n characters of a text.
func Cut(b []byte, n int) []byte {
	if len(b) <= n {
		return b
	}
	at := 0
	for ; n > 0 && at < len(b); n-- {
		if b[at] < utf8.RuneSelf {
			at++
			continue
		}
		_, size := utf8.DecodeRune(b[at:])
		at += size
	}
	return b[:at:at]
}

// TrimSpace returns a text without the ASCII white space around it.
func TrimSpace(b []byte) []byte {
	for len(b) > 0 && IsSpace(b[0]) {
		b = b[1:]
	}
	for len(b) > 0 && IsSpace(b[len(b)-1]) {
		b = b[:len(b)-1]
	}
	return b
}

// IsSpace reports whether a byte is ASCII white space: a space, tab, line feed, vertical tab, form feed or carriage
// return.
func IsSpace(c byte) bool { return c == ' ' || c-'\t' < 5 }

// QuotedLength returns the length of the quoted text with which s begins, both quotes included. A backslash escapes the
// next character, except in backticks. If the closing quote is missing, it returns the length of s.
func QuotedLength(s string) int {
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == s[0]:
			return i + 1
		case s[i] == '\\' && s[0] != '`':
			i++
		}
	}
	return len(s)
}

// ByteOrderMark is the byte order mark of UTF-8.
const ByteOrderMark = "\xef\xbb\xbf"

// TrimBOM returns b without a byte order mark at its start.
func TrimBOM(b []byte) []byte {
	if len(b) >= len(ByteOrderMark) && b[0] == ByteOrderMark[0] && string(b[:len(ByteOrderMark)]) == ByteOrderMark {
		return b[len(ByteOrderMark):]
	}
	return b
}
