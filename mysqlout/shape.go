package mysqlout

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/sluice-etl/sluice/row"
)

// Finding is something about a table or the server that stands against writing to it, or that a person should know.
type Finding struct {
	Warning bool   // else it is a refusal
	Subject string // table, table.column, or the server
	Seen    string // what was seen, and what was expected
	Do      string // what to do
}

// String is the finding in one line.
func (f Finding) String() string {
	s := f.Subject + ": " + f.Seen
	if f.Do != "" {
		s += ": " + f.Do
	}
	return s
}

// judge compares a table with what the query wants of it. It returns the table as it is: the query's columns with the
// bounds of the real ones.
type judge struct {
	want     *row.Table
	found    *found
	findings []Finding
}

func (j *judge) refuse(subject, do, seen string, args ...any) {
	j.findings = append(j.findings, Finding{Subject: subject, Seen: fmt.Sprintf(seen, args...), Do: do})
}

func (j *judge) warn(subject, do, seen string, args ...any) {
	j.findings = append(j.findings, Finding{Warning: true, Subject: subject, Seen: fmt.Sprintf(seen, args...), Do: do})
}

func (j *judge) table() row.Table {
	name := j.want.FullName()
	actual := *j.want
	actual.Columns = slices.Clone(j.want.Columns)
	switch {
	case j.found.engine == "":
		j.refuse(name, "make it (etl check --ddl prints how), or say --create-tables", noTable)
		return actual
	case j.found.kind == "SYSTEM VERSIONED":
		j.refuse(name, "ALTER TABLE "+string(appendTableName(nil, j.want))+" DROP SYSTEM VERSIONING",
			"it is a system-versioned table: each batch would keep the old version of each row that it adds to")
		return actual
	case j.found.kind != "BASE TABLE":
		j.refuse(name, "write to the table behind it", "it is a %s, must be a table", strings.ToLower(j.found.kind))
		return actual
	case !strings.EqualFold(j.found.engine, "InnoDB"):
		j.refuse(name, "ALTER TABLE … ENGINE=InnoDB: rows and checkpoint must commit together",
			"its engine is %s, must be InnoDB", j.found.engine)
	}
	for i := range actual.Columns {
		j.column(&actual.Columns[i], i < actual.Keys)
	}
	j.unwritten()
	j.keys()
	j.rejects()
	j.triggers()
	return actual
}

// unwritten looks at columns that the query leaves out.
func (j *judge) unwritten() {
	for _, c := range j.found.columns {
		if j.want.Column(c.name) == nil && !c.nullable && !c.hasDefault && !c.auto && !c.generated {
			j.refuse(j.want.FullName()+"."+c.name, "give it a default, make it nullable, or write it",
				"the query does not write this column, which is NOT NULL and has no default")
		}
	}
}

// keys: the one unique key among the written columns is exactly the GROUP BY columns.
func (j *judge) keys() {
	name := j.want.FullName()
	keys := map[string]bool{}
	var list []string
	for _, c := range j.want.Columns[:j.want.Keys] {
		keys[strings.ToLower(c.Name)] = true
		list = append(list, c.Name)
	}
	right := false
	for _, index := range slices.Sorted(maps.Keys(j.found.uniques)) {
		parts := j.found.uniques[index]
		var columns []string
		exact, known := len(parts) == len(keys), true
		for _, p := range parts {
			columns = append(columns, p.column)
			exact = exact && keys[strings.ToLower(p.column)] && !p.prefix
			known = known && p.column != ""
		}
		if len(parts) == 1 && known {
			if c := j.found.column(parts[0].column); c != nil && c.auto && j.want.Column(c.name) == nil {
				j.warn(name, "BIGINT UNSIGNED lasts; a primary key of the GROUP BY columns needs no ids",
					"each write burns ids of the AUTO_INCREMENT column %s, rows that are there already too", c.name)
				if !strings.HasPrefix(c.dataType, "bigint") {
					j.refuse(name+"."+c.name, "ALTER it to BIGINT UNSIGNED",
						"an AUTO_INCREMENT of type %s would run out: each write burns ids", c.columnType)
				}
				continue
			}
		}
		if exact {
			right = true
			continue
		}
		for _, p := range parts {
			if p.prefix {
				j.refuse(name, "make the key of whole columns",
					"unique key %s holds only the beginning of %s: different values would become one row", index, p.column)
			}
		}
		j.refuse(name, "drop it, or group by exactly its columns",
			"unique key %s (%s) is not the query's key (%s): rows of different groups would become one",
			index, strings.Join(columns, ", "), strings.Join(list, ", "))
	}
	if !right {
		j.refuse(name, fmt.Sprintf("ALTER TABLE … ADD PRIMARY KEY (%s)", strings.Join(list, ", ")),
			"no unique key is exactly (%s): each batch would insert new rows", strings.Join(list, ", "))
	}
}

// column judges one column and takes over its bounds.
func (j *judge) column(c *row.Column, key bool) {
	subject := j.want.FullName() + "." + c.Name
	real := j.found.column(c.Name)
	if real == nil {
		j.refuse(subject, "add it, or leave it out of the query", "there is no such column")
		return
	}
	if real.generated {
		j.refuse(subject, "leave it out of the query", "it is a generated column, which nobody can write")
		return
	}
	if real.auto {
		j.refuse(subject, fmt.Sprintf("ALTER TABLE %s MODIFY %s %s NOT NULL", appendTableName(nil, j.want), appendName(nil, real.name), real.columnType),
			"it is AUTO_INCREMENT: the server writes another number in place of 0")
	}
	if key && real.onUpdate {
		j.refuse(subject, fmt.Sprintf("ALTER TABLE %s MODIFY %s %s NOT NULL DEFAULT '2000-01-01 00:00:00'", appendTableName(nil, j.want), appendName(nil, real.name), real.columnType),
			"it has ON UPDATE CURRENT_TIMESTAMP: each batch that adds to a row would move the row to another key")
	}
	if key && c.Nullable {
		j.refuse(subject, fmt.Sprintf("write COALESCE(…, '') AS %s, or another value that stands for nothing", c.Name),
			"the query groups by a value that can be NULL, and NULLs are never equal in a key")
	}
	if key && real.nullable {
		j.refuse(subject, "ALTER it to NOT NULL", "it is part of the key and can be NULL: each NULL would be a new row")
	}
	if !key && c.Nullable && !real.nullable {
		j.refuse(subject, "make the column nullable, or write COALESCE in the query", "the query's value can be NULL, the column is NOT NULL")
	}
	c.Nullable = real.nullable
	j.kind(c, real, subject, key)
}

func (j *judge) kind(c *row.Column, real *column, subject string, key bool) {
	wrong := func(want string) {
		j.refuse(subject, "ALTER it, or CAST in the query", "its type is %s, must be %s", real.columnType, want)
	}
	switch c.Kind {
	case row.Int, row.Decimal:
		if c.Merge == row.Add && slices.Contains([]string{"tinyint", "smallint", "mediumint", "int"}, real.dataType) {
			j.refuse(subject, "ALTER it to BIGINT", "its type is %s: a total would outgrow it", real.columnType)
			return
		}
		if !numberBounds(c, real) {
			wrong("BIGINT or DECIMAL")
		} else if key && c.Kind == row.Decimal && int(real.scale) < j.want.Column(c.Name).Scale {
			j.refuse(subject, "give it more digits after the point", "its type is %s, the query groups by %d digits after the point: different values would become one row",
				real.columnType, j.want.Column(c.Name).Scale)
		}
	case row.Double:
		if c.Merge == row.Add {
			j.refuse(subject, "write SUM(CAST(… AS DECIMAL(38,6)))", "a sum of DOUBLE depends on the order of adding, so it cannot be exact")
		}
		if real.dataType != "double" || strings.Contains(real.columnType, "(") {
			wrong("DOUBLE, without digits, which would round")
		}
		c.Unsigned = strings.Contains(real.columnType, "unsigned")
	case row.Datetime:
		if real.dataType != "datetime" && real.dataType != "timestamp" {
			wrong("DATETIME")
		} else if key && int(real.fraction) < c.Scale {
			j.refuse(subject, fmt.Sprintf("ALTER it to DATETIME(%d)", c.Scale),
				"it keeps %d digits of a second's fraction, the query groups by %d: different times would become one row", real.fraction, c.Scale)
		}
		c.Scale = int(real.fraction)
		if real.dataType == "timestamp" {
			c.MinInt, c.MaxInt = timestampMin, cmp.Or(j.found.timestampMax, timestampMax)
		}
	case row.Text, row.Bytes:
		j.text(c, real, subject, key)
	}
}

// numberBounds takes over the bounds of a numeric column; false where it is none that keeps numbers exactly.
func numberBounds(c *row.Column, real *column) bool {
	c.Unsigned = strings.Contains(real.columnType, "unsigned")
	if real.dataType == "decimal" {
		c.Precision = int(real.precision)
		if c.Kind == row.Decimal {
			c.Scale = int(real.scale)
			return true
		}
		c.MinInt, c.MaxInt = math.MinInt64, math.MaxInt64
		if c.Unsigned {
			c.MinInt = 0
		}
		if digits := real.precision - real.scale; digits < 19 {
			most := int64(math.Pow10(int(digits))) - 1
			c.MinInt, c.MaxInt = max(-most, c.MinInt), most
		}
		c.Precision = int(real.precision - real.scale)
		return true
	}
	bits := map[string]uint{"tinyint": 8, "smallint": 16, "mediumint": 24, "int": 32, "bigint": 64}[real.dataType]
	if bits == 0 {
		return false
	}
	c.MinInt, c.MaxInt = -1<<(bits-1), 1<<(bits-1)-1
	if c.Unsigned {
		c.MinInt, c.MaxInt = 0, math.MaxInt64
		if bits < 64 {
			c.MaxInt = 1<<bits - 1
		}
	}
	if c.Kind == row.Decimal {
		c.Scale, c.Precision = 0, 20 // rounded to the column's scale before it is added
	}
	return true
}

// text judges columns of strings: two values that differ in a byte must stay two.
func (j *judge) text(c *row.Column, real *column, subject string, key bool) {
	binary := strings.Contains(real.dataType, "blob") || strings.HasSuffix(real.dataType, "binary")
	switch {
	case !binary && !strings.Contains(real.dataType, "char") && !strings.Contains(real.dataType, "text"):
		j.refuse(subject, "ALTER it, or CAST in the query", "its type is %s, must be VARCHAR, TEXT, VARBINARY or BLOB", real.columnType)
		return
	case c.Kind == row.Bytes && !binary:
		j.refuse(subject, "ALTER it to VARBINARY or BLOB", "its type is %s, which takes only text", real.columnType)
		return
	case !binary && real.charset != "utf8mb4" && real.charset != "":
		j.warn(subject, "ALTER it to utf8mb4", "its character set %s cannot hold every character: records with others become dead letters", real.charset)
	}
	c.MaxBytes = int(real.bytes)
	c.MaxChars = 0
	if !binary {
		c.MaxChars = int(real.characters)
		c.Charset = real.charset
		if !strings.HasPrefix(real.charset, "utf8") {
			c.MaxBytes = 0 // the column's bytes are not those of UTF-8
		}
		if real.charset == "utf8mb4" {
			c.Charset = ""
		}
	}
	if !key && c.Merge != row.Min && c.Merge != row.Max {
		return
	}
	if real.dataType == "char" || real.dataType == "binary" {
		j.refuse(subject, "ALTER it to VARCHAR or VARBINARY", "its type is %s, which pads: different values would become one", real.columnType)
		return
	}
	if !binary && !noPadBinary(real.collation) {
		j.refuse(subject, "ALTER it to COLLATE utf8mb4_nopad_bin (MariaDB) or utf8mb4_0900_bin (MySQL 8), or to VARBINARY",
			"its collation is %s, by which different values are equal: they would become one", real.collation)
	}
}

func noPadBinary(collation string) bool {
	return collation == "utf8mb4_0900_bin" || strings.HasSuffix(collation, "_nopad_bin")
}
