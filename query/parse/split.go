package parse

import (
	"strings"

	"github.com/sluice-etl/sluice/fold/value"
)

// Split splits a text into statements: at the semicolons outside of quotes and comments. It leaves out comments and empty
// statements, and corrects what the SQL parser reads in another way than MySQL:
//
//   - In quotes, it doubles the backslash of \% and \_, which MySQL passes to LIKE and the parser drops.
//   - Two hyphens begin a comment only before white space, a control character or the end. The parser takes any two
//     hyphens for a comment, so a space is put between others: 1--1 is 2.
func Split(text string) []string {
	var parts []string
	var b strings.Builder
	solid := false
	end := func() {
		if solid {
			parts = append(parts, b.String())
		}
		b.Reset()
		solid = false
	}
	for i := 0; i < len(text); {
		rest := text[i:]
		n := 1
		switch c := text[i]; {
		case c == ';':
			end()
			i++
			continue
		case strings.HasPrefix(rest, value.ByteOrderMark): // concatenated files have several
			i += len(value.ByteOrderMark)
			continue
		case c == '#':
			n = until(rest, "\n")
		case strings.HasPrefix(rest, "--"):
			if len(rest) > 2 && !value.IsSpace(rest[2]) && !isControl(rest[2]) {
				b.WriteString("- ")
				solid = true
				i++
				continue
			}
			n = until(rest, "\n")
		case strings.HasPrefix(rest, "/*"):
			n = min(len(rest), 2+until(rest[2:], "*/")+2)
		case c == '\'' || c == '"' || c == '`':
			n = value.QuotedLength(rest)
			solid = true
			if c != '`' {
				b.WriteString(likeEscapes.Replace(rest[:n]))
				i += n
				continue
			}
		case !value.IsSpace(c):
			solid = true
		}
		b.WriteString(rest[:n])
		i += n
	}
	end()
	return parts
}

func isControl(c byte) bool { return c < ' ' || c == 0x7f }

// likeEscapes doubles the backslash of \% and \_. Its first pair consumes \\, so that the second backslash is not taken
// for the beginning of an escape.
var likeEscapes = strings.NewReplacer(`\\`, `\\`, `\%`, `\\%`, `\_`, `\\_`)

// until returns the index of stop in s, or the length of s if stop is missing.
func until(s, stop string) int {
	if i := strings.Index(s, stop); i >= 0 {
		return i
	}
	return len(s)
}
