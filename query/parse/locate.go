package parse

import (
	"errors"
	"reflect"
	"strconv"
	"strings"

	"github.com/dolthub/vitess/go/vt/sqlparser"

	"github.com/sluice-etl/sluice/fold/value"
	"github.com/sluice-etl/sluice/query/ast"
)

// The SQL parser's tree has no positions. But it can be written as SQL, in a normal form, and while it is written the
// place of each node in that text is known. The normal form and the text of the query have the same tokens, apart from
// what the parser adds, removes or renames: AS, some names of functions, comments. So both are split into tokens, their
// tokens are aligned, and a place in the one is translated into a place in the other. What cannot be aligned has no
// place.

// Error is an error at a place in the text of the query.
type Error struct {
	From, To int // bytes of the text of all statements
	Err      error
}

// Error implements error.
func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns the error without the place.
func (e *Error) Unwrap() error { return e.Err }

// places holds the place of each node in the normal form of a statement.
type places map[sqlparser.SQLNode][2]int

// normalText returns the normal form of a tree, and the places of its nodes. Only nodes that are pointers have places.
func normalText(tree sqlparser.SQLNode) (string, places) {
	at := places{}
	buf := sqlparser.NewTrackedBuffer(func(buf *sqlparser.TrackedBuffer, node sqlparser.SQLNode) {
		from := buf.Len()
		node.Format(buf)
		if isPointer(node) {
			at[node] = [2]int{from, buf.Len()}
		}
	})
	tree.Format(buf)
	return buf.String(), at
}

// isPointer reports whether a node can be the key of a map. The others are lists and constants.
func isPointer(node sqlparser.SQLNode) bool {
	return node != nil && reflect.TypeOf(node).Kind() == reflect.Pointer
}

// at returns an error at a node's place in the normal form.
func (p places) at(node sqlparser.SQLNode, err error) error {
	if err == nil || !isPointer(node) {
		return err
	}
	if _, placed := errors.AsType[*ast.Error](err); placed { // at a part of the node
		return err
	}
	place := p[node]
	return &ast.Error{From: place[0], To: place[1], Err: err}
}

// Locate returns err with the place in the text of the query in place of that in the normal form of the statement. If
// the place cannot be found with certainty, it returns err unchanged.
func (s Source) Locate(normal string, err error) error {
	e, ok := errors.AsType[*ast.Error](err)
	if !ok || e.To == 0 {
		return err
	}
	ours, theirs := tokens(s.original), tokens(normal)
	aligned := align(theirs, ours)
	first, last, found, all := -1, -1, 0, 0
	for i, t := range theirs {
		if t.from < e.From || t.to > e.To {
			continue
		}
		all++
		if aligned[i] < 0 {
			continue
		}
		if found++; first < 0 {
			first = aligned[i]
		}
		last = aligned[i]
	}
	if found == 0 || 2*found < all {
		return err
	}
	return &Error{From: s.offset + ours[first].from, To: s.offset + ours[last].to, Err: err}
}

// locateSyntax returns the error of a statement that the SQL parser does not take, with the place of the token that it
// does not take: word, if it is not empty, is the reserved word before it that causes the error. at is how many bytes of
// s.Text the parser has read, usually one behind the token; near is the token that it read before that has a text.
func (s Source) locateSyntax(at int, near, word string, err error) error {
	ours, theirs := tokens(s.original), tokens(s.Text)
	if len(ours) != len(theirs) || len(ours) == 0 {
		return err
	}
	if at > len(s.Text) && s.isCutOff(at) {
		end := s.offset + ours[len(ours)-1].to
		return &Error{From: end, To: end, Err: err}
	}
	found := -1
	for i, t := range theirs {
		switch {
		case word != "" && t.to < at && s.Text[t.from:t.to] == word:
			found = i
		case word != "":
		case t.to != at-1:
		case !isWord(t.text[0]) && !isQuote(s.Text[t.from]), strings.EqualFold(strings.Trim(s.Text[t.from:t.to], "'\"`"), near):
			found = i
		}
	}
	if found < 0 {
		return err
	}
	return &Error{From: s.offset + ours[found].from, To: s.offset + ours[found].to, Err: err}
}

// isCutOff reports whether the parser has read the whole statement, up to byte at, and expects more: with more text, it
// takes the statement or stops later.
func (s Source) isCutOff(at int) bool {
	_, err := sqlparser.Parse(s.Text + " )")
	if err == nil {
		return true
	}
	m := nearText.FindStringSubmatch(err.Error())
	if m == nil {
		return false
	}
	later, _ := strconv.Atoi(m[1])
	return later > at
}

// token is a word, a number, a quoted text or an operator.
type token struct {
	from, to int
	text     string // in the form in which tokens are compared
}

// stringToken is the text of all texts in quotes, which the normal form escapes in another way.
const stringToken = "'"

// synonyms are tokens that the parser renames.
var synonyms = map[string]string{"<>": "!=", "&&": "and", "rlike": "regexp", "substring": "substr", "mid": "substr", "mod": "%"}

// operators are the operators of several characters; the longest come first.
var operators = []string{"<=>", "->>", "<=", ">=", "<>", "!=", "->", "||", "&&"}

// tokens splits SQL into tokens, without comments.
func tokens(text string) (all []token) {
	for i := 0; i < len(text); {
		n, blank := piece(text[i:])
		if !blank {
			all = append(all, token{i, i + n, compared(text[i : i+n])})
		}
		i += n
	}
	return all
}

// piece returns the length of the token, or of the comment or white space, at the beginning of a text.
func piece(text string) (n int, blank bool) {
	if n := blankLength(text); n > 0 {
		return n, true
	}
	switch c := text[0]; {
	case isQuote(c):
		return value.QuotedLength(text), false
	case isWord(c):
		for n = 1; n < len(text) && isWord(text[n]); {
			n++
		}
		return n, false
	}
	for _, op := range operators {
		if strings.HasPrefix(text, op) {
			return len(op), false
		}
	}
	return 1, false
}

func isWord(c byte) bool {
	return c == '_' || c == '$' || c == '@' || c >= 0x80 || '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z'
}

func isQuote(c byte) bool { return c == '\'' || c == '"' || c == '`' }

// compared returns the form in which a token is compared.
func compared(text string) string {
	switch text[0] {
	case '\'', '"':
		return stringToken
	case '`':
		return strings.ToLower(strings.ReplaceAll(strings.Trim(text, "`"), "``", "`"))
	}
	text = strings.ToLower(text)
	if s := synonyms[text]; s != "" {
		return s
	}
	return text
}

// maxAligned bounds the tokens between those that both texts begin and end with, because they are aligned in time that
// grows with the square of their number.
const maxAligned = 2000

// align returns, for each token of a, the index of the same token of b, -1 if there is none: first those with which both
// begin and end, then a longest common subsequence of those in between.
func align(a, b []token) []int {
	to := make([]int, len(a))
	for i := range to {
		to[i] = -1
	}
	lo := 0
	for lo < len(a) && lo < len(b) && a[lo].text == b[lo].text {
		to[lo] = lo
		lo++
	}
	ha, hb := len(a), len(b)
	for ha > lo && hb > lo && a[ha-1].text == b[hb-1].text {
		ha, hb = ha-1, hb-1
		to[ha] = hb
	}
	n, m := ha-lo, hb-lo
	if n > maxAligned || m > maxAligned {
		return to
	}
	common := make([][]uint16, n+1) // the length of the longest common subsequence of what follows both indices
	for i := range common {
		common[i] = make([]uint16, m+1)
	}
	for i := n - 1; i >= 0; i-- {
		for j := m - 1; j >= 0; j-- {
			if a[lo+i].text == b[lo+j].text {
				common[i][j] = common[i+1][j+1] + 1
			} else {
				common[i][j] = max(common[i+1][j], common[i][j+1])
			}
		}
	}
	for i, j := 0, 0; i < n && j < m; {
		switch {
		case a[lo+i].text == b[lo+j].text:
			to[lo+i] = lo + j
			i, j = i+1, j+1
		case common[i+1][j] >= common[i][j+1]:
			i++
		default:
			j++
		}
	}
	return to
}
