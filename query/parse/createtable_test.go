package parse

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/sluice-etl/sluice/query/ast"
)

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
	got, err := CreateTable(source)
	if err != nil {
		t.Fatal(err)
	}
	column := func(name, typ string, p, s int) ast.TableColumn {
		return ast.TableColumn{Name: name, Type: typ, Precision: p, Scale: s}
	}
	want := &ast.CreateTable{Schema: "site", Table: "hosts", Columns: []ast.TableColumn{
		column("name", "varchar", 64, -1), column("rack", "int", -1, -1), column("price", "decimal", 10, 2), column("at", "datetime", 3, -1),
	}, Keys: []ast.TableKey{
		{Primary: true, Unique: true, Columns: []int{0}}, {Unique: true, Columns: []int{1}},
		{Name: "b", Unique: true, Columns: []int{1, 2}}, {Unique: true, Columns: []int{3}}, {Columns: []int{3}},
	}}
	want.Columns[0].NotNull, want.Columns[0].Collate = true, "utf8mb4_bin"
	want.Columns[1].Unsigned = true
	want.Columns[2].NotNull, want.Columns[2].Comment = true, "each"
	ignored := cmp.Options{cmpopts.IgnoreFields(ast.CreateTable{}, "Text"), cmpopts.IgnoreFields(ast.TableColumn{}, "Text", "From", "To")}
	if diff := cmp.Diff(want, got, ignored); diff != "" {
		t.Errorf("(-expected +got):\n%s", diff)
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
		_, err := CreateTable(Split(text)[0])
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
