package parse

import (
	"strings"

	"github.com/sluice-etl/sluice/fold/value"
)

// Source is one statement of a query.
type Source struct {
	Text     string // as the SQL parser reads it
	original string // its text in the query
	offset   int    // of original in the query
	ilike    []bool // for each LIKE of Text: whether it is ILIKE
}

// Split splits a text into statements: at the semicolons outside of quotes and comments. It leaves out empty statements,
// and corrects what the SQL parser reads in another way than MySQL:
//
//   - In quotes, it doubles the backslash of \% and \_, which MySQL passes to LIKE and the parser drops.
//   - It writes backticks around INTERVAL where it is the function, as in INTERVAL(n, 10, 100), because the parser takes it
//     for the beginning of INTERVAL n unit.
//   - It writes backticks around the units of intervals that are two words, such as DAY_HOUR, for which the parser takes
//     only names.
//   - It writes LIKE for ILIKE, which the parser does not have, and notes which ones these are.
//   - Two hyphens begin a comment only before white space, a control character or the end. The parser takes any two
//     hyphens for a comment, so a space is put between others: 1--1 is 2.
func Split(text string) []Source {
	var parts []Source
	var b strings.Builder
	solid, from := false, 0
	var ilike []bool
	end := func(to int) {
		if solid {
			parts = append(parts, Source{Text: b.String(), original: text[from:to], offset: from, ilike: ilike})
		}
		b.Reset()
		solid, from, ilike = false, to+1, nil
	}
	for i := 0; i < len(text); {
		rest := text[i:]
		n := blankLength(rest)
		switch c := text[i]; {
		case strings.HasPrefix(rest, value.ByteOrderMark): // concatenated files have several
			i += n
			continue
		case n > 0:
		case c == ';':
			end(i)
			i++
			continue
		case strings.HasPrefix(rest, "--"):
			b.WriteString("- ")
			solid = true
			i++
			continue
		case isQuote(c):
			n = value.QuotedLength(rest)
			solid = true
			if c != '`' {
				b.WriteString(likeEscapes.Replace(rest[:n]))
				i += n
				continue
			}
		default:
			n, solid = 1, true
			if i > 0 && isWord(text[i-1]) {
				break
			}
			if word := max(compoundUnit(rest), intervalCall(rest)); word > 0 {
				b.WriteString("`" + rest[:word] + "`")
				i += word
				continue
			}
			if word, _ := piece(rest); isLike(rest[:word]) && (i == 0 || text[i-1] != '.') { // not the field in a.like
				ilike = append(ilike, word == len("ilike"))
				b.WriteString("LIKE")
				i += word
				continue
			}
		}
		b.WriteString(rest[:n])
		i += n
	}
	end(len(text))
	return parts
}

// blankLength returns the length of the comment, byte order mark or white space that a text begins with, 0 if it begins
// with something else.
func blankLength(text string) int {
	switch {
	case text[0] == '#':
		return until(text, "\n")
	case strings.HasPrefix(text, "--") && (len(text) == 2 || value.IsSpace(text[2]) || isControl(text[2])):
		return until(text, "\n")
	case strings.HasPrefix(text, "/*"):
		return min(len(text), 2+until(text[2:], "*/")+2)
	case strings.HasPrefix(text, value.ByteOrderMark):
		return len(value.ByteOrderMark)
	case value.IsSpace(text[0]):
		return 1
	}
	return 0
}

// compoundUnit returns the length of the unit of two words with which a text begins, such as DAY_HOUR; 0 if there is none,
// or if FROM follows, as in EXTRACT(DAY_HOUR FROM time).
func compoundUnit(text string) int {
	n, _ := piece(text)
	switch strings.ToLower(text[:n]) {
	case "year_month", "day_hour", "day_minute", "day_second", "day_microsecond", "hour_minute", "hour_second", "hour_microsecond",
		"minute_second", "minute_microsecond", "second_microsecond":
		if rest := strings.TrimLeft(text[n:], " \t\r\n"); !strings.EqualFold(rest[:min(len("from"), len(rest))], "from") {
			return n
		}
	}
	return 0
}

// intervalCall returns the length of INTERVAL if a text begins with a call of the function: a list in parentheses follows.
// It is 0 otherwise, as for INTERVAL (1) DAY.
func intervalCall(text string) int {
	const word = "interval"
	n, _ := piece(text)
	if !strings.EqualFold(text[:n], word) {
		return 0
	}
	depth, empty := 0, true
	for i := n; i < len(text); i += n {
		var blank bool
		n, blank = piece(text[i:])
		switch token := text[i : i+n]; {
		case blank:
		case token == "(":
			depth++
		case token == ")":
			if depth--; depth == 0 && empty {
				return len(word)
			} else if depth == 0 {
				return 0
			}
		case depth == 1 && token == ",":
			return len(word)
		case depth == 0:
			return 0
		default:
			empty = false
		}
	}
	return 0
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
