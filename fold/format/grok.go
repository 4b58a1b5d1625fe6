package format

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/sluice-etl/sluice/fold/value"
)

// newGrok makes the format of a pattern in the syntax of Logstash's grok: a regular expression in which %{NAME} stands for
// a pattern of grokPatterns, and %{NAME:column} and %{NAME:column:type} make a column of what it matches. A column is a
// text unless it has a type: int, float or time. Everything else is as in the format regex.
func newGrok(text string) (Format, error) {
	g := grok{types: map[string]string{}}
	expression, err := g.expand(text)
	var f *regexFormat
	if err == nil {
		f, err = compileRegex("grok", expression, maxGrok)
	}
	if err != nil {
		return nil, definitionError("grok", err)
	}
	for i := range f.cols {
		c := &f.cols[i]
		if name := g.types[c.name]; name != "" {
			typed := grokTypes[name](c.name)
			typed.typ.Nullable = c.typ.Nullable
			*c = typed
		}
	}
	return f, nil
}

// maxGrok is the most bytes that the regular expression of a grok pattern can have.
const maxGrok = 8 * maxFormatString

type grok struct{ types map[string]string } // of columns that are not texts

var (
	grokReference = regexp.MustCompile(`%\{[^{}]*\}?`)
	grokParts     = regexp.MustCompile(`^%\{(\w+)(?::(\w+))?(?::(\w+))?\}$`)
)

// expand replaces the references of a pattern by the patterns that they name.
func (g *grok) expand(text string) (expression string, err error) {
	expression = grokReference.ReplaceAllStringFunc(text, func(reference string) string {
		parts := grokParts.FindStringSubmatch(reference)
		if parts == nil {
			err = fmt.Errorf("got %s, expected %%{PATTERN}, %%{PATTERN:column} or %%{PATTERN:column:type}, with names of letters, digits and underscores", reference)
			return ""
		}
		pattern, ok := grokPatterns[parts[1]]
		if !ok {
			err = fmt.Errorf("%s: there is no pattern %s; there are %s", reference, parts[1], strings.Join(slices.Sorted(maps.Keys(grokPatterns)), ", "))
			return ""
		}
		inner, innerErr := g.expand(pattern) // a pattern refers only to patterns above it
		if err == nil {
			err = innerErr
		}
		switch column, name := parts[2], parts[3]; {
		case column == "":
			return "(?:" + inner + ")"
		case name != "" && grokTypes[name] == nil:
			err = fmt.Errorf("%s: the type must be one of %s, or absent for a text", reference, strings.Join(slices.Sorted(maps.Keys(grokTypes)), ", "))
		case name != "":
			g.types[column] = name
		}
		return "(?P<" + parts[2] + ">" + inner + ")"
	})
	return expression, err
}

// grokTypes makes a column of each type.
var grokTypes = map[string]func(name string) customColumn{
	"int": func(name string) customColumn {
		return customColumn{name, value.Type{Kind: value.KindInt}, func(r *Fields, v value.Value) value.Value {
			n, scale, ok := value.ParseDecimal(v.Bytes)
			if !ok || scale != 0 || !isDigits(v.Bytes) {
				return r.Fail(name+" must be a whole number of at most 38 digits, got %s", value.Quote(v.Bytes))
			}
			return value.Value{Number: n, Set: true}
		}}
	},
	"float": func(name string) customColumn {
		return customColumn{name, value.Type{Kind: value.KindDecimal, Scale: value.AnyScale}, func(r *Fields, v value.Value) value.Value {
			n, scale, ok := value.ParseDecimal(v.Bytes)
			if !ok {
				return r.Fail(name+" must be a number of at most 38 digits, got %s", value.Quote(v.Bytes))
			}
			return value.Value{Number: n, Scale: uint8(scale), Set: true}
		}}
	},
	"time": func(name string) customColumn {
		return customColumn{name, value.Type{Kind: value.KindTime, Scale: 6}, func(r *Fields, v value.Value) value.Value {
			if value.SyslogTimeLength(v.Bytes) > 0 {
				return readSyslogTime(r, name, v)
			}
			micros, ok := r.Times.Parse(v.Bytes)
			if !ok {
				micros, ok = value.ParseTime(v.Bytes, r.Times.Zone)
			}
			if !ok {
				return r.Fail(name+" %s is not a time such as 2015-05-17T10:05:03Z, 17/May/2015:10:05:03 +0000 or May 17 10:05:03", value.Quote(v.Bytes))
			}
			return value.Time(micros)
		}}
	},
}

// isDigits reports whether b is digits with at most a sign in front.
func isDigits(b []byte) bool {
	for i, c := range b {
		if c-'0' > 9 && (i > 0 || c != '-' && c != '+') {
			return false
		}
	}
	return true
}
