// Package quote makes untrusted text safe to show on a terminal. A server's reply, a record, a file name or a certificate
// may contain control sequences that set a terminal's title, clear its screen or type into it, and characters that change
// the order in which a line is read.
package quote

import (
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Text returns s as one line: control characters (C0, DEL and C1), invalid UTF-8, line and paragraph separators, and
// invisible characters including those of bidirectional text are written as escapes, \x1b or \u202e. Text that needs no
// escapes is returned unchanged.
func Text(s string) string { return escape(s, "") }

// Lines is Text for several lines: it keeps line feeds and tabs.
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

// Writer returns a writer that escapes as JSON does, \u001b, and writes to w. It keeps line feeds and tabs. It is for logs,
// text or JSON, each line of which must come in one Write.
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

// mapUnsafe replaces each unsafe character by what escape writes; escape gets its bytes and the rune.
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

// isUnsafe reports whether a character affects a terminal or the text beside it. Joiners of letters and emoji, and soft
// hyphens, are safe.
func isUnsafe(r rune) bool {
	switch r {
	case '\u00ad', '\u200c', '\u200d':
		return false
	}
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp)
}
