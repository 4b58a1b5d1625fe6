package schema

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/sluice-etl/sluice/mysqlout/internal/sqltext"
	"github.com/sluice-etl/sluice/pool"
	"github.com/sluice-etl/sluice/row"
)

// A key column that can be NULL is three columns of the table: two hidden ones, which are in the unique key and NOT
// NULL, and the column itself, which the server computes from them whenever it is read (row.Column.KeyNames).

// nullKeySQL returns the expression of the generated column. It has no number as a condition, and no IF, which MySQL
// would store in another form.
func nullKeySQL(c *row.Column) string {
	value, null := c.KeyNames()
	return fmt.Sprintf("CASE WHEN %s = 0 THEN %s END", sqltext.AppendName(nil, null), sqltext.AppendName(nil, value))
}

// isNullKeySQL reports whether a server's text of an expression is nullKeySQL. Servers differ in parentheses, spaces and
// the case of letters only.
func isNullKeySQL(c *row.Column, stored string) bool {
	form := strings.NewReplacer("(", "", ")", "", " ", "")
	return strings.EqualFold(form.Replace(stored), form.Replace(nullKeySQL(c)))
}

// nullKeyShown returns the definition of the generated column, with the type of the column that holds the values.
func nullKeyShown(c *row.Column, typ string) string {
	return fmt.Sprintf("%s %s GENERATED ALWAYS AS (%s) VIRTUAL", sqltext.AppendName(nil, c.Name), typ, nullKeySQL(c))
}

// nullKeyValue returns the definition of the column that holds the values. It has a default because MariaDB requires one
// of an invisible column.
func nullKeyValue(s pool.Server, c *row.Column, typ string) string {
	name, _ := c.KeyNames()
	initial := "''"
	switch c.Kind {
	case row.Int, row.Decimal:
		initial = "0"
	case row.Datetime:
		initial = "'2000-01-01 00:00:00'" // a TIMESTAMP in each time zone
	}
	return fmt.Sprintf("%s %s NOT NULL DEFAULT %s%s", sqltext.AppendName(nil, name), typ, initial, invisible(s))
}

// nullKeyFlag returns the definition of the column that is 1 for NULL.
func nullKeyFlag(s pool.Server, c *row.Column) string {
	_, name := c.KeyNames()
	return fmt.Sprintf("%s TINYINT NOT NULL DEFAULT 0%s", sqltext.AppendName(nil, name), invisible(s))
}

// storesNull reports whether the table stores a key column so that it can be NULL. The query's need not be NULL.
func (j *tableChecker) storesNull(c *row.Column) bool {
	value, null := c.KeyNames()
	shown := j.found.column(c.Name)
	return shown != nil && isNullKeySQL(c, shown.generation) && j.found.column(value) != nil && j.found.column(null) != nil
}

// nullKey checks the columns of a key column that can be NULL, the i-th of the query.
func (j *tableChecker) nullKey(c *row.Column, i int) {
	value, null := c.KeyNames()
	subject := j.want.FullName() + "." + c.Name
	shown, held := j.found.column(c.Name), j.found.column(value)
	switch {
	case j.server.Dialect == pool.Embedded:
		j.refuse(subject, fmt.Sprintf("write COALESCE(…, '') AS %s, or WHERE … IS NOT NULL, or use a MySQL or MariaDB server", c.Name),
			"the query groups by a value that can be NULL, which the embedded database cannot store in a key")
	case held == nil && shown != nil && !shown.generated:
		j.convertToNullKey(c, shown, subject, i)
	case j.found.filled && (held == nil || j.found.column(null) == nil):
		j.refuse(subject, readAgain, "there are no columns %s and %s, which store the key, and the table holds rows (or leave it out of the query)", value, null)
	default:
		j.nullKeyHeld(c, held, i)
		j.nullKeyNull(c)
		j.nullKeyGenerated(c, shown, held, subject, i)
	}
	c.Nullable = true
}

// convertToNullKey checks an ordinary column, from which one ALTER TABLE makes the three columns and keeps the rows.
func (j *tableChecker) convertToNullKey(c *row.Column, ordinary *column, subject string, i int) {
	value, null := c.KeyNames()
	from, to := len(j.findings), change{typ: ordinary.fullType()}
	more := ""
	if ordinary.nullable {
		more = "; change the rows in which it is NULL first"
	}
	j.refuse(subject, "", "the query groups by a value that can be NULL, and an ordinary column of a unique key cannot hold one NULL for all: "+
		"it must be a generated column of %s and %s (or write COALESCE or WHERE … IS NOT NULL in the query)%s", value, null, more)
	j.attributes(c, ordinary, subject, i, &to)
	to.typ = j.fittingType(to.typ, i)
	alter := fmt.Sprintf("CHANGE %s %s, ADD COLUMN %s, ADD COLUMN %s AFTER %s", sqltext.AppendName(nil, ordinary.name),
		nullKeyValue(j.server, c, to.typ), nullKeyFlag(j.server, c), nullKeyShown(c, to.typ), sqltext.AppendName(nil, value))
	var statements []string
	for k := range j.want.Computed { // a column that others are computed from cannot be renamed
		if by := &j.want.Computed[k]; slices.Contains(by.Reads, c.Name) && j.found.column(by.Name) != nil {
			statements = append(statements, j.alter("DROP COLUMN %s", sqltext.AppendName(nil, by.Name)))
		}
	}
	j.advise(from, strings.Join(append(statements, j.alter("%s", alter)), "; "))
}

// fittingType returns the type of a text of the key, the i-th column, such that the key fits an index together with the
// columns that are 1 for NULL. The column gets shorter if the key fills the index; the server rejects that if a value is
// longer.
func (j *tableChecker) fittingType(typ string, i int) string {
	length := lengthOf.FindStringSubmatch(typ)
	if c := &j.want.Columns[i]; length == nil || c.Kind != row.Text && c.Kind != row.Bytes {
		return typ
	}
	n, _ := strconv.Atoi(length[1])
	unit := 1
	if strings.Contains(typ, "utf8mb4") {
		unit = row.BytesPerChar
	}
	left := row.MaxKeyBytes
	for k := range j.want.Columns[:j.want.Keys] {
		c := &j.want.Columns[k]
		if c.Nullable {
			left--
		}
		value, _ := c.KeyNames()
		real := j.found.column(value)
		if real == nil {
			real = j.found.column(c.Name)
		}
		switch {
		case k == i:
		case real != nil && real.bytes > 0:
			left -= int(real.bytes)
		default:
			left -= 20 // a number or a time
		}
	}
	return strings.Replace(typ, length[0], fmt.Sprintf("(%d)", min(n, max(left/unit, 1))), 1)
}

// nullKeyHeld checks the column that holds the values, and adopts its bounds.
func (j *tableChecker) nullKeyHeld(c *row.Column, held *column, i int) {
	name, _ := c.KeyNames()
	subject := j.want.FullName() + "." + name
	if held == nil {
		j.refuse(subject, j.alter("ADD COLUMN %s", nullKeyValue(j.server, c, columnType(j.server, j.want, i, keyText(j.want)))),
			"there is no such column, which holds the values of the key column %s, which can be NULL", c.Name)
		return
	}
	if held.generated {
		j.refuse(subject, j.alter("DROP COLUMN %s", sqltext.AppendName(nil, name)), "it is a generated column, which cannot be written")
		return
	}
	from, to := len(j.findings), change{typ: held.fullType(), nullable: held.nullable}
	j.attributes(c, held, subject, i, &to)
	j.advise(from, j.modify(held, to))
}

// nullKeyNull checks the column that is 1 for NULL.
func (j *tableChecker) nullKeyNull(c *row.Column) {
	_, name := c.KeyNames()
	subject := j.want.FullName() + "." + name
	real := j.found.column(name)
	switch {
	case real == nil:
		j.refuse(subject, j.alter("ADD COLUMN %s", nullKeyFlag(j.server, c)), "there is no such column, which is 1 where the key column %s is NULL", c.Name)
	case real.generated:
		j.refuse(subject, j.alter("DROP COLUMN %s", sqltext.AppendName(nil, name)), "it is a generated column, which cannot be written")
	case !slices.Contains([]string{"tinyint", "smallint", "mediumint", "int", "bigint"}, real.dataType) || real.nullable || real.auto:
		j.refuse(subject, j.modify(real, change{typ: "TINYINT"}), "its definition is %s, must be an integer NOT NULL", describeColumn(real))
	}
}

func describeColumn(c *column) string {
	text := strings.ToUpper(c.columnType)
	if c.nullable {
		text += " NULL"
	}
	if c.auto {
		text += " AUTO_INCREMENT"
	}
	return text
}

// nullKeyGenerated checks the column that clients read.
func (j *tableChecker) nullKeyGenerated(c *row.Column, shown, held *column, subject string, i int) {
	typ := columnType(j.server, j.want, i, keyText(j.want))
	if held != nil {
		typ = held.fullType()
	}
	add := "ADD COLUMN " + nullKeyShown(c, typ)
	replace := func() string { return j.alter("DROP COLUMN %s, %s", sqltext.AppendName(nil, c.Name), add) }
	switch {
	case shown == nil:
		j.refuse(subject, j.alter("%s", add), "there is no such column, in which clients read the key (or leave it out of the query)")
	case !shown.generated:
		j.refuse(subject, j.alter("CHANGE %s %s, %s", sqltext.AppendName(nil, shown.name), j.renamed(shown), add),
			"it is an ordinary column, must be a generated one of the columns that store the key (or give it another alias in the query)")
	case !isNullKeySQL(c, shown.generation):
		j.refuse(subject, replace(), "it is a generated column of the expression %s, must be %s", shown.generation, nullKeySQL(c))
	case !shown.nullable: // MySQL has such columns
		j.refuse(subject, replace(), "it is NOT NULL, so that no NULL could be written")
	case held != nil && shown.fullType() != held.fullType():
		j.refuse(subject, replace(), "its type is %s, must be %s, the type of %s", shown.fullType(), held.fullType(), held.name)
	}
}
