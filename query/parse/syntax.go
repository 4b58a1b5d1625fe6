package parse

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

var nearText = regexp.MustCompile(`(?s)syntax error at position (\d+)(?: near '(.*)')?`)

// syntaxError returns the error for a statement that cannot be parsed. The parser reports the text at which it stopped,
// which may be one word too late. So the error shows this text, and says whether a word before it is reserved.
func (s Source) syntaxError(err error) error {
	text := s.Text
	m := nearText.FindStringSubmatch(err.Error())
	if m == nil {
		return fmt.Errorf("cannot be read: %s", strings.TrimSpace(err.Error()))
	}
	position, _ := strconv.Atoi(m[1])
	at := min(max(position, 0), len(text))
	shown := strings.TrimSpace(m[2])
	if shown == "" {
		shown = "the end"
	} else {
		shown = "'" + shown + "'"
	}
	line := 1 + strings.Count(text[:at], "\n")
	hint, word := "", ""
	words := identifier.FindAllString(text[:at], -1)
	if n := len(words); n > 0 && !s.IsCreate() { // in which the names of types are expected
		for _, w := range words[max(0, n-2):] {
			if reserved(w) && !clauseWord[strings.ToLower(w)] {
				word = w
				hint = fmt.Sprintf("; %s is a reserved word of MySQL: as the name of a field or an alias it needs backticks: `%s`", w, w)
				break
			}
		}
	}
	return s.locateSyntax(position, strings.TrimSpace(m[2]), word, fmt.Errorf("syntax error near %s, line %d of the statement%s", shown, line, hint))
}

var identifier = regexp.MustCompile(`[A-Za-z_][A-Za-z0-9_]*`)

// clauseWord holds the reserved words that a correct query contains, so that they explain no error.
var clauseWord = map[string]bool{
	"insert": true, "into": true, "select": true, "from": true, "where": true, "group": true, "by": true, "and": true, "or": true,
	"not": true, "as": true, "like": true, "in": true, "between": true, "is": true, "null": true, "case": true, "when": true,
	"then": true, "else": true, "end": true, "cast": true, "interval": true, "div": true, "mod": true, "true": true, "false": true,
	"if": true, "left": true, "right": true, "with": true, "having": true, "order": true, "limit": true, "union": true, "xor": true,
}
