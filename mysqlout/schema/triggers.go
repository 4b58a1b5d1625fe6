package schema

import (
	"context"
	"regexp"
	"strings"

	"github.com/sluice-etl/sluice/mysqlout/internal/sqlerr"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqltext"
	"github.com/sluice-etl/sluice/pool"
	"github.com/sluice-etl/sluice/row"
)

// assigned returns, in lower case, the columns of the row that a BEFORE trigger sets to values other than those of the
// statement: the targets of SET. A procedure that gets such a column as an argument may set it too, if the parameter is
// OUT; passed lists these columns. Nothing else can assign to NEW.
//
// It splits the trigger's text into words and does not need its grammar. A target follows SET, or a comma outside
// parentheses. CHARACTER SET, and the SET of UPDATE, INSERT and REPLACE, have no such targets.
func (r *trigger) assigned() (columns, passed []string) {
	if !strings.EqualFold(r.timing, "BEFORE") {
		return nil, nil
	}
	words := sqlWords(r.body, strings.Contains(r.mode, "ANSI_QUOTES"), strings.Contains(r.mode, "NO_BACKSLASH_ESCAPES"))
	set, call, other, depth := false, false, false, 0 // other is a statement whose SET assigns columns of a table
	for i, w := range words {
		switch strings.ToUpper(w) {
		case ";":
			set, call, other, depth = false, false, false, 0
			continue
		case "THEN", "ELSE", "DO", "BEGIN", "LOOP", "REPEAT":
			other = false
		case "UPDATE", "INSERT", "REPLACE":
			other = other || i+1 < len(words) && words[i+1] != "(" // otherwise it is a function
		case "(":
			depth++
			continue
		case ")":
			depth--
			continue
		case "SET":
			if !other && (i == 0 || !strings.EqualFold(words[i-1], "CHARACTER")) {
				set, depth = true, 0
			}
			continue
		case "CALL":
			call = true
			continue
		}
		if !strings.EqualFold(unquoted(w), "new") || i+2 >= len(words) || words[i+1] != "." {
			continue
		}
		target := set && depth == 0 && i > 0 && (strings.EqualFold(words[i-1], "SET") || words[i-1] == "," || words[i-1] == ":")
		column := strings.ToLower(unquoted(words[i+2]))
		switch {
		case target || i+3 < len(words) && words[i+3] == ":=":
			columns = append(columns, column)
		case call:
			passed = append(passed, column)
		}
	}
	return columns, passed
}

func unquoted(word string) string {
	if len(word) >= 2 && (word[0] == '`' || word[0] == '"') {
		q := word[:1]
		return strings.ReplaceAll(word[1:len(word)-1], q+q, q)
	}
	return word
}

// sqlWords splits SQL into names, numbers, quoted texts and punctuation. It omits comments, except those that the
// server executes. A text in single quotes becomes one word that is not a name; so does one in double quotes, unless
// ansi.
func sqlWords(text string, ansi, plainBackslash bool) (words []string) {
	for i := 0; i < len(text); {
		rest := text[i:]
		n := 1
		switch c := text[i]; {
		case isSpaceByte(c):
		case c == '#', strings.HasPrefix(rest, "--") && (len(rest) == 2 || rest[2] <= ' '):
			if n = strings.IndexByte(rest, '\n'); n < 0 {
				n = len(rest)
			}
		case strings.HasPrefix(rest, "/*!"), strings.HasPrefix(rest, "/*M!"):
			n = strings.IndexByte(rest, '!') + 1
			for n < len(rest) && rest[n] >= '0' && rest[n] <= '9' {
				n++
			}
		case strings.HasPrefix(rest, "*/"):
			n = 2
		case strings.HasPrefix(rest, "/*"):
			if n = strings.Index(rest[2:], "*/"); n < 0 {
				n = len(rest)
			} else {
				n += 4
			}
		case c == '\'' || c == '"' || c == '`':
			n = quotedBytes(rest, plainBackslash)
			if c == '`' || c == '"' && ansi {
				words = append(words, rest[:n])
			} else {
				words = append(words, "''")
			}
		case isWordByte(c):
			for n < len(rest) && isWordByte(rest[n]) {
				n++
			}
			words = append(words, rest[:n])
		case strings.HasPrefix(rest, ":="):
			n = 2
			words = append(words, ":=")
		default:
			words = append(words, rest[:1])
		}
		i += n
	}
	return words
}

// quotedBytes returns the length of the quoted text at the start of s. A backslash is an ordinary character if the
// trigger was created under NO_BACKSLASH_ESCAPES.
func quotedBytes(s string, plainBackslash bool) int {
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '\\' && s[0] != '`' && !plainBackslash:
			i++
		case s[i] == s[0] && i+1 < len(s) && s[i+1] == s[0]:
			i++
		case s[i] == s[0]:
			return i + 1
		}
	}
	return len(s)
}

func isSpaceByte(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }

func isWordByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '$' || c >= 0x80
}

// triggers reports triggers that write values other than the query's as a reason to refuse, and warns of the rest.
func (j *tableChecker) triggers() {
	name := j.want.FullName()
	if j.found.hidden {
		j.warn(name, "GRANT TRIGGER ON "+string(sqltext.AppendTableName(nil, j.want))+" to the user of etl, or make sure that it has none",
			"this user cannot see triggers, so a trigger that changes rows before they are written would not be found, neither here nor while etl runs")
	}
	others := 0
	for i := range j.found.triggers {
		r := &j.found.triggers[i]
		columns, passed := r.assigned()
		if c := j.firstWritten(passed); c != "" {
			j.warn(name, "make sure that the procedure takes it as an IN parameter",
				"trigger %s passes NEW.%s to a procedure before each %s: if it is an OUT parameter, the row differs from what the query writes", r.name, c, r.event)
		}
		if c := j.firstWritten(columns); c != "" {
			j.refuse(name, "DROP TRIGGER "+dropName(j.want, r.name),
				"trigger %s sets NEW.%s before each %s, so the row would differ from what the query writes", r.name, c, r.event)
		} else if !strings.EqualFold(r.event, "DELETE") {
			others++
		}
	}
	if others > 0 {
		j.warn(name, "make sure that they neither fail nor write to tables that etl writes", "it has %d triggers", others)
	}
}

// firstWritten returns the first of these columns that the query writes, "" if there is none.
func (j *tableChecker) firstWritten(columns []string) string {
	for _, c := range columns {
		if j.want.Column(c) != nil || j.storesKey(c) {
			return c
		}
	}
	return ""
}

// dropName returns a trigger's name, with the schema if the table has one.
func dropName(t *row.Table, trigger string) string {
	return string(sqltext.AppendTableName(nil, &row.Table{Schema: t.Schema, Name: trigger}))
}

// rights is the output of SHOW GRANTS for the user, and the current database.
type rights struct {
	database string
	lines    []string
}

func readRights(ctx context.Context, tx *pool.Tx) (r rights, err error) {
	if tx.Server.Dialect == pool.Embedded {
		return rights{lines: []string{"GRANT ALL PRIVILEGES ON *.* TO ''"}}, nil
	}
	err = tx.Query(ctx, "SELECT COALESCE(DATABASE(), '')", func(scan func(...any) error) error { return scan(&r.database) })
	if err != nil {
		return r, err
	}
	err = tx.Query(ctx, "SHOW GRANTS", func(scan func(...any) error) error {
		var line string
		err := scan(&line)
		r.lines = append(r.lines, line)
		return err
	})
	switch sqlerr.Number(err) {
	case 0:
		return r, err
	case 1290: // --skip-grant-tables: every user may see everything
		r.lines = []string{"GRANT ALL PRIVILEGES ON *.* TO ''"}
	}
	return r, nil // the server has replied, but what the user may see is unknown
}

var grantLine = regexp.MustCompile("^GRANT (.+?) ON (?:TABLE )?(\\*|`(?:[^`]|``)+`)\\.(\\*|`(?:[^`]|``)+`) TO ")

// seesTriggers reports whether the user has the TRIGGER privilege on a table. Servers hide triggers from all other
// users without reporting that any exist. A privilege from a role that SHOW GRANTS does not resolve is not found.
func (r *rights) seesTriggers(t *row.Table) bool {
	schema := t.Schema
	if schema == "" {
		schema = r.database
	}
	for _, line := range r.lines {
		m := grantLine.FindStringSubmatch(line)
		if m == nil || !strings.Contains(m[1], "ALL PRIVILEGES") && !strings.Contains(", "+m[1]+",", ", TRIGGER,") {
			continue
		}
		database := m[2] == "*" || likePattern(unquoted(m[2]), schema) || strings.EqualFold(unquoted(m[2]), schema)
		if database && (m[3] == "*" || strings.EqualFold(unquoted(m[3]), t.Name)) {
			return true
		}
	}
	return false
}

// likePattern matches a name against the pattern of a database in GRANT: % stands for any text, _ for one character.
func likePattern(pattern, name string) bool {
	var b strings.Builder
	b.WriteString("(?is)^")
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; {
		case c == '\\' && i+1 < len(pattern):
			i++
			b.WriteString(regexp.QuoteMeta(pattern[i : i+1]))
		case c == '%':
			b.WriteString(".*")
		case c == '_':
			b.WriteString(".")
		default:
			b.WriteString(regexp.QuoteMeta(pattern[i : i+1]))
		}
	}
	re, err := regexp.Compile(b.String() + "$")
	return err == nil && re.MatchString(name)
}
