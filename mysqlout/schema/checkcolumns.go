package schema

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/sluice-etl/sluice/pool"
	"github.com/sluice-etl/sluice/row"
)

// tableChecker compares a table with the one that the query needs. Its result is the existing table: the query's
// columns with the bounds of the real ones.
type tableChecker struct {
	want     *row.Table
	found    *found
	server   pool.Server
	index    string   // the unique key that is the query's key, empty if none was found
	key      []string // the columns that store the query's key
	findings []Finding
	lacking  []lacking // what Evolve adds, if the job may
}

func (j *tableChecker) refuse(subject, do, seen string, args ...any) {
	adds := slices.ContainsFunc(j.lacking, func(l lacking) bool { return subject == j.want.FullName()+"."+l.name })
	j.findings = append(j.findings, Finding{Subject: subject, Seen: fmt.Sprintf(seen, args...), Do: do, lacking: adds})
}

func (j *tableChecker) warn(subject, do, seen string, args ...any) {
	j.findings = append(j.findings, Finding{Warning: true, Subject: subject, Seen: fmt.Sprintf(seen, args...), Do: do})
}

func (j *tableChecker) table() row.Table {
	name := j.want.FullName()
	actual := *j.want
	actual.Columns = slices.Clone(j.want.Columns)
	switch {
	case j.found.engine == "":
		j.refuse(name, createIt, noTable)
		return actual
	case j.found.kind == systemVersioned:
		j.refuse(name, j.dropVersioning(),
			"it is a system-versioned table, which would store the old version of each row that a batch adds to")
		return actual
	case j.found.kind != "BASE TABLE":
		j.refuse(name, "write to the table behind it", "it is a %s, must be a table", strings.ToLower(j.found.kind))
		return actual
	case !strings.EqualFold(j.found.engine, "InnoDB"):
		j.refuse(name, j.alter("ENGINE=InnoDB"), "its engine is %s, must be InnoDB: rows and checkpoint must commit together", j.found.engine)
	}
	for i := range actual.Columns {
		j.column(&actual.Columns[i], i)
	}
	for i := range actual.Columns[:actual.Keys] {
		j.key = append(j.key, actual.Columns[i].StoredKey()...)
	}
	j.computed()
	j.unwritten()
	j.leftBehind()
	j.keys()
	j.compareDeclared()
	j.rejects()
	j.triggers()
	return actual
}

// unwritten checks the columns that the query does not write.
func (j *tableChecker) unwritten() {
	for _, c := range j.found.columns {
		if j.want.Column(c.name) == nil && !j.isComputed(c.name) && !j.storesKey(c.name) && !c.nullable && !c.hasDefault && !c.auto && !c.generated {
			do := j.modify(&c, change{typ: c.fullType(), nullable: true})
			if c.primary {
				do = j.alter("DROP PRIMARY KEY") + "; " + do
			}
			j.refuse(j.want.FullName()+"."+c.name, do,
				"the query does not write this column, which is NOT NULL and has no default (or add a default, or let the query write it)")
		}
	}
}

// storesKey reports whether a column stores the query's key, or a part of it.
func (j *tableChecker) storesKey(name string) bool {
	return slices.ContainsFunc(j.key, func(k string) bool { return strings.EqualFold(k, name) })
}

// keys checks that the only unique key among the written columns is exactly the GROUP BY columns.
func (j *tableChecker) keys() {
	name := j.want.FullName()
	list := j.key
	right, ordered := false, false // whether j.index is the key, and whether its columns are in the order of GROUP BY
	overlaps := withoutOverlaps(j.found.definition)
	for _, index := range slices.Sorted(maps.Keys(j.found.uniques)) {
		parts := j.found.uniques[index]
		var columns []string
		exact, known := len(parts) == len(list), true
		for _, p := range parts {
			columns = append(columns, p.column)
			exact = exact && j.storesKey(p.column) && !p.prefix
			known = known && p.column != ""
		}
		if len(parts) == 1 && known {
			if c := j.found.column(parts[0].column); c != nil && c.auto && j.want.Column(c.name) == nil {
				j.warn(name, "BIGINT UNSIGNED does not run out; a primary key of the GROUP BY columns needs no ids",
					"each write consumes ids of the AUTO_INCREMENT column %s, even for rows that exist already", c.name)
				if !strings.HasPrefix(c.dataType, "bigint") {
					j.refuse(name+"."+c.name, j.modify(c, change{typ: "BIGINT UNSIGNED", auto: true}),
						"an AUTO_INCREMENT of type %s would run out, because each write consumes ids", c.columnType)
				}
				continue
			}
		}
		if slices.Contains(overlaps, index) {
			j.refuse(name, j.dropKey(index), "unique key %s is WITHOUT OVERLAPS, which does not support upserts (error 1235)", index)
			continue
		}
		if exact {
			inOrder := slices.EqualFunc(columns, list, strings.EqualFold)
			if !ordered {
				j.index, ordered = index, inOrder
			}
			right = true
			continue
		}
		if at := slices.IndexFunc(parts, func(p indexPart) bool { return p.prefix }); at >= 0 {
			j.refuse(name, j.dropKey(index),
				"unique key %s holds only a prefix of %s: different values would become one row", index, parts[at].column)
			continue
		}
		j.refuse(name, j.dropKey(index),
			"unique key %s (%s) is not the query's key (%s): rows of different groups would become one",
			index, strings.Join(columns, ", "), strings.Join(list, ", "))
	}
	if !right {
		j.refuse(name, j.addKey(),
			"no unique key is exactly (%s), so each batch would insert new rows", strings.Join(list, ", "))
	} else if !ordered && slices.ContainsFunc(j.want.Columns, func(c row.Column) bool { return c.IsState() }) {
		j.warn(name, j.dropKey(j.index)+"; "+j.addKey(),
			"unique key %s has the columns of GROUP BY in another order than (%s): tasks that read states of the same rows "+
				"lock them in another order than they write them, so more commits end in deadlocks, and are retried",
			j.index, strings.Join(list, ", "))
	}
}

// column checks one column, the i-th of the query, and adopts its bounds.
func (j *tableChecker) column(c *row.Column, i int) {
	subject := j.want.FullName() + "." + c.Name
	if i < j.want.Keys && (c.Nullable || j.storesNull(c)) {
		j.nullKey(c, i)
		return
	}
	real := j.found.column(c.Name)
	if real == nil {
		j.missing(c, i)
		return
	}
	if real.generated {
		j.refuse(subject, "leave it out of the query", "it is a generated column, which cannot be written")
		return
	}
	from := len(j.findings)
	to := change{typ: real.fullType(), nullable: real.nullable}
	j.attributes(c, real, subject, i, &to)
	c.Nullable = real.nullable && i >= j.want.Keys // a key that is stored like this is refused
	j.advise(from, j.modify(real, to))
}

// advise adds this advice to the findings from that number on that have none.
func (j *tableChecker) advise(from int, do string) {
	for k := from; k < len(j.findings); k++ {
		if j.findings[k].Do == "" {
			j.findings[k].Do = do
		}
	}
}

// attributes checks an existing column that is written, and adopts its bounds. If it must be changed, the change is
// stored in to, and the findings have no advice yet.
func (j *tableChecker) attributes(c *row.Column, real *column, subject string, i int, to *change) {
	key := i < j.want.Keys
	if real.auto {
		j.refuse(subject, "", "it is AUTO_INCREMENT: the server replaces 0 by another number")
	}
	if key && real.onUpdate {
		j.refuse(subject, "", "it has ON UPDATE CURRENT_TIMESTAMP: each batch that adds to a row would change its key")
	}
	if key && real.nullable {
		to.nullable = false
		j.refuse(subject, "", "it is part of the key and can be NULL: each NULL would be a new row")
	}
	if !key && c.Nullable && !real.nullable {
		to.nullable = true
		j.refuse(subject, "", "the query's value can be NULL, the column is NOT NULL (or write COALESCE in the query)")
	}
	j.kind(c, real, subject, i, to)
}

// kind checks the type of a column. If another one is needed, it is stored in to, and the advice of the finding is the
// MODIFY.
func (j *tableChecker) kind(c *row.Column, real *column, subject string, i int, to *change) {
	key := i < j.want.Keys
	wrong := func(want string) {
		to.typ = columnType(j.server, j.want, i, keyText(j.want))
		j.refuse(subject, "", "its type is %s, must be %s (or CAST in the query)", real.columnType, want)
	}
	switch c.Kind {
	case row.Int, row.Decimal:
		if c.Traits().Bits && (real.dataType != "bigint" || !strings.Contains(real.columnType, "unsigned")) {
			wrong("BIGINT UNSIGNED, which holds 64 bits")
			return
		}
		if c.Traits().Total && slices.Contains([]string{"tinyint", "smallint", "mediumint", "int"}, real.dataType) {
			to.typ = "BIGINT"
			if strings.Contains(real.columnType, "unsigned") {
				to.typ = "BIGINT UNSIGNED"
			}
			j.refuse(subject, "", "its type is %s, which a total would outgrow", real.columnType)
			return
		}
		if !numberBounds(c, real) {
			wrong("BIGINT or DECIMAL")
		} else if scale := j.want.Columns[i].Scale; key && j.want.Columns[i].MergesKeys(int(real.scale)) {
			to.typ = fmt.Sprintf("DECIMAL(%d,%d)", min(max(real.precision, 20)+int64(scale)-real.scale, 65), scale)
			j.refuse(subject, "", "its type is %s, the query groups by %d digits after the point: different values would become one row",
				real.columnType, scale)
		} else if j.want.Columns[i].LosesDigits(int(real.scale)) {
			to.typ = fmt.Sprintf("DECIMAL(%d,%d)", min(max(real.precision, 20)+int64(scale)-real.scale, 65), scale)
			j.refuse(subject, "", "its type is %s, which would round its values, but a variance or standard deviation is computed from it, which needs %d digits after the point",
				real.columnType, scale)
		}
	case row.Double:
		if c.Merge == row.Add {
			j.refuse(subject, "write SUM(CAST(… AS DECIMAL(38,6)))", "a sum of DOUBLE depends on the order of addition, so it cannot be exact")
		}
		if real.dataType != "double" || strings.Contains(real.columnType, "(") {
			wrong("DOUBLE, without digits, which would round")
		}
		c.Unsigned = strings.Contains(real.columnType, "unsigned")
	case row.Datetime:
		if real.dataType != "datetime" && real.dataType != "timestamp" {
			wrong("DATETIME")
		} else if c.KeepScale && (real.dataType == "timestamp" || c.LosesDigits(int(real.fraction))) {
			wrong("DATETIME with all digits, because the view of sessions compares the times")
		} else if key && c.MergesKeys(int(real.fraction)) {
			to.typ = fmt.Sprintf("%s(%d)", strings.ToUpper(real.dataType), c.Scale)
			j.refuse(subject, "", "it keeps %d digits of a second's fraction, the query groups by %d: different times would become one row", real.fraction, c.Scale)
		}
		c.Scale = int(real.fraction)
		if real.dataType == "timestamp" {
			c.MinInt, c.MaxInt = timestampMin, cmp.Or(j.found.timestampMax, timestampMax)
		}
	case row.Text, row.Bytes:
		j.text(c, real, subject, i, to)
	}
}

// numberBounds adopts the bounds of a numeric column. It returns false for a type that does not store numbers exactly.
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

// text checks text and binary columns: two values that differ in one byte must remain different.
func (j *tableChecker) text(c *row.Column, real *column, subject string, i int, to *change) {
	key := i < j.want.Keys
	binary := strings.Contains(real.dataType, "blob") || strings.HasSuffix(real.dataType, "binary")
	switch {
	case !binary && !strings.Contains(real.dataType, "char") && !strings.Contains(real.dataType, "text"):
		to.typ = columnType(j.server, j.want, i, keyText(j.want))
		j.refuse(subject, "", "its type is %s, must be VARCHAR, TEXT, VARBINARY or BLOB (or CAST in the query)", real.columnType)
		return
	case c.Kind == row.Bytes && !binary:
		to.typ = columnType(j.server, j.want, i, keyText(j.want))
		j.refuse(subject, "", "its type is %s, which takes only text", real.columnType)
		return
	case !binary && real.charset != "utf8mb4" && real.charset != "":
		to.typ = j.bytewise(i, real, false)
		j.warn(subject, "", "its character set %s cannot hold every character: records with other characters become dead letters", real.charset)
	}
	c.MaxBytes = int(real.bytes)
	c.MaxChars = 0
	if !binary {
		c.MaxChars = int(real.characters)
		c.Charset = real.charset
		if !strings.HasPrefix(real.charset, "utf8") {
			c.MaxBytes = 0 // the column does not count the bytes of UTF-8
		}
		if real.charset == "utf8mb4" {
			c.Charset = ""
		}
	}
	if c.IsDerived() && (real.bytes < row.MaxListBytes || c.Charset != "") {
		to.typ = columnType(j.server, j.want, i, keyText(j.want))
		j.refuse(subject, "", "its type is %s, which does not take every list of texts; it must be %s", real.columnType, to.typ)
		return
	}
	if (c.IsState() || c.Traits().Orders) && real.bytes < 1<<16-1 {
		to.typ = columnType(j.server, j.want, i, keyText(j.want))
		holds := "a state"
		if c.Traits().Orders {
			holds = "an order"
		}
		j.refuse(subject, "", "its type is %s, which is too small for %s; it must be %s", real.columnType, holds, to.typ)
		return
	}
	pads := real.dataType == "char" || real.dataType == "binary"
	if !key && !c.Traits().Ordered {
		if pads {
			to.typ = j.bytewise(i, real, binary)
			c.Padding = map[bool]row.Padding{false: row.PadSpace, true: row.PadZero}[binary]
			lost := map[bool]string{false: "drops trailing spaces: records whose value ends with a space", true: "pads with zero bytes: records with a shorter value"}[binary]
			j.warn(subject, "", "its type is %s, which %s become dead letters", real.columnType, lost)
		}
		return
	}
	if pads {
		to.typ = j.bytewise(i, real, binary)
		j.refuse(subject, "", "its type is %s, which pads, so different values would become one", real.columnType)
		return
	}
	if !binary && !noPadBinary(real.collation) {
		to.typ = j.bytewise(i, real, false)
		if real.collation == "" { // of a declaration
			j.refuse(subject, "", "it has no COLLATE, and in most collations different values are equal, so they would become one")
			return
		}
		j.refuse(subject, "", "its collation is %s, in which different values are equal, so they would become one", real.collation)
	}
}

func noPadBinary(collation string) bool {
	return collation == "utf8mb4_0900_bin" || strings.HasSuffix(collation, "_nopad_bin")
}
