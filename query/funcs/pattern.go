package funcs

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"unicode/utf8"
)

// compilePattern compiles a pattern that Go, MariaDB (PCRE) and MySQL (ICU) read alike, or says what to write instead.
func compilePattern(text string) (*regexp.Regexp, error) {
	if !utf8.ValidString(text) {
		return nil, errors.New("the pattern must be UTF-8")
	}
	if err := checkPattern(text); err != nil {
		return nil, err
	}
	re, err := regexp.Compile(text)
	if err != nil {
		return nil, fmt.Errorf("the pattern: %w", err)
	}
	if repeatsEmpty(parsed(text)) {
		return nil, errors.New("the pattern repeats what can match an empty text, and servers differ on what it matches: use + or {1,} within the repetition")
	}
	return re, nil
}

// parsed is the tree of a pattern that compiles.
func parsed(text string) *syntax.Regexp {
	tree, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return &syntax.Regexp{Op: syntax.OpNoMatch}
	}
	return tree
}

// checkPattern rejects what has other meanings in other engines.
func checkPattern(text string) error {
	class := false
	rest := text
	if flags, after, ok := cutFlags(text); ok && strings.Trim(flags, "is") == "" {
		rest = after
	}
	for len(rest) > 0 {
		n := 1
		switch c := rest[0]; {
		case c == '\\':
			n = escapeLength(rest)
			if n == 0 {
				_, size := utf8.DecodeRuneInString(rest[1:])
				return rejectedEscape(rest[:1+size])
			}
		case class && c == ']':
			class = false
		case class && (c == '[' || strings.HasPrefix(rest, "&&") || strings.HasPrefix(rest, "--")):
			return otherMeaning(rest[:min(2, len(rest))]+" within [ ]", "[0-9], [A-Za-z] or [ \\\\t] for a class, and a backslash in front of a character that stands for itself")
		case class:
		case c == '[':
			class = true
			n = classStart(rest)
		case strings.HasPrefix(rest, "(?") && !strings.HasPrefix(rest, "(?:"):
			return rejectedGroup(rest)
		case c == '{' && !repetition.MatchString(rest):
			return otherMeaning("{ without a repetition such as {2,3}", "\\\\{ for the character")
		}
		rest = rest[n:]
	}
	return nil
}

var repetition = regexp.MustCompile(`^\{[0-9]+(,[0-9]*)?\}`)

// cutFlags cuts (?flags) from the beginning of a pattern.
func cutFlags(text string) (flags, after string, ok bool) {
	if !strings.HasPrefix(text, "(?") {
		return "", text, false
	}
	flags, after, ok = strings.Cut(text[2:], ")")
	return flags, after, ok && flags != "" && strings.Trim(flags, "imsxU") == ""
}

// classStart is the length of [ or [^, and of a ] behind it, which stands for itself.
func classStart(rest string) int {
	n := 1
	if strings.HasPrefix(rest[n:], "^") {
		n++
	}
	if strings.HasPrefix(rest[n:], "]") {
		n++
	}
	return n
}

// escapeLength is the length of an escape that all engines read alike; 0 if they do not.
func escapeLength(rest string) int {
	if len(rest) < 2 {
		return 2 // the compiler rejects it
	}
	switch c := rest[1]; {
	case strings.IndexByte("tnrfAz", c) >= 0:
		return 2
	case c > ' ' && c < utf8.RuneSelf && c != '_' && !alphanumeric(c):
		return 2
	case c == 'x' && len(rest) >= 4 && isHex(rest[2]) && isHex(rest[3]):
		return 4
	}
	return 0
}

func alphanumeric(c byte) bool { return c-'0' < 10 || c|0x20-'a' < 26 }

func isHex(c byte) bool {
	_, ok := digit(c)
	return ok
}

// classOf holds what to write in place of escapes whose classes have other characters on servers, which use Unicode.
var classOf = map[byte]string{
	'd': "[0-9]", 'D': "[^0-9]", 'w': "[0-9A-Za-z_]", 'W': "[^0-9A-Za-z_]", 's': `[ \\t\\r\\n]`, 'S': `[^ \\t\\r\\n]`,
	'Z': "$", 'Q': "a backslash in front of each character", 'p': "the characters in [ ]", 'P': "the characters in [^ ]",
}

func rejectedEscape(escape string) error {
	c := escape[len(escape)-1]
	switch {
	case c-'0' < 10:
		return noBacktracking("back references such as " + escape)
	case c == 'b' || c == 'B':
		return otherMeaning(escape, "(^|[^0-9A-Za-z_]) for the beginning of a word")
	case classOf[c] != "":
		return otherMeaning(escape, classOf[c])
	}
	return otherMeaning(escape, "the character itself")
}

func rejectedGroup(rest string) error {
	if flags, _, ok := cutFlags(rest); ok {
		return otherMeaning("(?"+flags+")", "(?i) to ignore case or (?s) for a point that matches line ends, at the beginning")
	}
	for _, look := range []string{"(?=", "(?!", "(?<=", "(?<!"} {
		if strings.HasPrefix(rest, look) {
			return noBacktracking("lookaround such as " + look + "…)")
		}
	}
	return otherMeaning(rest[:min(len(rest), 3)]+"…)", "(…), or (?:…) for a group without a number")
}

func otherMeaning(what, write string) error {
	return fmt.Errorf("the pattern: %s means other things in other servers: write %s", what, write)
}

func noBacktracking(what string) error {
	return fmt.Errorf("the pattern: there are no %s: patterns are those of RE2, which match in a time that is proportional to the length of the text", what)
}

// canBeEmpty reports whether a pattern can match an empty text.
func canBeEmpty(e *syntax.Regexp) bool {
	switch e.Op {
	case syntax.OpNoMatch, syntax.OpCharClass, syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return false
	case syntax.OpLiteral:
		return len(e.Rune) == 0
	case syntax.OpCapture, syntax.OpPlus:
		return canBeEmpty(e.Sub[0])
	case syntax.OpRepeat:
		return e.Min == 0 || canBeEmpty(e.Sub[0])
	case syntax.OpConcat:
		return !slices.ContainsFunc(e.Sub, func(s *syntax.Regexp) bool { return !canBeEmpty(s) })
	case syntax.OpAlternate:
		return slices.ContainsFunc(e.Sub, canBeEmpty)
	}
	return true // * and ?, and what matches positions
}

// repeatsEmpty reports whether a pattern repeats what can match an empty text.
func repeatsEmpty(e *syntax.Regexp) bool {
	switch e.Op {
	case syntax.OpStar, syntax.OpPlus, syntax.OpQuest, syntax.OpRepeat:
		if canBeEmpty(e.Sub[0]) {
			return true
		}
	}
	return slices.ContainsFunc(e.Sub, repeatsEmpty)
}

// withoutBegin is a pattern in which ^ never matches, as for all matches behind the first.
func withoutBegin(re *regexp.Regexp) *regexp.Regexp {
	tree := parsed(re.String())
	if !removeBegin(tree) {
		return re
	}
	return regexp.MustCompile(tree.String())
}

func removeBegin(e *syntax.Regexp) (found bool) {
	if e.Op == syntax.OpBeginText {
		e.Op, found = syntax.OpNoMatch, true
	}
	for _, s := range e.Sub {
		found = removeBegin(s) || found
	}
	return found
}

// piece is a text of a replacement, followed by a group unless that is negative.
type piece struct {
	text  []byte
	group int
}

// parseReplacement reads a replacement as MySQL does: $1 is a group and $0 the whole match, and a backslash stands in front
// of a character that stands for itself. A number has as many digits as make one of a group.
func parseReplacement(b []byte, groups int) (by []piece, err error) {
	p := piece{group: -1}
	for i := 0; i < len(b); i++ {
		switch {
		case b[i] == '\\' && i+1 < len(b) && b[i+1]-'0' >= 10:
			i++
			p.text = append(p.text, b[i])
		case b[i] == '\\':
			return nil, errors.New(`a backslash in the replacement: write $1 for the first group, as in MySQL, and \\\\ for a backslash`)
		case b[i] != '$':
			p.text = append(p.text, b[i])
		default:
			n := -1
			for i+1 < len(b) && b[i+1]-'0' < 10 && max(n, 0)*10+int(b[i+1]-'0') <= groups {
				n = max(n, 0)*10 + int(b[i+1]-'0')
				i++
			}
			if n < 0 {
				return nil, fmt.Errorf(`a $ in the replacement is followed by no number of a group, 0 to %d: write \\$ for the character`, groups)
			}
			p.group = n
			by = append(by, p)
			p = piece{group: -1}
		}
	}
	return append(by, p), nil
}
