package query

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// jsonTextForms are expressions of a text D that is JSON, with a path P. On the server, J is the value at the path, NULL
// where it is null.
var jsonTextForms = []struct {
	is           place
	form, theirs string
}{
	{aText, "JSON_EXTRACT(D, P)", "J"}, {aText, "JSON_UNQUOTE(JSON_EXTRACT(D, P))", "JSON_UNQUOTE(J)"}, {aText, "D->P", "J"}, {aText, "D->>P", "JSON_UNQUOTE(J)"},
	{aCondition, "JSON_EXTRACT(D, P) = 'a'", "UNQUOTED = 'a'"}, {aCondition, "D->P IN ('a', '12', 'true')", "UNQUOTED IN ('a', '12', 'true')"}, {aText, "COALESCE(JSON_EXTRACT(D, P), 'none')", "COALESCE(J, 'none')"},
	{aText, "JSON_VALUE(D, P)", "IF(JSON_TYPE(J) = 'BOOLEAN', CONCAT('', J), JSON_VALUE(D, P))"}, {anInt, "LENGTH(JSON_VALUE(D, P))", "LENGTH(IF(JSON_TYPE(J) = 'BOOLEAN', CONCAT('', J), JSON_VALUE(D, P)))"},
	{anInt, "JSON_LENGTH(D)", "JSON_LENGTH(D)"}, {anInt, "JSON_LENGTH(D, P)", "JSON_LENGTH(D, P)"}, {aText, "JSON_TYPE(D)", "JSON_TYPE(D)"}, {aText, "JSON_TYPE(JSON_EXTRACT(D, P))", "JSON_TYPE(J)"}, {aText, "JSON_TYPE(D->P)", "JSON_TYPE(J)"},
	{anInt, "JSON_VALID(D)", "JSON_VALID(D)"}, {aText, "JSON_UNQUOTE(D)", "JSON_UNQUOTE(D)"}, {anInt, "JSON_LENGTH(JSON_EXTRACT(D, P))", "JSON_LENGTH(J)"},
	{anInt, "JSON_CONTAINS(D, '\"a\"', P)", "JSON_CONTAINS(D, '\"a\"', P)"}, {anInt, "JSON_CONTAINS(D, '1', P)", "JSON_CONTAINS(D, '1', P)"}, {anInt, "JSON_CONTAINS(D, 'true', P)", "JSON_CONTAINS(D, 'true', P)"}, {anInt, "JSON_CONTAINS(D, 'null', P)", "JSON_CONTAINS(D, 'null', P)"},
	{anInt, "JSON_CONTAINS(D, '-2.50')", "JSON_CONTAINS(D, '-2.50')"}, {anInt, "JSON_CONTAINS(D, '\"\\\\u0061\"')", "JSON_CONTAINS(D, '\"a\"')"},
	{aDecimal, "D->P + 0", "IF(JSON_TYPE(J) = 'STRING', CAST('text' AS decimal), CAST(IF(JSON_TYPE(J) = 'BOOLEAN', IF(JSON_CONTAINS(J, 'true'), '1', '0'), J) AS decimal(65,30))) + 0"},
}

var jsonTextPaths = []string{"$", "$.a", "$.a", "$.b", "$.c", "$.a.b", `$."a.b"`, "$.a.b.c", "$.a[0]", "$.a[1]", `$.a."k k"`, "$.é", "$.b[2][1]"}

// drawJSONText returns documents, other values, and texts that are not JSON.
func drawJSONText(rng *rand.Rand) string {
	switch rng.IntN(6) {
	case 0:
		return drawJSONValue(rng, 3)
	case 1:
		text := drawJSON(rng)
		return strings.ToValidUTF8(text[:rng.IntN(len(text)+1)], "")
	case 2:
		return pick(rng, "", " ", "{", "}", "[]", "{}", " [ ] ", `"`, `""`, `"a`, `a"`, "01", "1.", ".5", "-", "+1", "1.2.3", "1e", "--1", "nul", "nulll", "tru", "[1,]", `{"a":1,}`, `{"a"}`, `{"a":}`, `{a:1}`, "{'a':1}", `"\x"`, `"\u12"`, "\"\t\"", `[1 2]`, "[1]x", "1 1", `"a" "b"`, "NaN", "nan", "Infinity", "\ufeff1", "\"\x01\"", "\v1", `"\/"`, `"a"b"`)
	}
	return drawJSON(rng)
}

// Functions of JSON in texts have the same values as on the server.
func TestDifferential_jsonText(t *testing.T) {
	t.Parallel()
	seed := differentialSeed(t)
	server, rng := startDiffServer(t), rand.New(rand.NewPCG(seed, 9))
	server.exec(t, "CREATE TABLE j (id INT PRIMARY KEY, doc "+diffText+")")
	pairs, failures, seen, rules := 0, map[string]bool{}, map[string]int{}, map[string]int{}
	for pairs < *diffPairs/3 && len(failures) < 10 {
		var docs, lines []string
		for i := range diffRows {
			docs = append(docs, drawJSONText(rng))
			lines = append(lines, fmt.Sprintf("(%d, %s)", i, sqlQuote(docs[i])))
		}
		server.exec(t, "DELETE FROM j")
		server.exec(t, "INSERT INTO j VALUES "+strings.Join(lines, ", "))
		for _, f := range jsonTextForms {
			path := pick(rng, jsonTextPaths...)
			at := "JSON_EXTRACT(doc, " + sqlQuote(path) + ")"
			theirs := replaceWord(replaceWord(replaceWord(f.theirs, "D", "doc"), "P", sqlQuote(path)), "J", "IF(JSON_TYPE("+at+") = 'NULL', NULL, "+at+")")
			theirs = strings.ReplaceAll(theirs, "UNQUOTED", "(CONVERT(JSON_UNQUOTE(IF(JSON_TYPE("+at+") = 'NULL', NULL, "+at+")) USING utf8mb4) COLLATE utf8mb4_nopad_bin)")
			if f.is == aText {
				theirs = "(CONVERT(" + theirs + " USING utf8mb4) COLLATE utf8mb4_nopad_bin)"
			}
			form := replaceWord(replaceWord(f.form, "D", "body"), "P", sqlQuote(path))
			ours := evaluateEach(t, "raw", form, docs)
			for i, a := range ours {
				if f.form == "JSON_VALID(D)" && (a.text == "1") != json.Valid([]byte(docs[i])) {
					t.Fatalf("JSON_VALID of %q: got %v, expected what package encoding/json says", docs[i], a)
				}
			}
			for i, their := range server.askJSON(t, theirs, ours) {
				pairs++
				seen[f.form]++
				if (ours[i].rejected != "") == (their.rejected != "") && (ours[i].rejected != "" || agree(ours[i], their, f.is) || sameJSON(ours[i].text, their.text)) {
					continue
				}
				// MariaDB accepts 1. and nulll, and does not read a text further than it needs. MySQL does.
				if !json.Valid([]byte(docs[i])) && (strings.Contains(ours[i].rejected, "expected JSON") || strings.Contains(ours[i].rejected, "expected a JSON string") || f.form == "JSON_VALID(D)" && ours[i].text == "0" || f.form == "JSON_UNQUOTE(D)" && ours[i].text == docs[i]) {
					rules["Texts that are not JSON"]++
					continue
				}
				d := &difference{&node{is: f.is, form: f.form, theirs: theirs, column: -1}, ours[i], their, nil, false}
				all := append(jsonTextRules, diffRules...)
				if r := slices.IndexFunc(all, func(r diffRule) bool { return r.explains(d) }); r >= 0 {
					rules[all[r].name]++
					continue
				}
				if !failures[f.form] {
					t.Errorf("%s\ndocument: %q\nours:    %v\ntheirs:  %v\non the server: SELECT %s FROM j", form, docs[i], ours[i], their, theirs)
				}
				failures[f.form] = true
			}
		}
	}
	t.Logf("DIFFERENTIAL: %d answers about JSON in texts agree with MariaDB's (seed %d); explained: %v", pairs, seed, rules)
}

var jsonTextRules = []diffRule{
	{"Scale of JSON numbers", jsonRules[0].explains},
	{"Texts that are not JSON", func(*difference) bool { return false }}, // explained where the text is known
	{"JSON_VALUE of objects and arrays", func(d *difference) bool { return d.stricter("the value is an object or an array") && !d.theirs.set }},
	{"JSON_TYPE of large integers", func(d *difference) bool {
		return strings.HasPrefix(d.form, "JSON_TYPE(") && d.theirs.text == "INTEGER" && (d.ours.text == "UNSIGNED INTEGER" || d.ours.text == "DOUBLE")
	}},
	{"JSON_CONTAINS without a value", func(d *difference) bool {
		return strings.HasPrefix(d.form, "JSON_CONTAINS(") && !d.ours.set && d.ours.rejected == "" && d.theirs.text == "0"
	}},
}
