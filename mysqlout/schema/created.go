package schema

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/sluice-etl/sluice/pool"
	"github.com/sluice-etl/sluice/row"
)

// Created returns the tables as Create would create them, as a Report would describe them afterwards, with the bounds
// of their columns. It sends nothing to a server. The types are those of MySQL 8, whose bounds are those of MariaDB,
// too; MySQL 5.7 bounds texts in bytes. A dry run checks values against them.
func Created(want []row.Table) []row.Table {
	server := pool.Server{Dialect: pool.MySQL}
	out := make([]row.Table, len(want))
	for i := range want {
		t := &want[i]
		if t.Declared != nil {
			out[i] = bounded(t, declaredTable(server, t))
			continue
		}
		f := &found{kind: "BASE TABLE", engine: "InnoDB"}
		texts := keyText(t)
		for k := range t.Columns {
			c := createdColumn(columnType(server, t, k, texts))
			c.name, c.nullable = t.Columns[k].Name, nullable(t, k)
			if k < t.Keys && t.Columns[k].Nullable {
				c.name, _ = t.Columns[k].KeyNames() // a dry run needs no more
			}
			f.columns = append(f.columns, c)
		}
		out[i] = bounded(t, f)
	}
	return out
}

// bounded returns a copy of a table with the bounds that were found for its columns.
func bounded(t *row.Table, f *found) row.Table {
	j := tableChecker{want: t, found: f, server: pool.Server{Dialect: pool.MySQL}}
	actual := *t
	actual.Columns = append([]row.Column(nil), t.Columns...)
	for i := range actual.Columns {
		j.column(&actual.Columns[i], i)
	}
	return actual
}

// typeText parses a column's type in the form that columnType writes: its name, its numbers, and UNSIGNED or its
// character set and collation.
var typeText = regexp.MustCompile(`^(\w+)(?:\((\d+)(?:,(\d+))?\))?(?: UNSIGNED| CHARACTER SET (\w+) COLLATE (\w+))?$`)

// longest is the maximum number of bytes of a column of a type without a length.
var longest = map[string]int64{"text": 1<<16 - 1, "blob": 1<<16 - 1, "mediumtext": 1<<24 - 1, "mediumblob": 1<<24 - 1}

// createdColumn returns the description that information_schema would give of a column of that type.
func createdColumn(text string) column {
	m := typeText.FindStringSubmatch(text)
	if m == nil {
		panic(fmt.Sprintf("BUG: columnType wrote %q", text))
	}
	number := func(s string) int64 {
		n, _ := strconv.ParseInt(s, 10, 64) // digits, or empty
		return n
	}
	first, second := number(m[2]), number(m[3])
	c := column{dataType: strings.ToLower(m[1]), columnType: strings.ToLower(text), charset: m[4], collation: m[5]}
	switch c.dataType {
	case "decimal":
		c.precision, c.scale = first, second
	case "datetime":
		c.fraction = first
	case "varchar":
		c.characters, c.bytes = first, 4*first
	case "varbinary":
		c.characters, c.bytes = first, first
	default:
		c.characters, c.bytes = longest[c.dataType], longest[c.dataType]
	}
	return c
}
