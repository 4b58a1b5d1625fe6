package schema

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/sluice-etl/sluice/mysqlout/internal/sqltext"
	"github.com/sluice-etl/sluice/pool"
)

// Advice that begins with the name of a statement is SQL that can be run unchanged; "; " separates several
// statements. If a check has several findings, run their advice in the order in which it is printed.

// alter returns an ALTER TABLE of the target.
func (j *tableChecker) alter(format string, args ...any) string {
	return "ALTER TABLE " + string(sqltext.AppendTableName(nil, j.want)) + " " + fmt.Sprintf(format, args...)
}

// change is the required definition of a column. All findings about one column have the same advice, because each
// MODIFY states the whole column: one that kept a wrong part would undo the MODIFY before it.
type change struct {
	typ      string // with character set and collation
	nullable bool
	auto     bool
}

// modify returns the MODIFY of a column. It keeps the default and the comment of the column, and omits ON UPDATE.
func (j *tableChecker) modify(c *column, to change) string {
	var b strings.Builder
	fmt.Fprintf(&b, "MODIFY %s %s", sqltext.AppendName(nil, c.name), to.typ)
	if to.nullable {
		b.WriteString(" NULL")
	} else {
		b.WriteString(" NOT NULL")
	}
	kind := strings.ToUpper(to.typ)
	switch {
	case to.auto:
		b.WriteString(" AUTO_INCREMENT")
	case strings.HasPrefix(kind, "TIMESTAMP") && !to.nullable:
		// Without a default, explicit_defaults_for_timestamp=0 would give it ON UPDATE CURRENT_TIMESTAMP.
		b.WriteString(" DEFAULT '2000-01-01 00:00:00'")
	case c.defaultText != "" && !strings.Contains(kind, "TEXT") && !strings.Contains(kind, "BLOB") && !(c.defaultText == "NULL" && !to.nullable):
		b.WriteString(" DEFAULT " + c.defaultText)
	}
	if c.invisible {
		if j.server.Dialect == pool.MariaDB && !to.nullable && strings.HasSuffix(kind, "BLOB") {
			b.WriteString(" DEFAULT ''") // an invisible column must have one
		}
		b.WriteString(" INVISIBLE")
	}
	if c.comment != "" {
		b.WriteString(" COMMENT " + string(sqltext.AppendText(nil, c.comment)))
	}
	return j.alter("%s", b.String())
}

// fullType returns a column's type as ALTER TABLE takes it.
func (c *column) fullType() string {
	if c.charset == "" {
		return c.rawType
	}
	return c.rawType + " CHARACTER SET " + c.charset + " COLLATE " + c.collation
}

var lengthOf = regexp.MustCompile(`\((\d+)\)`)

// bytewise returns the type of a text column that compares by bytes and never pads. It has the same length, unless a
// key cannot be so long.
func (j *tableChecker) bytewise(i int, real *column, binary bool) string {
	key := i < j.want.Keys
	wanted := columnType(j.server, j.want, i, keyText(j.want))
	m := lengthOf.FindStringSubmatch(real.columnType)
	long := strings.Contains(real.dataType, "text") || strings.Contains(real.dataType, "blob")
	switch {
	case key && (long || m == nil), m == nil && !long:
		return wanted
	case long:
		size := strings.TrimSuffix(strings.TrimSuffix(strings.ToUpper(real.dataType), "TEXT"), "BLOB")
		if binary {
			return size + "BLOB"
		}
		return sizedText(j.server, size)
	case binary:
		return "VARBINARY(" + m[1] + ")"
	}
	n := int(real.characters)
	if most := keyText(j.want); key && most > 0 {
		n = min(n, max(most, j.want.Columns[i].MaxChars))
	}
	return binaryText(j.server, n)
}

// addKey returns the advice that makes the GROUP BY columns a unique key.
func (j *tableChecker) addKey() string {
	var names []string
	for _, name := range j.key {
		names = append(names, string(sqltext.AppendName(nil, name)))
	}
	kind := "PRIMARY KEY"
	for _, p := range j.found.uniques["PRIMARY"] {
		if c := j.found.column(p.column); c != nil && c.auto && j.want.Column(c.name) == nil {
			kind = "UNIQUE KEY" // beside the ids
		}
	}
	return j.alter("ADD %s (%s)", kind, strings.Join(names, ", "))
}

// dropKey returns the advice that drops a unique key. An AUTO_INCREMENT column in it must keep a key.
func (j *tableChecker) dropKey(index string) string {
	drop := "DROP PRIMARY KEY"
	if index != "PRIMARY" {
		drop = "DROP INDEX " + string(sqltext.AppendName(nil, index))
	}
	for _, p := range j.found.uniques[index] {
		if c := j.found.column(p.column); c != nil && c.auto && j.want.Column(c.name) == nil {
			kind := "UNIQUE KEY"
			if index == "PRIMARY" {
				kind = "PRIMARY KEY"
			}
			drop += fmt.Sprintf(", ADD %s (%s)", kind, sqltext.AppendName(nil, c.name))
		}
	}
	return j.alter("%s", drop)
}

// periodColumn matches a column that holds the start or the end of a row's validity, in SHOW CREATE TABLE.
var periodColumn = regexp.MustCompile("(?m)^  (`(?:[^`]|``)+`) .* GENERATED ALWAYS AS ROW (?:START|END)")

// systemVersioned is the type of a table WITH SYSTEM VERSIONING in information_schema.
const systemVersioned = "SYSTEM VERSIONED"

// dropVersioning returns the advice that removes system versioning. Partitions by SYSTEM_TIME must be removed before
// (error 4131), and columns of the period together with it (4125), which MariaDB allows only if history may be altered
// (4119).
func (j *tableChecker) dropVersioning() string {
	alter := j.alter("DROP SYSTEM VERSIONING")
	for _, m := range periodColumn.FindAllStringSubmatch(j.found.definition, -1) {
		alter += ", DROP COLUMN " + m[1]
	}
	if strings.Contains(alter, "DROP COLUMN") {
		alter = "SET STATEMENT system_versioning_alter_history=KEEP FOR " + alter
	}
	if strings.Contains(j.found.definition, "PARTITION BY SYSTEM_TIME") {
		alter = j.alter("REMOVE PARTITIONING") + "; " + alter
	}
	return alter
}

// overlapLine matches a key with WITHOUT OVERLAPS, in SHOW CREATE TABLE.
var overlapLine = regexp.MustCompile("(?m)^  (?:PRIMARY KEY|UNIQUE KEY (`(?:[^`]|``)+`)) \\(.* WITHOUT OVERLAPS\\)")

// withoutOverlaps returns the names of the unique keys that are WITHOUT OVERLAPS.
func withoutOverlaps(definition string) (keys []string) {
	for _, m := range overlapLine.FindAllStringSubmatch(definition, -1) {
		if m[1] == "" {
			keys = append(keys, "PRIMARY")
		} else {
			keys = append(keys, unquoted(m[1]))
		}
	}
	return keys
}

// addCatchAll returns the advice that adds a partition for all values that no other partition takes.
func (j *tableChecker) addCatchAll() string {
	if strings.HasPrefix(j.found.partitions, "LIST") {
		if j.server.Dialect != pool.MariaDB {
			return "partition it by RANGE, with a partition VALUES LESS THAN MAXVALUE"
		}
		return j.alter("ADD PARTITION (PARTITION p_others DEFAULT)")
	}
	most := slices.Repeat([]string{"MAXVALUE"}, max(j.found.partitionColumns, 1))
	return j.alter("ADD PARTITION (PARTITION p_others VALUES LESS THAN (%s))", strings.Join(most, ", "))
}

// defaultText returns a column's default as ALTER TABLE takes it. MariaDB stores an expression; MySQL stores a value
// without quotes, unless extra contains DEFAULT_GENERATED.
func defaultText(server pool.Server, text, extra string) string {
	upper := strings.ToUpper(text)
	switch {
	case server.Dialect == pool.MariaDB:
		return text
	case strings.HasPrefix(upper, "CURRENT_TIMESTAMP"):
		return text
	case strings.Contains(extra, "default_generated"):
		return "(" + text + ")"
	case strings.HasPrefix(text, "b'"):
		return text
	}
	return string(sqltext.AppendText(nil, text))
}
