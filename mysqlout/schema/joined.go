package schema

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-etl/sluice/fold/lookup"
	"github.com/sluice-etl/sluice/fold/value"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqlerr"
	"github.com/sluice-etl/sluice/pool"
	"github.com/sluice-etl/sluice/row"
)

// CheckJoined compares a joined table with what the query declares of it: every value that a column can hold must be one
// of the declared type, and the columns by which rows are found must be a unique key that compares as the join does.
func CheckJoined(ctx context.Context, tx *pool.Tx, t *lookup.Table) (findings []Finding, err error) {
	f, err := inspect(ctx, tx, &row.Table{Schema: t.Schema, Name: t.Name})
	if err != nil {
		return nil, sqlerr.Classify("check table "+t.FullName(), err)
	}
	add := func(column, do, format string, args ...any) {
		findings = append(findings, Finding{Subject: t.FullName() + column, Seen: fmt.Sprintf(format, args...), Do: do})
	}
	if f.engine == "" {
		add("", "create it, or correct its name in the query", "the query joins it, but there is no such table, or the user has no right to read it")
		return findings, nil
	}
	for i := range t.Columns {
		c, is := &t.Columns[i], f.column(t.Columns[i].Name)
		at := "." + c.Name
		if is == nil {
			add(at, "correct its CREATE TABLE in the query", "the query declares it, but there is no such column")
			continue
		}
		if why := doesNotHold(c, is); why != "" {
			add(at, "correct its CREATE TABLE in the query", "the query declares %s, but the column is %s: %s", c.Declared, is.columnType, why)
		}
		if is.nullable && !c.Nullable {
			add(at, "declare it without NOT NULL, or ALTER the table", "the query declares it NOT NULL, but the column can be NULL")
		}
		isKey := slices.ContainsFunc(t.Indexes, func(x lookup.Index) bool { return x.Network == nil && slices.Contains(x.Columns, i) })
		if isKey && c.Kind == value.KindText && !c.Bytewise && !noPadBinary(is.collation) {
			add(at, fmt.Sprintf("declare it in the query as %s %s COLLATE utf8mb4_bin, which says that the join compares bytes", c.Name, c.Declared),
				"its collation %s has different values that are equal, such as 'a' and 'A' or 'a ', but the join compares bytes", is.collation)
		}
	}
	for _, x := range t.Indexes {
		if !f.isUnique(t, x) {
			names := strings.Join(t.Names(x), ", ")
			add("", fmt.Sprintf("add UNIQUE KEY (%s) to the table, or join by other columns", names), "no unique key consists of columns that the join compares (%s), so a record could match several rows", names)
		}
	}
	return findings, nil
}

// isUnique reports whether a unique key of the table has only columns of an index.
func (f *found) isUnique(t *lookup.Table, x lookup.Index) bool {
	for _, parts := range f.uniques {
		if !slices.ContainsFunc(parts, func(p indexPart) bool {
			return p.prefix || !slices.ContainsFunc(x.Columns, func(i int) bool { return strings.EqualFold(t.Columns[i].Name, p.column) })
		}) {
			return true
		}
	}
	return false
}

// doesNotHold returns why a declared column does not hold every value of a column of the server; empty if it does.
func doesNotHold(c *lookup.Column, is *column) string {
	unsigned := strings.Contains(is.columnType, "unsigned")
	switch c.Kind {
	case value.KindInt:
		bits, ok := integerBits[is.dataType]
		declared := integerBits[strings.ToLower(strings.Fields(strings.NewReplacer("(", " ").Replace(c.Declared))[0])]
		switch declaredUnsigned := strings.HasSuffix(c.Declared, " UNSIGNED"); {
		case !ok:
			return "that is no integer"
		case declaredUnsigned && !unsigned:
			return "that can be negative"
		case bits > declared || unsigned && !declaredUnsigned && bits == declared:
			return "that can be larger"
		}
	case value.KindDecimal:
		switch {
		case is.dataType != "decimal":
			return "that is no DECIMAL"
		case is.scale > int64(c.Scale):
			return "that has more digits after the point"
		case is.precision-is.scale > int64(c.Precision-c.Scale):
			return "that has more digits in front of the point"
		case strings.HasSuffix(c.Declared, " UNSIGNED") && !unsigned:
			return "that can be negative"
		}
	case value.KindDouble:
		if is.dataType != "double" {
			return "that is no DOUBLE"
		}
	case value.KindTime:
		switch {
		case is.dataType != "datetime" && is.dataType != "timestamp":
			return "that is no DATETIME"
		case is.fraction > int64(c.Scale):
			return "that has more digits of the second's fraction"
		}
	case value.KindText:
		switch {
		case !slices.Contains([]string{"char", "varchar", "tinytext", "text", "mediumtext", "longtext", "enum", "set"}, is.dataType):
			return "that is no text"
		case c.MaxChars > 0 && is.characters > int64(c.MaxChars):
			return "that has more characters"
		}
	}
	return ""
}

// integerBits holds the sizes of the integer types.
var integerBits = map[string]int{"tinyint": 8, "bool": 8, "boolean": 8, "smallint": 16, "mediumint": 24, "int": 32, "integer": 32, "bigint": 64}
