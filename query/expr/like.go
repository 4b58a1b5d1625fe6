package expr

import (
	"bytes"
	"unicode/utf8"

	"github.com/sluice-etl/sluice/fold"
	"github.com/sluice-etl/sluice/fold/value"
	"github.com/sluice-etl/sluice/query/ast"
)

// maxLike bounds the work of one LIKE whose pattern is from the record: the product of the lengths of text and pattern, in
// bytes.
const maxLike = 64 << 20

// like compiles text LIKE pattern ESCAPE c: % matches any text, _ matches one character. Other characters match only
// themselves, because bytes are compared. (MySQL's default collation would ignore case.)
func (c *Compiler) like(e *ast.Expr) Compiled {
	a, p := c.Text(c.Compile(e.Args[0])), c.Text(c.Compile(e.Args[1]))
	var escape []byte
	if e.Name != "" {
		escape = []byte(e.Name)
	}
	eval, hit, miss := a.Eval, value.Yes, value.No
	if e.Not {
		hit, miss = value.No, value.Yes
	}
	match := func(b, pattern []byte) bool { return likeMatch(b, pattern, escape) }
	if p.Constant {
		match = likePattern(p.Eval(&fold.Env{}).Bytes, escape)
	}
	pattern := p.Eval
	return condition(e, a.Nullable || p.Nullable, a.Constant && p.Constant, func(r *fold.Env) value.Truth {
		v, q := eval(r), pattern(r)
		switch {
		case !v.Set || !q.Set:
			return value.Unknown
		case !p.Constant && len(v.Bytes) > maxLike/(len(q.Bytes)+1):
			r.Fail("LIKE: a text and a pattern of the record are too long: the product of their lengths must be at most %d", maxLike)
			return value.Unknown
		case match(v.Bytes, q.Bytes):
			return hit
		}
		return miss
	})
}

// likePattern compiles a constant pattern. Most patterns have % only at their ends, so they need no general matching.
func likePattern(pattern, escape []byte) func(b, pattern []byte) bool {
	var text []byte
	before, after, plain := false, false, true
	for i := 0; i < len(pattern); {
		switch {
		case isEscape(pattern[i:], escape) && i+len(escape) < len(pattern):
			i += len(escape)
			_, size := utf8.DecodeRune(pattern[i:])
			text = append(text, pattern[i:i+size]...)
			plain = plain && !after
			i += size
			continue
		case pattern[i] == '_':
			plain = false
		case pattern[i] == '%':
			if len(text) == 0 {
				before = true
			} else {
				after = true
			}
			i++
			continue
		}
		plain = plain && !after
		text = append(text, pattern[i])
		i++
	}
	switch {
	case !plain:
		return func(b, pattern []byte) bool { return likeMatch(b, pattern, escape) }
	case len(text) == 0 && before:
		return func([]byte, []byte) bool { return true }
	case before && after:
		return func(b, _ []byte) bool { return bytes.Contains(b, text) }
	case before:
		return func(b, _ []byte) bool { return bytes.HasSuffix(b, text) }
	case after:
		return func(b, _ []byte) bool { return bytes.HasPrefix(b, text) }
	}
	return func(b, _ []byte) bool { return bytes.Equal(b, text) }
}

func isEscape(pattern, escape []byte) bool {
	return len(escape) > 0 && bytes.HasPrefix(pattern, escape)
}

// likeMatch matches any pattern. On a mismatch it returns to the last % and lets it match one more character. An
// earlier % need not be tried again, because the last one can match whatever the earlier one could match more. So the
// time is at most the product of both lengths.
func likeMatch(b, pattern, escape []byte) bool {
	i, p := 0, 0
	star, from := -1, 0
	for {
		ok := false
		switch {
		case p == len(pattern):
			ok = i == len(b)
			if ok {
				return true
			}
		case isEscape(pattern[p:], escape) && p+len(escape) < len(pattern):
			q := p + len(escape)
			if i < len(b) && b[i] == pattern[q] {
				i, p, ok = i+1, q+1, true
			}
		case pattern[p] == '%':
			star, from = p, i
			p, ok = p+1, true
		case pattern[p] == '_':
			if i < len(b) {
				_, size := utf8.DecodeRune(b[i:])
				i, p, ok = i+size, p+1, true
			}
		default:
			if i < len(b) && b[i] == pattern[p] {
				i, p, ok = i+1, p+1, true
			}
		}
		if ok {
			continue
		}
		if star < 0 || from >= len(b) {
			return false
		}
		_, size := utf8.DecodeRune(b[from:])
		from += size
		i, p = from, star+1
	}
}
