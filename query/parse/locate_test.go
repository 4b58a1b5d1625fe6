package parse

import (
	"errors"
	"strings"
	"testing"

	"github.com/sluice-etl/sluice/query/ast"
)

// Each expression of a statement has its place in the text of the query, with comments, other spellings and other names
// of functions around it. Every expression is compared with its text by the spelling of its first token.
func TestLocate_everyExpression(t *testing.T) {
	t.Parallel()
	const first = "INSERT INTO a SELECT x FROM events ;\n"
	const text = first + "-- it's a comment with 'quotes'\n" +
		"insert into t select Trim(a1) b1, `Order` as b2, /* SELECT */ SubString(a3 FROM 2 FOR 3) b3,\n" +
		"\tCASE WHEN a4 <> 'it''s' THEN \"é\" ELSE 4.5 END b4, a5->>'$.x' b5, TIMESTAMPDIFF(DAY, a6, a7) b6, a8 + INTERVAL 3 DAY b7, a9 RLIKE 'x\\%' b8,\n" +
		"a10--1 b9, NOT (a11 && a12) b10, Extract(HOUR FROM a13) b11, count(DISTINCT a14) b12\n" +
		"FROM Events e # SELECT a15\nWHERE a16 IN (1, 2, a17) AND a18 BETWEEN a19 AND a20 GROUP BY `Order`, a21 + 1"
	sources := Split(text)
	st, err := Statement(sources[1], nil)
	if err != nil {
		t.Fatal(err)
	}
	located := 0
	var visit func(e *ast.Expr)
	visit = func(e *ast.Expr) {
		if e == nil {
			return
		}
		for _, a := range e.Args {
			visit(a)
		}
		placed, ok := errors.AsType[*Error](sources[1].Locate(st.Text, e.Errorf("wrong")))
		if !ok {
			t.Logf("%s has no place", e.Text)
			return
		}
		located++
		got := text[placed.From:placed.To]
		switch e.Op {
		case ast.OpColumn, ast.OpInt, ast.OpDecimal:
			if !e.JSONPath && compared(got) != compared(e.Text) {
				t.Errorf("%s is placed at %q", e.Text, got)
			}
		default:
			if tokens(got)[0].text != tokens(e.Text)[0].text {
				t.Errorf("%s is placed at %q", e.Text, got)
			}
		}
	}
	for _, it := range st.Items {
		visit(it.Expr)
	}
	visit(st.Where)
	for _, g := range st.Group {
		visit(g)
	}
	if located < 45 {
		t.Errorf("%d expressions have a place, expected 45 or more", located)
	}
}

// The text between « and » is the place of the error.
func TestStatement_placeOfErrors(t *testing.T) {
	t.Parallel()
	for _, marked := range []string{
		"INSERT INTO t SELECT host,«,» COUNT(*) AS n FROM events",
		"INSERT INTO t SELECT host COUNT«(»*) AS n FROM events",
		"INSERT INTO t SELECT host FROM events GROUP BY«»",
		"INSERT INTO t SELECT host FROM events GROUP BY«»  ",
		"INSERT INTO t SELECT host FROM events WHERE (a > 'b'«»",
		"INSERT INTO t SELECT host FROM events GROUP BY a «b»",
		"INSERT INTO t SELECT «rank», COUNT(*) AS n FROM events",
		"INSERT INTO t SELECT a«)» FROM events",
		"INSERT INTO t SELECT a FROM events WHERE -- =\n a =«=» 'b'",
		"INSERT INTO t SELECT a FROM events WHERE a > 'b' 'c' «d» e",
		"INSERT INTO t SELECT «*» FROM events",
		"INSERT INTO t SELECT a FROM «others»",
		"INSERT INTO t SELECT TRIM(a), «GROUP_CONCAT(a, b)» AS b, TRIM(a) FROM events",
		"INSERT INTO t SELECT TRIM(a), CONCAT(b, «a COLLATE utf8mb4_bin») AS b, TRIM(a) FROM events",
		"INSERT INTO t SELECT a FROM events WHERE a IN («(SELECT 1)»)",
		"INSERT INTO t SELECT a FROM events ORDER BY «a», b",
		"INSERT INTO t SELECT a FROM events «LIMIT 5»",
	} {
		text := strings.NewReplacer("«", "", "»", "").Replace(marked)
		from := strings.Index(marked, "«")
		to := strings.Index(marked, "»") - len("«")
		_, err := Statement(Split("INSERT INTO x SELECT y FROM events;" + text)[1], nil)
		placed, ok := errors.AsType[*Error](err)
		if !ok {
			t.Errorf("%s: the error has no place: %v", marked, err)
			continue
		}
		shift := len("INSERT INTO x SELECT y FROM events;")
		if placed.From != from+shift || placed.To != to+shift {
			t.Errorf("%s: got the place %d to %d, expected %d to %d: %v", marked, placed.From-shift, placed.To-shift, from, to, err)
		}
	}
}
