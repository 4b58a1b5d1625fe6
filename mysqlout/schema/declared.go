package schema

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-etl/sluice/mysqlout/internal/sqltext"
	"github.com/sluice-etl/sluice/pool"
	"github.com/sluice-etl/sluice/row"
)

// A query can declare its targets with CREATE TABLE. Such a table is created by the text of the query, into which are
// inserted the definitions of the columns that the query has for itself, and of the key if it contains one of these. It is
// one statement, so no process sees a table without them, even after a crash.
//
// The declaration is checked before anything is sent, by the rules for existing tables: what they would find in the
// declared table is an error of the query.

// addition is a definition that is inserted into a declaration.
type addition struct {
	sql    string
	column *column // as information_schema would describe it; nil for the key
}

// additions returns what the query needs for itself and the declaration lacks.
func additions(s pool.Server, t *row.Table) (out []addition) {
	declares := func(name string) bool { return t.Declared.Column(name) != nil }
	var key []string
	addsKey := false
	for i := range t.Columns {
		c := &t.Columns[i]
		before := len(out)
		switch value, null := c.KeyNames(); {
		case i < t.Keys && c.Nullable:
			if declares(c.Name) || declares(value) || declares(null) {
				break // all are declared then, or it is an error
			}
			typ := columnType(s, t, i, keyText(t))
			held := createdColumn(typ)
			held.name, held.hasDefault = value, true
			shown := held
			shown.name, shown.nullable, shown.generated, shown.generation = c.Name, true, true, nullKeySQL(c)
			out = append(out, addition{nullKeyShown(c, typ), &shown}, addition{nullKeyValue(s, c, typ), &held},
				addition{nullKeyFlag(s, c), &column{name: null, dataType: "tinyint", columnType: "tinyint", hasDefault: true}})
		case c.Hidden && !declares(c.Name):
			hidden := createdColumn(columnType(s, t, i, keyText(t)))
			hidden.name, hidden.nullable = c.Name, nullable(t, i)
			out = append(out, addition{columnDefinition(s, t, i), &hidden})
		}
		if i < t.Keys {
			key = append(key, c.StoredKey()...)
			addsKey = addsKey || len(out) > before
		}
	}
	for i := range t.Computed {
		if c := &t.Computed[i]; !declares(c.Name) {
			out = append(out, addition{computedDefinition(c), &column{name: c.Name, dataType: "decimal", columnType: "decimal", nullable: true,
				precision: computedDigits, scale: int64(c.Scale), generated: true, generation: c.SQL}})
		}
	}
	if addsKey && !t.Declared.HasUnique() {
		out = append(out, addition{sql: "PRIMARY KEY (" + nameList(key) + ")"})
	}
	return out
}

// nameList returns names separated by commas.
func nameList(names []string) string {
	var out []byte
	for i, name := range names {
		if i > 0 {
			out = append(out, ", "...)
		}
		out = sqltext.AppendName(out, name)
	}
	return string(out)
}

// createDeclared returns the statement of a declaration with its additions.
func createDeclared(s pool.Server, t *row.Table) string {
	more := additions(s, t)
	if len(more) == 0 {
		return t.Declared.SQL
	}
	var b strings.Builder
	b.WriteString(strings.TrimRight(t.Declared.SQL[:t.Declared.ListEnd], " \t\r\n"))
	for _, a := range more {
		b.WriteString("\n, " + a.sql) // the line before may end in a comment
	}
	return b.String() + "\n" + t.Declared.SQL[t.Declared.ListEnd:]
}

// declaredTable returns the description that a server would give of a table that is created from its declaration.
func declaredTable(s pool.Server, t *row.Table) *found {
	f := &found{kind: "BASE TABLE", engine: "InnoDB", uniques: map[string][]indexPart{}}
	if t.Declared.Engine != "" {
		f.engine = t.Declared.Engine
	}
	for i := range t.Declared.Columns {
		f.columns = append(f.columns, declaredColumn(&t.Declared.Columns[i]))
	}
	plain := strings.NewReplacer("(", "", ")", "", " ", "", "`", "") // servers write backticks, the SQL parser leaves them out
	for i := range t.Columns[:t.Keys] {
		c := &t.Columns[i]
		if shown := f.column(c.Name); shown != nil && strings.EqualFold(plain.Replace(shown.generation), plain.Replace(nullKeySQL(c))) {
			shown.generation = nullKeySQL(c)
		}
	}
	for i, k := range t.Declared.Keys {
		if !k.Unique {
			continue
		}
		name := fmt.Sprintf("declaration %d", i)
		for _, c := range k.Columns {
			f.uniques[name] = append(f.uniques[name], indexPart{column: c})
		}
	}
	for _, a := range additions(s, t) {
		if a.column != nil {
			f.columns = append(f.columns, *a.column)
			continue
		}
		for i := range t.Columns[:t.Keys] {
			for _, name := range t.Columns[i].StoredKey() {
				f.uniques["PRIMARY"] = append(f.uniques["PRIMARY"], indexPart{column: name})
			}
		}
	}
	return f
}

// CheckDeclared checks the declarations of the query's tables, and sends nothing to a server. The error is a
// *row.DeclarationError for the first finding for which a start would be refused.
func CheckDeclared(want []row.Table) error {
	server := pool.Server{Dialect: pool.MySQL}
	for i := range want {
		t := &want[i]
		if t.Declared == nil {
			continue
		}
		j := tableChecker{want: t, found: declaredTable(server, t), server: server}
		j.table()
		at := slices.IndexFunc(j.findings, func(f Finding) bool { return !f.Warning })
		if at < 0 {
			continue
		}
		f := j.findings[at]
		text := f.Seen
		if do := j.declare(f.Do); do != "" {
			text += ": " + do
		}
		return &row.DeclarationError{Table: t.FullName(), Column: strings.TrimPrefix(strings.TrimPrefix(f.Subject, t.FullName()), "."), Err: errors.New(text)}
	}
	return nil
}

// declare returns the advice for a declaration in place of the ALTER TABLE for an existing table.
func (j *tableChecker) declare(do string) string {
	prefix := j.alter("")
	if !strings.HasPrefix(do, prefix) {
		return do
	}
	do = strings.TrimPrefix(do, prefix)
	if strings.Contains(do, "; ") || strings.Contains(do, ", ADD COLUMN ") { // several statements, or a column in place of another
		return "leave the column out, and it is added with the definition that it needs"
	}
	switch verb, rest, _ := strings.Cut(do, " "); verb {
	case "MODIFY":
		do = "write " + rest
	case "ADD":
		do = "add " + strings.TrimPrefix(rest, "COLUMN ")
	case "DROP":
		do = "leave it out"
	default:
		do = "write " + do
	}
	if strings.Contains(do, "utf8mb4_0900_bin") {
		do += " (for MariaDB, COLLATE utf8mb4_nopad_bin)"
	}
	return do
}

// typeNames maps the names of types to those that servers show.
var typeNames = map[string]string{
	"integer": "int", "bool": "tinyint", "boolean": "tinyint", "numeric": "decimal", "dec": "decimal", "fixed": "decimal", "real": "double",
	"double precision": "double", "character": "char", "character varying": "varchar", "nchar": "char", "nvarchar": "varchar",
	"national char": "char", "national varchar": "varchar", "int1": "tinyint", "int2": "smallint", "int3": "mediumint", "int4": "int", "int8": "bigint",
}

// declaredColumn returns the description that information_schema would give of a declared column.
func declaredColumn(d *row.DeclaredColumn) column {
	c := column{
		name: d.Name, dataType: d.Type, nullable: !d.NotNull && !d.Auto, hasDefault: d.Default, auto: d.Auto,
		generated: d.Generated != "", generation: d.Generated, charset: d.Charset, collation: d.Collate,
	}
	if name := typeNames[d.Type]; name != "" {
		c.dataType = name
	}
	first, second := int64(d.Precision), int64(max(d.Scale, 0))
	size := fmt.Sprintf("(%d)", max(first, 1))
	switch c.dataType {
	case "decimal":
		if first < 0 {
			first = 10
		}
		c.precision, c.scale = first, second
		size = fmt.Sprintf("(%d,%d)", first, second)
	case "datetime", "timestamp", "time":
		c.fraction = max(first, 0)
	case "char", "varchar":
		c.characters = max(first, 1)
		c.bytes = row.BytesPerChar * c.characters
	case "binary", "varbinary":
		c.characters, c.bytes = max(first, 1), max(first, 1)
	case "double", "float":
		if first >= 0 {
			size = fmt.Sprintf("(%d,%d)", first, second)
		}
	case "tinytext", "tinyblob", "longtext", "longblob":
		c.bytes = map[string]int64{"tiny": 1<<8 - 1, "long": 1<<32 - 1}[c.dataType[:4]]
	default:
		c.characters, c.bytes = longest[c.dataType], longest[c.dataType]
	}
	c.columnType = c.dataType
	if d.Precision >= 0 && !strings.HasSuffix(c.dataType, "int") || c.dataType == "decimal" {
		c.columnType += size
	}
	if d.Unsigned {
		c.columnType += " unsigned"
	}
	c.rawType = strings.ToUpper(c.columnType)
	if c.dataType == "enum" || c.dataType == "set" {
		values := make([]string, len(d.Values))
		for i, v := range d.Values {
			values[i] = "'" + strings.ReplaceAll(v, "'", "''") + "'"
		}
		c.rawType += "(" + strings.Join(values, ",") + ")"
		c.columnType = strings.ToLower(c.rawType)
	}
	if c.charset == "" && c.collation != "" {
		c.charset, _, _ = strings.Cut(c.collation, "_")
	}
	if !strings.Contains(c.dataType, "char") && !strings.Contains(c.dataType, "text") {
		c.charset, c.collation = "", ""
	}
	return c
}
