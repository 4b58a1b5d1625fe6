package query

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/checkpoint"
)

// jsonForms are expressions of a JSON field F. On the server, T is the field as text and J as JSON, both NULL if the
// field is absent or null; N is the field as a number, with a warning if it is a text; C is the operand of a cast to a
// number.
var jsonForms = []struct {
	is           place
	form, theirs string
}{
	{aText, "CONCAT(F)", "T"}, {aText, "CAST(F AS CHAR)", "T"}, {aText, "CAST(F AS CHAR(3))", "CAST(T AS CHAR(3))"}, {aText, "LEFT(F, 2)", "LEFT(T, 2)"}, {aText, "SUBSTRING_INDEX(F, 'a', 1)", "SUBSTRING_INDEX(T, 'a', 1)"},
	{anInt, "LENGTH(F)", "LENGTH(T)"}, {anInt, "CHAR_LENGTH(F)", "CHAR_LENGTH(T)"}, {aText, "COALESCE(F, 'none')", "COALESCE(T, 'none')"}, {aText, "IF(F IS NULL, 'n', F)", "IF(T IS NULL, 'n', T)"},
	{aCondition, "F IS NULL", "T IS NULL"}, {aCondition, "F IS NOT NULL", "T IS NOT NULL"}, {aCondition, "F = 'a'", "T = 'a'"}, {aCondition, "F <=> '12'", "T <=> '12'"}, {aCondition, "F IN ('a', 'true', '1.50')", "T IN ('a', 'true', '1.50')"},
	{aCondition, "F LIKE '%a%'", "T LIKE '%a%'"}, {aCondition, "F < 'b'", "T < 'b'"}, {aCondition, "F BETWEEN '1' AND '5'", "T BETWEEN '1' AND '5'"},
	{aDecimal, "F + 0", "N + 0"}, {aDecimal, "F * 2", "N * 2"}, {aDecimal, "-F", "-N"}, {aDecimal, "F % 7", "N % 7"}, {anInt, "F DIV 3", "N DIV 3"}, {aDecimal, "COALESCE(F, 1)", "COALESCE(N, 1)"},
	{aDecimal, "ABS(F)", "ABS(N)"}, {aDecimal, "ROUND(F, 1)", "ROUND(N, 1)"}, {anInt, "CEIL(F)", "CEIL(N)"}, {anInt, "SIGN(F)", "SIGN(N)"}, {aDecimal, "GREATEST(F, 1.5)", "GREATEST(N, 1.5)"},
	{aCondition, "F > 10", "N > 10"}, {aCondition, "F = 1", "N = 1"}, {aCondition, "F BETWEEN -1 AND 1.5", "N BETWEEN -1 AND 1.5"}, {aCondition, "F IN (0, 1, 100)", "N IN (0, 1, 100)"}, {aCondition, "F <=> 0.5", "N <=> 0.5"},
	{anInt, "CAST(F AS SIGNED)", "CAST(I AS signed)"}, {anInt, "CAST(F AS UNSIGNED)", "CAST(I AS unsigned)"}, {aDecimal, "CAST(F AS DECIMAL(20,3))", "CAST(C AS decimal(20,3))"}, {aDecimal, "CAST(F AS DECIMAL(38,10))", "CAST(C AS decimal(38,10))"},
	{aDouble, "CAST(F AS DOUBLE)", "CAST(C AS double)"}, {aTime, "CAST(F AS DATETIME(3))", "CAST(T AS datetime(3))"}, {aText, "F", "T"},
}

// jsonPaths are fields with their paths on the server.
var jsonPaths = []struct{ ours, theirs string }{
	{"a", "$.a"}, {"a", "$.a"}, {"b", "$.b"}, {"events.c", "$.c"}, {"a.b", "$.a.b"}, {"`a.b`", `$."a.b"`}, {"a->>'$.b'", "$.a.b"}, {"a->>'$.b.c'", "$.a.b.c"}, {"a->>'$[0]'", "$.a[0]"}, {"a->>'$[1]'", "$.a[1]"}, {"a->>'$[last]'", "$.a[last]"},
	{"a->>'$[last-1]'", "$.a[last-1]"}, {`a->>'$."k k"'`, `$.a."k k"`}, {"a->>'$.b[0].c'", "$.a.b[0].c"}, {"b->>'$'", "$.b"}, {"`é`", "$.é"}, {"a->>'$ . b'", "$.a.b"}, {"b->>'$[2][1]'", "$.b[2][1]"},
}

// drawJSON returns a random document.
func drawJSON(rng *rand.Rand) string {
	return drawObject(rng, 4, "a", "b", "c", "a.b", "é", "A")
}

// drawObject returns a random object without duplicate names: of two equal names, MariaDB takes the one in which the
// path continues.
func drawObject(rng *rand.Rand, depth int, names ...string) string {
	var members []string
	for _, name := range names {
		if rng.IntN(3) > 0 {
			members = append(members, `"`+name+`"`+pick(rng, ":", ": ", " :")+drawJSONValue(rng, depth-1))
		}
	}
	rng.Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
	return "{" + strings.Join(members, pick(rng, ",", ", ")) + "}"
}

func drawJSONValue(rng *rand.Rand, depth int) string {
	switch kind := rng.IntN(10); {
	case kind == 0 && depth > 0:
		var cells []string
		for range rng.IntN(4) {
			cells = append(cells, drawJSONValue(rng, depth-1))
		}
		return "[" + strings.Join(cells, ",") + "]"
	case kind <= 2 && depth > 0:
		return drawObject(rng, depth, "b", "c", "k k")
	case kind <= 4:
		return pick(rng, "0", "-0", "1", "-1", "12", "100", "1.5", "2.5", "-2.5", "1e2", "1E+2", "1e-2", "1.50", "0.1", "9223372036854775807", "9223372036854775808", "18446744073709551615", "-9223372036854775809", "12345678901234567890.123456789", "1e-35", "1e-300",
			"3.14159265358979323846264338327950288419716939937510", "0.0", "-0.5", "0.5", "1e30", "67106846074035034", "1.7976931348623157e308", "99999999999999999999999999999999999")
	case kind == 5:
		return pick(rng, "true", "false", "null", "null")
	case kind == 6:
		s := drawNumberText(rng)
		if s == nil {
			return "null"
		}
		return jsonQuote(rng, *s)
	case kind == 7:
		s := drawTimeText(rng)
		if s == nil {
			return "null"
		}
		return jsonQuote(rng, *s)
	}
	s := drawText(rng)
	if s == nil {
		return `"null"`
	}
	return jsonQuote(rng, *s)
}

// jsonQuote returns a JSON string with escapes where they are needed, and occasionally elsewhere.
func jsonQuote(rng *rand.Rand, s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, c := range s {
		switch {
		case c == '"' || c == '\\':
			b.WriteString(`\` + string(c))
		case c < ' ' || c < 0xd800 && rng.IntN(6) == 0:
			fmt.Fprintf(&b, `\u%04x`, c)
		case c == '/' && rng.IntN(2) == 0:
			b.WriteString(`\/`)
		case c > 0xffff && rng.IntN(2) == 0:
			fmt.Fprintf(&b, `\u%04x\u%04x`, 0xd800+(c-0x10000)>>10, 0xdc00+(c-0x10000)&0x3ff)
		default:
			b.WriteRune(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// Fields of JSON have the same values as on the server: as text, as numbers and in casts.
func TestDifferential_json(t *testing.T) {
	t.Parallel()
	seed := differentialSeed(t)
	server, rng := startDiffServer(t), rand.New(rand.NewPCG(seed, 0))
	server.exec(t, "CREATE TABLE j (id INT PRIMARY KEY, doc "+diffText+")")
	pairs, failures := 0, 0
	rules, operators, began := map[string]int{}, map[string]int{}, time.Now()
	for pairs < *diffPairs/3 && failures < 10 {
		var docs, lines []string
		for i := range diffRows {
			docs = append(docs, drawJSON(rng))
			lines = append(lines, fmt.Sprintf("(%d, %s)", i, sqlQuote(docs[i])))
		}
		server.exec(t, "DELETE FROM j")
		server.exec(t, "INSERT INTO j VALUES "+strings.Join(lines, ", "))
		for range 40 {
			path, f := pick(rng, jsonPaths...), pick(rng, jsonForms...)
			whole := f.theirs == "T"
			kept := strings.Contains(path.ours, "->>") && whole && rng.IntN(2) == 0
			operators[map[bool]string{true: "->", false: "->>"}[kept]]++
			n := &node{is: f.is, form: jsonOurs(f.form, path.ours, kept), theirs: jsonTheirs(f.theirs, path.theirs, kept), column: -1}
			ours := evaluateEach(t, "json", n.form, docs)
			leave := "FALSE"
			if !whole && strings.Contains(f.theirs, "T") { // objects and arrays can be written as text in more than one way
				leave = "COALESCE(JSON_TYPE(JSON_EXTRACT(doc, " + sqlQuote(path.theirs) + ")) IN ('OBJECT', 'ARRAY'), FALSE)"
			}
			if strings.Contains(path.theirs, "last") { // in MariaDB, [last] of a value that is not an array is nothing
				leave += " OR JSON_TYPE(JSON_EXTRACT(doc, '$.a')) <> 'ARRAY'"
			}
			left := server.askJSON(t, leave, make([]answer, len(docs)))
			for i, theirs := range server.askJSON(t, n.theirs, ours) {
				if left[i].text == "1" {
					continue
				}
				pairs++
				ok := (ours[i].rejected != "") == (theirs.rejected != "") && (ours[i].rejected != "" || agree(ours[i], theirs, n.is) || sameJSON(ours[i].text, theirs.text))
				if d := (&difference{&node{is: f.is, form: f.form, theirs: castForm(f.theirs), column: -1}, ours[i], theirs, nil, false}); !ok {
					if r := slices.IndexFunc(append(jsonRules, diffRules...), func(r diffRule) bool { return r.explains(d) }); r >= 0 {
						rules[append(jsonRules, diffRules...)[r].name]++
						continue
					}
					failures++
					t.Errorf("%s\ndocument: %s\nours:    %v\ntheirs:  %v\non the server: SELECT %s FROM j", n.form, docs[i], ours[i], theirs, n.theirs)
					break
				}
			}
		}
	}
	t.Logf("DIFFERENTIAL: %d answers about JSON agree with MariaDB's (seed %d, %.0f s)", pairs, seed, time.Since(began).Seconds())
	for _, name := range slices.Sorted(maps.Keys(rules)) {
		t.Logf("rule %q: %d", name, rules[name])
	}
	if operators["->"] == 0 || operators["->>"] == 0 {
		t.Errorf("JSON's operators: %v; expected operators[\"->\"] other than 0 and operators[\"->>\"] other than 0", operators)
	}
}

func jsonOurs(form, path string, kept bool) string {
	if kept {
		path = strings.Replace(path, "->>", "->", 1)
	}
	return replaceWord(form, "F", path)
}

// replaceWord replaces a name of one letter.
func replaceWord(form, name, by string) string {
	var b strings.Builder
	letter := func(i int) bool {
		return i >= 0 && i < len(form) && (form[i] >= 'A' && form[i] <= 'Z' || form[i] >= 'a' && form[i] <= 'z' || form[i] == '\'')
	}
	for i := range len(form) {
		if form[i:i+1] == name && !letter(i-1) && !letter(i+1) {
			b.WriteString(by)
		} else {
			b.WriteByte(form[i])
		}
	}
	return b.String()
}

func jsonTheirs(form, path string, kept bool) string {
	at := "JSON_EXTRACT(doc, " + sqlQuote(path) + ")"
	text := "JSON_UNQUOTE(" + at + ")"
	if kept {
		text = at
	}
	text = "(CONVERT(IF(JSON_TYPE(" + at + ") = 'NULL', NULL, " + text + ") USING utf8mb4) COLLATE utf8mb4_nopad_bin)"
	truth := "IF(JSON_TYPE(" + at + ") = 'BOOLEAN', IF(JSON_CONTAINS(" + at + ", 'true'), '1', '0'), " + text + ")"
	number := "CASE JSON_TYPE(" + at + ") WHEN 'STRING' THEN CAST('text' AS decimal) ELSE CAST(" + truth + " AS decimal(65,30)) END"
	if strings.HasPrefix(form, "CAST(I AS") {
		return "IF(JSON_TYPE(" + at + ") IN ('INTEGER', 'DOUBLE'), " + replaceWord(form, "I", "CAST("+text+" AS decimal(65,30))") + ", " + replaceWord(form, "I", truth) + ")"
	}
	for _, r := range [][2]string{{"C", truth}, {"N", "(" + number + ")"}, {"T", text}} {
		if next := replaceWord(form, r[0], r[1]); next != form {
			return next
		}
	}
	return form
}

// castForm returns a cast in the form that diffRules expect.
func castForm(theirs string) string {
	for _, name := range []string{"I", "C", "T"} {
		theirs = strings.Replace(theirs, "CAST("+name+" AS", "CAST(%s AS", 1)
	}
	return theirs
}

// evaluateEach returns the value of an expression for each body.
func evaluateEach(t *testing.T, format, form string, docs []string) []answer {
	t.Helper()
	p := plan(t, format, "INSERT INTO t SELECT "+form+" AS x FROM events")
	f := p.newFold()
	f.Explain()
	records := make([]batch.Record, len(docs))
	for i, d := range docs {
		records[i] = batch.Record{Offset: int64(i), Value: []byte(d)}
	}
	var tally batch.Tally
	f.Add(checkpoint.Partition{Topic: "t"}, records, &tally)
	answers := make([]answer, len(docs))
	for _, d := range tally.Dead {
		answers[d.Offset].rejected = d.Reason
	}
	rows, at := f.Take().Tables[0], 0
	for i := range answers {
		if answers[i].rejected == "" {
			answers[i] = cellAnswer(rows, &rows.Cells(at)[0], &rows.Table.Columns[rows.Table.Keys])
			at++
		}
	}
	return answers
}

// askJSON evaluates expressions in the same way as ask.
func (d *diffServer) askJSON(t *testing.T, text string, ours []answer) []answer {
	t.Helper()
	theirs := make([]answer, len(ours))
	lines, warnings, rejected, err := d.query(t.Context(), "SELECT "+text+" FROM j ORDER BY id")
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	// MariaDB takes the number that [last] has in the first row for all rows of a statement.
	clean := rejected == nil && !strings.Contains(text, "last") && !slices.ContainsFunc(warnings, func(w string) bool { return !cutsAsAsked(w) })
	for i := range ours {
		if clean {
			theirs[i] = answer{set: lines[i][0].Valid, text: lines[i][0].String}
		} else {
			theirs[i] = d.oneOf(t, "j", text, i)
		}
	}
	return theirs
}

// sameJSON compares texts, objects and arrays as JSON: escapes and white space may differ.
func sameJSON(a, b string) bool {
	var x, y any
	if len(a) < 2 || !strings.ContainsRune(`{["`, rune(a[0])) {
		return false
	}
	for text, to := range map[string]*any{a: &x, b: &y} {
		d := json.NewDecoder(strings.NewReader(text))
		d.UseNumber()
		if d.Decode(to) != nil {
			return false
		}
	}
	return cmp.Equal(x, y)
}

var jsonRules = []diffRule{
	{"Scale of JSON numbers", func(d *difference) bool {
		theirs, ok := new(big.Rat).SetString(d.theirs.text)
		return ok && d.is == aDecimal && d.theirs.rejected == "" && !strings.HasPrefix(d.form, "CAST") && strings.TrimPrefix(theirs.FloatString(defaultScale), "-") == strings.TrimPrefix(d.ours.text, "-")
	}},
}
