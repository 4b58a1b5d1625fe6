// Package quote makes text from outside safe to show on a terminal. A server's reply, a record, a file's name or a
// certificate may hold the control sequences that set a terminal's title, clear its screen or type into it, and
// characters that change the order in which a line is read.
package quote

import (
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Text is s as one line: control characters (C0, DEL and C1), what is no UTF-8, line and paragraph separators, and
// characters that cannot be seen, those of bidirectional text among them, are written as escapes, \x1b or \u202e. What
// needs none is returned as it is.
func Text(s string) string { return escape(s, "") }

// Lines is the same for text of several lines: line feeds and tabs stay.
func Lines(s string) string { return escape(s, "\n\t") }

// Needed reports whether Text would change s.
func Needed(s string) bool {
	for i, r := range s {
		if isUnsafe(r) || r == utf8.RuneError && isInvalid(s[i:]) {
			return true
		}
	}
	return false
}

// Writer writes what is written to it to w, with escapes as JSON has them: \u001b. Line feeds and tabs stay. It is for
// logs, text or JSON, each line of which comes in one Write.
func Writer(w io.Writer) io.Writer { return writer{w} }

type writer struct{ w io.Writer }

// Write implements io.Writer.
func (q writer) Write(b []byte) (int, error) {
	safe := mapUnsafe(string(b), "\n\t", func(w *strings.Builder, s string, r rune) {
		if r > 0xffff {
			high, low := surrogates(r)
			fmt.Fprintf(w, `\u%04x\u%04x`, high, low)
			return
		}
		fmt.Fprintf(w, `\u%04x`, r)
	})
	if _, err := io.WriteString(q.w, safe); err != nil {
		return 0, err
	}
	return len(b), nil
}

func surrogates(r rune) (high, low rune) {
	r -= 0x10000
	return 0xd800 + r>>10, 0xdc00 + r&0x3ff
}

func escape(s, keep string) string {
	return mapUnsafe(s, keep, func(w *strings.Builder, seen string, r rune) {
		switch {
		case r == '\n':
			w.WriteString(`\n`)
		case r == '\r':
			w.WriteString(`\r`)
		case r == '\t':
			w.WriteString(`\t`)
		case r == utf8.RuneError, r < 0x80:
			fmt.Fprintf(w, `\x%02x`, seen[0])
		case r > 0xffff:
			fmt.Fprintf(w, `\U%08x`, r)
		default:
			fmt.Fprintf(w, `\u%04x`, r)
		}
	})
}

// mapUnsafe has each unsafe character written by escape, which is given its bytes and itself.
func mapUnsafe(s, keep string, escape func(w *strings.Builder, seen string, r rune)) string {
	if !Needed(s) {
		return s
	}
	var w strings.Builder
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		if (isUnsafe(r) && !strings.ContainsRune(keep, r)) || r == utf8.RuneError && n == 1 {
			escape(&w, s[:n], r)
		} else {
			w.WriteString(s[:n])
		}
		s = s[n:]
	}
	return w.String()
}

func isInvalid(s string) bool {
	_, n := utf8.DecodeRuneInString(s)
	return n == 1
}

// isUnsafe reports whether a character does something to a terminal or to the text beside it. What joins letters and
// emoji, or marks where a word may be cut, stays.
func isUnsafe(r rune) bool {
	switch r {
	case '\u00ad', '\u200c', '\u200d':
		return false
	}
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp)
}
