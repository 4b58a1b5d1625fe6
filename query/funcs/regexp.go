package funcs

import (
	"regexp"
	"unicode/utf8"

	"github.com/sluice-etl/sluice/fold"
	"github.com/sluice-etl/sluice/fold/value"
	"github.com/sluice-etl/sluice/query/expr"
)

// regexps are the functions of regular expressions, which are constants. The operators REGEXP and RLIKE are REGEXP_LIKE.
//
// Package regexp allocates the positions of each match, 16 bytes for each group, so that a text that matches costs one
// allocation, except in REGEXP_LIKE. REGEXP_REPLACE costs one for each match.
var regexps = []expr.Function{
	{
		Name: "regexp_like", Params: []expr.Param{expr.Text.Param("text"), expr.Text.Param("pattern").Const()}, Result: expr.Integer, Compile: regexpLike,
		Example: "path, '^/[0-9]'", Doc: "1 if the pattern matches a part of the text, otherwise 0",
	},
	{
		Name: "regexp_substr", Params: []expr.Param{expr.Text.Param("text"), expr.Text.Param("pattern").Const()}, Result: expr.Text, Compile: regexpSubstr,
		Example: "agent, 'Chrome/[0-9]+'", Doc: "the part that the pattern matches first; NULL if there is none",
	},
	{
		Name: "regexp_instr", Params: []expr.Param{expr.Text.Param("text"), expr.Text.Param("pattern").Const()}, Result: expr.Integer, Compile: regexpInstr,
		Example: "path, '[0-9]'", Doc: "the position of this part; 0 if there is none",
	},
	{
		Name: "regexp_replace", Params: []expr.Param{expr.Text.Param("text"), expr.Text.Param("pattern").Const(), expr.Text.Param("by").Const()}, Result: expr.Text, Compile: regexpReplace,
		Example: "path, '/[0-9]+', '/:id'", Doc: "the text with `by`, in which `$1` is a group, in place of each part",
	},
}

// constantPattern compiles the pattern of a call, its second argument.
func constantPattern(c *expr.Compiler, x expr.Compiled, args []expr.Compiled) *regexp.Regexp {
	re, err := compilePattern(string(args[1].Eval(nil).Bytes))
	if err != nil {
		c.Fail(x.Source, "%w", err)
	}
	return re
}

func regexpLike(c *expr.Compiler, x expr.Compiled, args []expr.Compiled) expr.Compiled {
	re := constantPattern(c, x, args)
	return strict(x, args[0], func(v value.Value) value.Value { return value.Bool(re.Match(v.Bytes)) })
}

// regexpSubstr is NULL without a match, as in MySQL. In MariaDB the result is empty then.
func regexpSubstr(c *expr.Compiler, x expr.Compiled, args []expr.Compiled) expr.Compiled {
	re := constantPattern(c, x, args)
	x.Nullable, x.MaxChars = true, args[0].MaxChars
	return strict(x, args[0], func(v value.Value) value.Value {
		at := re.FindIndex(v.Bytes)
		if at == nil {
			return value.Null
		}
		return value.Text(v.Bytes[at[0]:at[1]:at[1]])
	})
}

func regexpInstr(c *expr.Compiler, x expr.Compiled, args []expr.Compiled) expr.Compiled {
	re := constantPattern(c, x, args)
	return strict(x, args[0], func(v value.Value) value.Value {
		at := re.FindIndex(v.Bytes)
		if at == nil {
			return value.Int(0)
		}
		return value.Int(int64(1 + utf8.RuneCount(v.Bytes[:at[0]])))
	})
}

// regexpReplace takes no pattern that can match an empty text, because engines differ on where those matches are.
func regexpReplace(c *expr.Compiler, x expr.Compiled, args []expr.Compiled) expr.Compiled {
	re := constantPattern(c, x, args)
	if c.Err != nil {
		return x
	}
	if canBeEmpty(parsed(re.String())) {
		return c.Fail(x.Source, "the pattern can match an empty text, and servers differ on where it does: use + or {1,} in place of * and ?")
	}
	by, err := parseReplacement(args[2].Eval(nil).Bytes, re.NumSubexp())
	if err != nil {
		return c.Fail(x.Source, "%w", err)
	}
	later := withoutBegin(re)
	return notNull(x, args[0], func(r *fold.Env, v value.Value) value.Value { return replaceMatches(r, v, re, later, by) })
}

// replaceMatches finds the first match by a pattern and those in the rest by another.
func replaceMatches(r *fold.Env, v value.Value, first, later *regexp.Regexp, by []piece) value.Value {
	from, rest, re, found := len(r.Text), v.Bytes, first, false
	for {
		at := re.FindSubmatchIndex(rest)
		if at == nil {
			break
		}
		r.Text = append(r.Text, rest[:at[0]]...)
		for _, p := range by {
			r.Text = append(r.Text, p.text...)
			if p.group >= 0 && at[2*p.group] >= 0 {
				r.Text = append(r.Text, rest[at[2*p.group]:at[2*p.group+1]]...)
			}
		}
		if len(r.Text)-from > maxMade {
			return tooLong(r, "REGEXP_REPLACE")
		}
		rest, re, found = rest[at[1]:], later, true
	}
	if !found {
		return v
	}
	r.Text = append(r.Text, rest...)
	return made(r, from)
}
