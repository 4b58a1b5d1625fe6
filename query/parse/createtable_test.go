package parse

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/sluice-etl/sluice/query/ast"
)

// plainTable parses a declaration that has nothing but columns and keys.
func plainTable(source Source) (*ast.CreateTable, error) {
	t, err := Declaration(source)
	if err != nil {
		return nil, err
	}
	if err := t.Plain(); err != nil {
		return nil, source.Locate(t.Text, err)
	}
	return t, nil
}

// Columns have their types and places, and each form of a key is found.
func TestCreateTable(t *testing.T) {
	t.Parallel()
	const text = "-- hosts\nCREATE TABLE IF NOT EXISTS site.hosts (\n" +
		"  name VARCHAR(64) COLLATE utf8mb4_bin PRIMARY KEY,\n" +
		"  `rack` INT UNSIGNED UNIQUE, price DECIMAL(10,2) NOT NULL COMMENT 'each',\n" +
		"  at DATETIME(3), UNIQUE KEY b (rack, Price), UNIQUE (at), KEY (at)\n) ENGINE=InnoDB; "
	source := Split(text)[0]
	if !source.IsCreate() {
		t.Error("IsCreate is false, expected true")
	}
	got, err := plainTable(source)
	if err != nil {
		t.Fatal(err)
	}
	column := func(name, typ string, p, s int) ast.TableColumn {
		return ast.TableColumn{Name: name, Type: typ, Precision: p, Scale: s}
	}
	want := &ast.CreateTable{Schema: "site", Table: "hosts", Columns: []ast.TableColumn{
		column("name", "varchar", 64, -1), column("rack", "int", -1, -1), column("price", "decimal", 10, 2), column("at", "datetime", 3, -1),
	}, Engine: "InnoDB", Keys: []ast.TableKey{
		{Primary: true, Unique: true, Columns: []int{0}}, {Unique: true, Columns: []int{1}},
		{Name: "b", Unique: true, Columns: []int{1, 2}}, {Unique: true, Columns: []int{3}}, {Columns: []int{3}},
	}}
	want.Columns[0].NotNull, want.Columns[0].Collate = true, "utf8mb4_bin"
	want.Columns[1].Unsigned = true
	want.Columns[2].NotNull, want.Columns[2].Comment = true, "each"
	ignored := cmp.Options{cmpopts.IgnoreFields(ast.CreateTable{}, "Text", "Original", "ListEnd"), cmpopts.IgnoreFields(ast.TableColumn{}, "Text", "From", "To")}
	if diff := cmp.Diff(want, got, ignored); diff != "" {
		t.Errorf("(-expected +got):\n%s", diff)
	}
	if want := strings.TrimRight(text[len("-- hosts\n"):], "; "); got.Original != want || got.Original[got.ListEnd:] != ") ENGINE=InnoDB" {
		t.Errorf("the statement is %q and its list ends before %q", got.Original, got.Original[got.ListEnd:])
	}
	if from, to := source.Name(); text[from:to] != "site.hosts" {
		t.Errorf("the name is at %q", text[from:to])
	}
}

// A declaration has what a table that is read must not have.
func TestDeclaration(t *testing.T) {
	t.Parallel()
	const text = "CREATE TABLE hits (at TIMESTAMP NULL, n BIGINT NOT NULL DEFAULT 0 COMMENT '(x', id SERIAL,\n" +
		"per DECIMAL(20,4) GENERATED ALWAYS AS (n / 60) VIRTUAL /* ) */, kind ENUM('a', 'b'), CHECK (n > 0)) DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin /*!50100 ROW_FORMAT=DYNAMIC */ -- end\n"
	got, err := Declaration(Split(text)[0])
	if err != nil {
		t.Fatal(err)
	}
	c := got.Columns
	if !c[0].Null || !c[1].Default || !c[2].Auto || c[3].Generated != "(n / 60)" || strings.Join(c[4].Values, "") != "ab" || !got.Others ||
		got.Charset != "utf8mb4" || got.Collate != "utf8mb4_nopad_bin" || !strings.HasPrefix(got.Original[got.ListEnd:], ") DEFAULT CHARSET") || !strings.HasSuffix(got.Original, "DYNAMIC */") {
		t.Errorf("got %+v", got)
	}
	if err := got.Plain(); err == nil {
		t.Error("it is plain, expected an error")
	}
}

// The text between « and » is the place of the error.
func TestCreateTable_errors(t *testing.T) {
	t.Parallel()
	for marked, reason := range map[string]string{
		"CREATE TABLE t (a INT, «a INT»)":                            "column a: it is declared twice",
		"CREATE TABLE t (a INT, «b INT DEFAULT 3»)":                  "column b: expected only its name and type",
		"CREATE TABLE t («a INT AUTO_INCREMENT PRIMARY KEY», b INT)": "column a: expected only its name and type",
		"CREATE TABLE t (a INT PRIMARY KEY, «b INT PRIMARY KEY»)":    "column b: a second PRIMARY KEY",
		"CREATE TABLE t (a INT, «UNIQUE KEY (b)»)":                   "the key has the column b",
		"CREATE TABLE t (a TEXT, «UNIQUE KEY (a(10))»)":              "column a: a unique key of the beginning",
		"CREATE TABLE t (a TEXT, «FULLTEXT KEY (a)»)":                "expected PRIMARY KEY, UNIQUE KEY or KEY, got FULLTEXT KEY",
		"CREATE TABLE t (a INT, CHECK (a > 1))":                      "CHECK, FOREIGN KEY and PARTITION",
		"CREATE TABLE t («a INT REFERENCES b (c»))":                  "column a: expected only its name and type",
		"CREATE TABLE t (a INT, b«)»":                                "syntax error near 'b', line 1 of the statement",
		"CREATE TABLE t LIKE u":                                      "expected CREATE TABLE name (columns)",
		"CREATE TABLE t AS SELECT 1":                                 "expected CREATE TABLE name (columns)",
		"CREATE VIEW v AS SELECT 1":                                  "expected CREATE TABLE name (columns)",
		"CREATE OR REPLACE VIEW v AS SELECT 1":                       "expected CREATE TABLE name (columns)",
	} {
		text := strings.NewReplacer("«", "", "»", "").Replace(marked)
		_, err := plainTable(Split(text)[0])
		if err == nil || !strings.HasPrefix(err.Error(), reason) {
			t.Errorf("%s: got %v, expected %q", text, err, reason)
			continue
		}
		e, placed := errors.AsType[*Error](err)
		switch from, to, ok := strings.Cut(marked, "«"); {
		case !ok && placed && !strings.Contains(reason, "syntax"):
			t.Errorf("%s: it has a place, expected none", text)
		case ok && !placed:
			t.Errorf("%s: it has no place", text)
		case ok:
			place, _, _ := strings.Cut(to, "»")
			if got := text[e.From:e.To]; got != place || e.From != len(from) {
				t.Errorf("%s: the place is %q, expected %q", text, got, place)
			}
		}
	}
}
