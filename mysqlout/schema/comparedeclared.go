package schema

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-etl/sluice/pool"
	"github.com/sluice-etl/sluice/row"
)

// A table that exists is compared with the declaration of the query: columns, their types, whether they can be NULL, and
// keys. A declaration that is not that of the table is refused, because a reader of the query would take it for the
// table's. Comments, defaults, options and partitions are not compared: servers show them in many forms, and nothing that
// is counted depends on them.

const declares = "CREATE TABLE of the query declares"

// orChange is the other thing to do than to change the table.
const orChange = " (or change CREATE TABLE in the query)"

// compareDeclared compares the table with its declaration.
func (j *tableChecker) compareDeclared() {
	if j.want.Declared == nil || j.server.Dialect == pool.Embedded {
		return
	}
	for i := range j.want.Declared.Columns {
		d := &j.want.Declared.Columns[i]
		if real := j.found.column(d.Name); real != nil {
			j.compareColumn(d, real)
		} else if !j.checksColumn(d.Name) {
			c := declaredColumn(d)
			text := fmt.Sprintf("%s %s", nameList([]string{d.Name}), c.definition())
			j.refuse(j.want.FullName()+"."+d.Name, j.alter("ADD COLUMN %s", text), "there is no such column, which "+declares+" as %s"+orChange, text)
		}
	}
	for _, c := range j.found.columns {
		if j.want.Declared.Column(c.name) == nil && !j.checksColumn(c.name) {
			j.warn(j.want.FullName()+"."+c.name, "declare it, or drop it", "CREATE TABLE of the query does not declare it, and the query does not write it")
		}
	}
	j.compareKeys()
}

// checksColumn reports whether a column is one of the query, so that other checks report that it is missing.
func (j *tableChecker) checksColumn(name string) bool {
	return j.want.Column(name) != nil || j.isComputed(name) || j.storesKey(name)
}

// definition returns a column's definition, without its name.
func (c *column) definition() string {
	text := c.rawType
	if c.charset != "" {
		text += " CHARACTER SET " + c.charset
	}
	if c.collation != "" {
		text += " COLLATE " + c.collation
	}
	switch {
	case c.generated:
		return text + " GENERATED ALWAYS AS (" + c.generation + ")"
	case c.nullable:
		return text + " NULL"
	}
	return text + " NOT NULL"
}

// compareColumn compares a column with its declaration.
func (j *tableChecker) compareColumn(d *row.DeclaredColumn, real *column) {
	c := declaredColumn(d)
	subject := j.want.FullName() + "." + d.Name
	to := change{typ: real.fullType(), nullable: c.nullable}
	from := len(j.findings)
	switch {
	case c.generated != real.generated:
		j.refuse(subject, "change CREATE TABLE in the query, or create the table again", "its definition is %s, "+declares+" %s", describeColumn(real), c.definition())
		return
	case !sameType(&c, real):
		to.typ = c.rawType
		j.refuse(subject, "", "its type is %s, "+declares+" %s"+orChange, real.columnType, c.columnType)
	case c.collation != "" && c.collation != real.collation && !(noPadBinary(c.collation) && noPadBinary(real.collation)):
		to.typ = c.fullType()
		j.refuse(subject, "", "its collation is %s, "+declares+" %s"+orChange, real.collation, c.collation)
	case c.collation == "" && c.charset != "" && plainCharset(c.charset) != plainCharset(real.charset):
		to.typ = c.rawType + " CHARACTER SET " + c.charset
		j.refuse(subject, "", "its character set is %s, "+declares+" %s"+orChange, real.charset, c.charset)
	}
	if !c.generated && c.nullable != real.nullable && !(c.dataType == "timestamp" && !d.Null) { // whose default depends on the server
		word := map[bool]string{true: "NULL", false: "NOT NULL"}
		j.refuse(subject, "", "it is %s, "+declares+" %s"+orChange, word[real.nullable], word[c.nullable])
	}
	if c.generated {
		j.advise(from, "change CREATE TABLE in the query, or create the table again")
		if same, known := d.IsSame(real.generation); known && !same {
			j.warn(subject, "compare them, because servers change the form of expressions", "it is a generated column of the expression %s, "+declares+" %s", real.generation, d.Generated)
		}
		return
	}
	j.advise(from, j.modify(real, to))
}

// plainCharset returns a character set in its newer name.
func plainCharset(name string) string {
	if name == "utf8" {
		return "utf8mb3"
	}
	return name
}

// sameType compares the type of a column with the declared one. Digits of integers and lengths of TEXT and BLOB, which
// servers change, are not compared.
func sameType(c, real *column) bool {
	if c.dataType != real.dataType && !(c.dataType == "json" && real.dataType == "longtext") {
		return false
	}
	if strings.Contains(c.columnType, "unsigned") != strings.Contains(real.columnType, "unsigned") {
		return false
	}
	switch c.dataType {
	case "decimal":
		return c.precision == real.precision && c.scale == real.scale
	case "datetime", "timestamp", "time":
		return c.fraction == real.fraction
	case "char", "varchar", "binary", "varbinary":
		return c.characters == real.characters
	case "enum", "set":
		_, ours, _ := strings.Cut(c.rawType, "(")
		_, theirs, _ := strings.Cut(real.rawType, "(")
		return ours == theirs
	}
	return true
}

// compareKeys compares the keys. A unique key that is not declared is not the query's key either, which keys reports.
func (j *tableChecker) compareKeys() {
	for _, k := range j.want.Declared.Keys {
		same := func(columns []string) bool {
			return len(columns) == len(k.Columns) && !slices.ContainsFunc(columns, func(c string) bool {
				return !slices.ContainsFunc(k.Columns, func(d string) bool { return strings.EqualFold(c, d) })
			})
		}
		there := false
		for _, parts := range j.found.uniques {
			columns := make([]string, len(parts))
			for i, p := range parts {
				columns[i] = p.column
			}
			there = there || k.Unique && same(columns)
		}
		for _, columns := range j.found.others {
			there = there || !k.Unique && slices.EqualFunc(columns, k.Columns, strings.EqualFold)
		}
		switch {
		case there, k.Unique && same(j.key): // which keys reports
		case k.Unique:
			j.refuse(j.want.FullName(), j.alter("ADD UNIQUE KEY (%s)", nameList(k.Columns)), "there is no unique key (%s), which "+declares+orChange, strings.Join(k.Columns, ", "))
		default:
			j.warn(j.want.FullName(), j.alter("ADD KEY (%s)", nameList(k.Columns)), "there is no key (%s), which "+declares, strings.Join(k.Columns, ", "))
		}
	}
}
